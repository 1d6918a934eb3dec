/** A mesh-poll node as the mailbox's poller sees it: where deliveries, parked messages and errors go. */
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import type { Delivery, InboxConsumer } from '../../lib/index';
import { NotAcknowledgedError, OutputNotWiredError } from './errors';
import type { PollSettings } from './poll-settings';
import type { PollStatus } from './poll-status';
import { receivedMessage } from './received-message';
import { cleanError, errorDetails } from './report-error';

/** Fixed for ever: flows are wired to the positions. */
const OUTPUTS = { data: 0, report: 1, 'business-acknowledgement': 2, parked: 3 } as const;
type Output = keyof typeof OUTPUTS;

export function inboxConsumer(RED: NodeAPI, node: Node, settings: PollSettings, status: PollStatus): InboxConsumer {
  const told = new Set<Output>();

  /** A message that leaves by an output without a wire is gone, and an acknowledgement would make that final. */
  const requireWire = (output: Output, { received }: Delivery): void => {
    if (isWired(node, output)) {
      // Wires may come without a restart of this node.
      if (told.delete(output) && told.size === 0) status.solved();
      return;
    }
    const { messageId, mailboxId } = received.message;
    const error = new OutputNotWiredError(RED._('mesh-poll.error.not-wired', { output: outputLabel(RED, output) }), {
      messageId,
      mailboxId,
      advice: RED._('mesh-poll.advice.not-wired'),
    });
    status.problem(error, 'deploy');
    // Once for each output, not for each message: a full inbox would else flood the Catch node.
    if (!told.has(output)) node.error(cleanError(RED, error), { mesh: { mailboxId, messageId } });
    told.add(output);
    throw error;
  };

  const emit = (output: Output, msg: NodeMessage): void => {
    const all: Array<NodeMessage | null> = [null, null, null, null];
    all[OUTPUTS[output]] = msg;
    node.send(all);
  };

  return {
    workflows: settings.workflows,
    maxInFlight: settings.maxInFlight,
    intervalMs: settings.intervalMs,
    acknowledge: settings.acknowledge,
    ...(settings.folder !== undefined && { folder: settings.folder }),

    async deliver(delivery) {
      requireWire(delivery.kind, delivery);
      emit(delivery.kind, receivedMessage(RED, delivery, settings.payloadAs, settings.charset));
    },

    parked(message, cause, deliveryCount) {
      const { messageId } = message;
      const error =
        cause ??
        new NotAcknowledgedError(RED._('mesh-poll.error.not-acknowledged', { times: deliveryCount }), {
          messageId,
          advice: RED._('mesh-poll.advice.not-acknowledged'),
        });
      const mesh = { ...message, deliveryCount };
      status.problem(error, 'next-poll');
      node.error(cleanError(RED, error), { topic: message.workflowId, mesh });
      emit('parked', { topic: message.workflowId, mesh, error: errorDetails(RED, error) });
    },

    failed(error, messageId) {
      if (error instanceof OutputNotWiredError) return;
      status.problem(error, 'next-poll');
      node.error(cleanError(RED, error), messageId === undefined ? {} : { mesh: { messageId } });
    },

    changed: (state) => status.changed(state),
  };
}

function isWired(node: Node, output: Output): boolean {
  const { wires } = node as Node & { wires?: unknown[][] };
  return (wires?.[OUTPUTS[output]]?.length ?? 0) > 0;
}

function outputLabel(RED: NodeAPI, output: Output): string {
  return RED._(`mesh-poll.output.${output}`);
}
