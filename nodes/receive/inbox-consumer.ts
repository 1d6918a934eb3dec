/** A mesh-poll node as the mailbox's poller sees it: where deliveries, parked messages and errors go. */
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import type { Delivery, InboxConsumer, MessageHeaders, ParkedMessage, StoredError } from '../../lib/index';
import { NotAcknowledgedError, OutputNotWiredError } from '../shared/errors';
import type { PollSettings } from './poll-settings';
import type { PollStatus } from './poll-status';
import { receivedMessage } from './received-message';
import { cleanError, errorDetails } from '../shared/report-error';

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

  return {
    workflows: settings.workflows,
    maxInFlight: settings.maxInFlight,
    intervalMs: settings.intervalMs,
    acknowledge: settings.acknowledge,
    ...(settings.folder !== undefined && { folder: settings.folder }),

    async deliver(delivery) {
      requireWire(delivery.kind, delivery);
      emit(node, delivery.kind, receivedMessage(RED, delivery, settings.payloadAs, settings.charset));
    },

    parked(message, cause, deliveryCount) {
      const { messageId } = message;
      const error = cause ?? notAcknowledged(RED, messageId, deliveryCount);
      const msg = parkedMessage(RED, message, error, deliveryCount);
      status.problem(error, 'next-poll');
      node.error(cleanError(RED, error), { topic: msg.topic, mesh: msg.mesh });
      emit(node, 'parked', msg);
    },

    failed(error, messageId) {
      if (error instanceof OutputNotWiredError) return;
      status.problem(error, 'next-poll');
      node.error(cleanError(RED, error), messageId === undefined ? {} : { mesh: { messageId } });
    },

    changed: (state) => status.changed(state),
  };
}

/** A parked message once more, in the form in which it was told when it was parked. */
export function tellParked(RED: NodeAPI, node: Node, { message, error, deliveryCount }: ParkedMessage): void {
  const isOurs = error.code === 'MESH_NOT_ACKNOWLEDGED';
  const why = isOurs ? notAcknowledged(RED, message.messageId, deliveryCount) : error;
  emit(node, 'parked', parkedMessage(RED, message, why, deliveryCount));
}

function notAcknowledged(RED: NodeAPI, messageId: string, times: number): NotAcknowledgedError {
  return new NotAcknowledgedError(RED._('mesh-poll.error.not-acknowledged', { times }), {
    messageId,
    advice: RED._('mesh-poll.advice.not-acknowledged'),
  });
}

function parkedMessage(
  RED: NodeAPI,
  message: Partial<MessageHeaders>,
  error: Error | StoredError,
  deliveryCount: number,
) {
  const { workflowId } = message;
  const told = error instanceof Error ? errorDetails(RED, error) : error;
  return { ...(workflowId !== undefined && { topic: workflowId }), mesh: { ...message, deliveryCount }, error: told };
}

function emit(node: Node, output: Output, msg: NodeMessage): void {
  const all: Array<NodeMessage | null> = [null, null, null, null];
  all[OUTPUTS[output]] = msg;
  node.send(all);
}

function isWired(node: Node, output: Output): boolean {
  const { wires } = node as Node & { wires?: unknown[][] };
  return (wires?.[OUTPUTS[output]]?.length ?? 0) > 0;
}

function outputLabel(RED: NodeAPI, output: Output): string {
  return RED._(`mesh-poll.output.${output}`);
}
