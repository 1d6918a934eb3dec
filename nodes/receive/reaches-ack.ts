/** Whether what a mesh-poll delivers can reach a mesh-ack that ends it. Without one it is redelivered, then parked. */
import type { Node, NodeAPI } from 'node-red';
import { isWired, mayLeadTo, type FoundNode } from '../mailbox/reachable-outputs';
import { OUTPUTS } from './inbox-consumer';

/** A mesh-ack that only sends an acknowledgement does not end the message. */
const endsMessage = ({ type, definition }: FoundNode): boolean => type === 'mesh-ack' && definition['finish'] !== false;

/**
 * Returns the outputs from which no mesh-ack can be reached: of data always, since every mailbox gets some, of reports
 * and business acknowledgements if they are wired.
 */
export function outputsWithoutAck(RED: NodeAPI, node: Node): number[] {
  const used = [OUTPUTS.report, OUTPUTS['business-acknowledgement']].filter((output) => isWired(node, output));
  return [OUTPUTS.data, ...used].filter((output) => !mayLeadTo(RED, node, output, endsMessage));
}
