/**
 * A mesh-poll node as a consumer of the inbox: it sends deliveries and parked messages to outputs, and errors to Catch.
 */
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import type { Delivery, InboxConsumer, MessageHeaders, ParkedMessage, StoredError } from '../../lib/index';
import { NotAcknowledgedError, OutputNotWiredError } from '../shared/errors';
import { cleanError, errorDetails } from '../shared/report-error';
import type { PollSettings } from './poll-settings';
import type { PollStatus } from './poll-status';
import { receivedMessage } from './received-message';

/** The positions never change: flows are wired to them. */
const OUTPUTS = { data: 0, report: 1, 'business-acknowledgement': 2, parked: 3 } as const;
type Output = keyof typeof OUTPUTS;

/** Returns the consumer for a node. */
export function inboxConsumer(RED: NodeAPI, node: Node, settings: PollSettings, status: PollStatus): InboxConsumer {
  const reported = new Set<Output>();

  /**
   * Refuses a delivery to an output without a wire: the message would vanish, and an acknowledgement would make that
   * final.
   */
  const requireWire = (output: Output, { received }: Delivery): void => {
    if (isWired(node, output)) {
      // A deploy may add a wire without restarting this node.
      if (reported.delete(output) && reported.size === 0) status.solved();
      return;
    }
    const { messageId, mailboxId } = received.message;
    const error = new OutputNotWiredError(RED._('mesh-poll.error.not-wired', { output: outputLabel(RED, output) }), {
      messageId,
      mailboxId,
      advice: RED._('mesh-poll.advice.not-wired'),
    });
    status.problem(error, 'deploy');
    // Once for each output: one error for each message of a full inbox would flood the Catch node.
    if (!reported.has(output)) node.error(cleanError(RED, error), { mesh: { mailboxId, messageId } });
    reported.add(output);
    throw error;
  };

  return {
    workflows: settings.workflows,
    maxLeases: settings.maxInFlight,
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

/** Sends a parked message to its output again, in the form in which it left when it was parked. */
export function emitParked(RED: NodeAPI, node: Node, { message, error, deliveryCount }: ParkedMessage): void {
  const isNotAcknowledged = error.code === 'MESH_NOT_ACKNOWLEDGED';
  const cause = isNotAcknowledged ? notAcknowledged(RED, message.messageId, deliveryCount) : error;
  emit(node, 'parked', parkedMessage(RED, message, cause, deliveryCount));
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
  const topic = workflowId === undefined ? {} : { topic: workflowId };
  const details = error instanceof Error ? errorDetails(RED, error) : error;
  return { ...topic, mesh: { ...message, deliveryCount }, error: details };
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
