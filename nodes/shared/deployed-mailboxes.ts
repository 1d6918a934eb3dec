/** The mailboxes that this Node-RED has deployed. */
import type { NodeAPI } from 'node-red';
import { isMailboxNode, type MeshConfigNode } from './mailbox-user';

/** All of them, in no order; one that is not used by any node is there, but has no mailbox open. */
export function deployedMailboxes(RED: NodeAPI): MeshConfigNode[] {
  const ids: string[] = [];
  RED.nodes.eachNode((node) => {
    if ((node as { type?: string }).type === 'mesh-config') ids.push((node as { id: string }).id);
  });
  return ids.map((id) => RED.nodes.getNode(id) as unknown).filter((node) => isMailboxNode(node));
}
