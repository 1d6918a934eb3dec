/** The mailboxes of this Node-RED, as the sidebar's endpoints find them. */
import type { NodeAPI } from 'node-red';
import { NoSuchMailboxError } from './admin-errors';
import type { AdminRequest } from './admin';
import type { Connection, OpenedMailbox } from './connection';
import type { MeshConfigNode } from './mailbox-user';

/** A mesh-config node that is deployed and not disabled. */
export interface KnownMailbox {
  id: string;
  name: string;
  connection: Connection;
}

export function knownMailboxes(RED: NodeAPI): KnownMailbox[] {
  const ids: string[] = [];
  RED.nodes.eachNode((node) => {
    if ((node as { type?: string }).type === 'mesh-config') ids.push(node.id);
  });
  return ids.flatMap((id) => knownMailbox(RED, id) ?? []);
}

function knownMailbox(RED: NodeAPI, id: string): KnownMailbox | undefined {
  const node = RED.nodes.getNode(id) as MeshConfigNode | null;
  if (node?.type !== 'mesh-config' || typeof node.register !== 'function') return undefined;
  return { id, name: node.name ?? '', connection: node.connection };
}

/** The mailbox of the path's `:id`. Throws NoSuchMailboxError where none is open. */
export async function openedMailbox(
  RED: NodeAPI,
  { params }: AdminRequest,
): Promise<OpenedMailbox & { connection: Connection }> {
  const known = knownMailbox(RED, params['id'] ?? '');
  const opened = await known?.connection.opened();
  if (!known || !opened) throw new NoSuchMailboxError();
  return { ...opened, connection: known.connection };
}

/** The path's `:direction` and `:reference`. */
export function messageOf({ params }: AdminRequest): { direction: 'in' | 'out'; reference: string } {
  return { direction: params['direction'] === 'in' ? 'in' : 'out', reference: params['reference'] ?? '' };
}
