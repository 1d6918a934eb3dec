/** Reads the parameters in the paths of the sidebar's endpoints. */
import type { NodeAPI } from 'node-red';
import type { Connection, OpenedMailbox } from '../mailbox/connection';
import { findConfig } from '../mailbox/mailbox-user';
import type { AdminRequest } from './endpoints';
import { NoSuchMailboxError } from './errors';

/**
 * Returns the mailbox of the path's `:id`.
 * @throws NoSuchMailboxError when no such mailbox is open
 */
export async function openedMailbox(
  RED: NodeAPI,
  { params }: AdminRequest,
): Promise<OpenedMailbox & { connection: Connection }> {
  const connection = findConfig(RED, params['id'])?.connection;
  const opened = await connection?.opened();
  if (!connection || !opened) throw new NoSuchMailboxError();
  return { ...opened, connection };
}

/** Returns the path's `:direction` and `:reference`. */
export function messageOf({ params }: AdminRequest): { direction: 'in' | 'out'; reference: string } {
  return { direction: params['direction'] === 'in' ? 'in' : 'out', reference: params['reference'] ?? '' };
}
