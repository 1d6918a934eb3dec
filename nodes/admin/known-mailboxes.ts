/** The mailboxes of this Node-RED, open or not: for the sidebar, mesh-status and monitoring. */
import type { NodeAPI } from 'node-red';
import type { Connection } from '../mailbox/connection';
import { findConfig } from '../mailbox/mailbox-user';

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
  return ids.flatMap((id) => {
    const node = findConfig(RED, id);
    return node ? [{ id, name: node.name ?? '', connection: node.connection }] : [];
  });
}
