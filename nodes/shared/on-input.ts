/** The input handler that every node uses: exactly one done, and no promise that could reject unseen. */
/* oxlint-disable promise/no-callback-in-promise -- done() is how Node-RED is told, and it comes last. */
import type { Node, NodeAPI, NodeMessage, NodeMessageInFlow } from 'node-red';
import { cleanError, reportError } from './report-error';

/**
 * What a node does with one message. Rejecting is how it fails. `unanswered`: the node was closed before the message was
 * done or failed, and neither Complete nor Catch may hear of it.
 */
export type InputWork = (
  msg: NodeMessageInFlow,
  send: (msg: NodeMessage | Array<NodeMessage | null>) => void,
) => Promise<void | 'unanswered'>;

/** A rejected async handler would end the whole Node-RED process: so the work is run here, and only here. */
export function onInput(RED: NodeAPI, node: Node, work: InputWork): void {
  node.on('input', (msg, send, done) => {
    void work(msg, send)
      .then(
        (answer) => (answer === 'unanswered' ? undefined : done()),
        (error: unknown) => done(reportError(RED, node, error)),
      )
      // Reached only if done itself throws, which is a fault of a Catch or Complete node's flow, not of this message.
      .catch((error: unknown) => node.error(cleanError(RED, error)));
  });
}
