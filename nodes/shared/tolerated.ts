/** Reports what a reader tolerated (docs/formats.md). */
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import type { Tolerated } from '../../lib/index';
import { sharedText } from './texts';

/** Warns of each deviation, and puts all on `msg.tolerated`; what an earlier node has put there is removed. */
export function reportTolerated(RED: NodeAPI, node: Node, msg: NodeMessage, tolerated: readonly Tolerated[]): void {
  for (const { message, count } of tolerated) node.warn(sharedText(RED, 'warning.tolerated', { message, count }));
  if (tolerated.length > 0) Object.assign(msg, { tolerated });
  else delete (msg as { tolerated?: unknown }).tolerated;
}
