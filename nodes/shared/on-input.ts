/** The input handler of every node: it calls `done` exactly once and leaves no promise to reject unhandled. */
/* oxlint-disable promise/no-callback-in-promise -- Node-RED's done() is a callback, and it comes last. */
import type { Node, NodeAPI, NodeMessage, NodeMessageInFlow } from 'node-red';
import { cleanError, reportError } from './report-error';

/**
 * Handles one message, and rejects when that fails. Resolves with `unfinished` when the node closed before the message
 * succeeded or failed: then neither Complete nor Catch is triggered.
 */
export type InputWork = (
  msg: NodeMessageInFlow,
  send: (msg: NodeMessage | Array<NodeMessage | null>) => void,
) => Promise<void | 'unfinished'>;

/**
 * Runs `work` for every message. A rejected async handler would end the Node-RED process, so every node's work runs
 * here.
 */
export function onInput(RED: NodeAPI, node: Node, work: InputWork): void {
  node.on('input', (msg, send, done) => {
    void work(msg, send)
      .then(
        (result) => (result === 'unfinished' ? undefined : done()),
        (error: unknown) => done(reportError(RED, node, error)),
      )
      // Reached only if done() itself throws: a fault in the flow behind Catch or Complete, not in this message.
      .catch((error: unknown) => node.error(cleanError(RED, error, node)));
  });
}
