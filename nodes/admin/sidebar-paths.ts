/** What the sidebar's endpoints read from their path. */
import type { NodeAPI } from 'node-red';
import { NoSuchMailboxError } from './errors';
import type { AdminRequest } from './endpoints';
import type { Connection, OpenedMailbox } from '../mailbox/connection';
import { findConfig } from '../mailbox/mailbox-user';

/** The mailbox of the path's `:id`. Throws NoSuchMailboxError where none is open. */
export async function openedMailbox(
  RED: NodeAPI,
  { params }: AdminRequest,
): Promise<OpenedMailbox & { connection: Connection }> {
  const connection = findConfig(RED, params['id'])?.connection;
  const opened = await connection?.opened();
  if (!connection || !opened) throw new NoSuchMailboxError();
  return { ...opened, connection };
}

/** The path's `:direction` and `:reference`. */
export function messageOf({ params }: AdminRequest): { direction: 'in' | 'out'; reference: string } {
  return { direction: params['direction'] === 'in' ? 'in' : 'out', reference: params['reference'] ?? '' };
}
