/** Lists the mailboxes of this Node-RED, open or not, for the sidebar, mesh-status and monitoring. */
import type { NodeAPI } from 'node-red';
import type { Connection } from './connection';
import { findConfig } from './mailbox-user';

/** A deployed mesh-config node that is not disabled. */
export interface KnownMailbox {
  id: string;
  name: string;
  /** The environment's setting; undefined when it is wrong. */
  environment: string | undefined;
  connection: Connection;
}

/** Returns every mesh-config node that is deployed and not disabled. */
export function knownMailboxes(RED: NodeAPI): KnownMailbox[] {
  const ids: string[] = [];
  RED.nodes.eachNode((node) => {
    if ((node as { type?: string }).type === 'mesh-config') ids.push(node.id);
  });
  return ids.flatMap((id) => {
    const node = findConfig(RED, id);
    return node ? [{ id, name: node.name ?? '', environment: node.environment, connection: node.connection }] : [];
  });
}
