/**
 * A mesh-poll node as a consumer of the inbox: it sends deliveries and parked messages to outputs, and errors to Catch.
 */
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import type { InboxConsumer, MessageHeaders, ParkedMessage, StoredError } from '../../lib/index';
import { NotAcknowledgedError, OutputNotWiredError } from '../shared/errors';
import type { OutputGuard } from '../mailbox/output-guard';
import { cleanError, errorDetails, nameOf } from '../shared/report-error';
import { withPlace } from '../shared/status';
import type { ParkedCount } from './parked-count';
import type { PollSettings } from './poll-settings';
import type { PollStatus } from './poll-status';
import { precedenceOf } from './poll-precedence';
import { receivedMessages } from './received-message';

/** The positions never change: flows are wired to them. */
export const OUTPUTS = { data: 0, report: 1, 'business-acknowledgement': 2, parked: 3 } as const;
type Output = keyof typeof OUTPUTS;

/** What a consumer needs of its mesh-poll node. */
export interface ConsumerParts {
  settings: PollSettings;
  status: PollStatus;
  guard: OutputGuard;
  parkedCount: ParkedCount;
  /** Called for each message that is delivered again. */
  onRedelivered: (deliveryCount: number) => void;
}

/** Returns the consumer for a node. */
export function inboxConsumer(
  RED: NodeAPI,
  node: Node,
  { settings, status, guard, parkedCount, onRedelivered }: ConsumerParts,
): InboxConsumer {
  return {
    name: nameOf(node),
    precedence: precedenceOf(node.id),
    workflows: settings.workflows,
    maxLeases: settings.maxInFlight,
    intervalMs: settings.intervalMs,
    unwrapMultipart: settings.unwrapMultipart,
    acknowledge: settings.acknowledge,
    ...(settings.folder !== undefined && { folder: settings.folder }),

    async deliver(delivery) {
      const { messageId, mailboxId } = delivery.received.message;
      // Refused, not delivered: the message would vanish, and an acknowledgement would make that final.
      await guard.require(OUTPUTS[delivery.kind], { messageId, mailboxId });
      for (const msg of receivedMessages(RED, delivery, settings.payloadAs, settings.charset)) {
        emit(node, delivery.kind, msg);
      }
      if (delivery.deliveryCount > 1) onRedelivered(delivery.deliveryCount);
    },

    parked(message, cause, deliveryCount) {
      const { messageId } = message;
      const error = cause ?? notAcknowledged(RED, messageId, deliveryCount);
      const msg = parkedMessage(RED, node, message, error, deliveryCount);
      status.problem(error, 'next-poll');
      node.error(cleanError(RED, error, node), { topic: msg.topic, mesh: msg.mesh });
      emit(node, 'parked', msg);
    },

    failed(error, messageId) {
      if (error instanceof OutputNotWiredError) return;
      status.problem(error, 'next-poll');
      node.error(cleanError(RED, error, node), messageId === undefined ? {} : { mesh: { messageId } });
    },

    changed(state) {
      status.changed(state);
      parkedCount.changed(state);
    },
  };
}

/**
 * Checks that a node takes what leaves the output of parked messages.
 * @throws OutputNotWiredError when none does
 */
export async function requireParkedOutput(guard: OutputGuard): Promise<void> {
  await guard.check(OUTPUTS.parked);
}

/** Sends a parked message to its output again, in the form in which it left when it was parked. */
export function emitParked(RED: NodeAPI, node: Node, { message, error, deliveryCount }: ParkedMessage): void {
  const isNotAcknowledged = error.code === 'MESH_NOT_ACKNOWLEDGED';
  const cause = isNotAcknowledged ? notAcknowledged(RED, message.messageId, deliveryCount) : error;
  emit(node, 'parked', parkedMessage(RED, node, message, cause, deliveryCount));
}

function notAcknowledged(RED: NodeAPI, messageId: string, times: number): NotAcknowledgedError {
  return new NotAcknowledgedError(RED._('mesh-poll.error.not-acknowledged', { times }), {
    messageId,
    advice: RED._('mesh-poll.advice.not-acknowledged'),
  });
}

function parkedMessage(
  RED: NodeAPI,
  node: Node,
  message: Partial<MessageHeaders>,
  error: Error | StoredError,
  deliveryCount: number,
) {
  const { workflowId } = message;
  const topic = workflowId === undefined ? {} : { topic: workflowId };
  const details = error instanceof Error ? errorDetails(RED, error) : error;
  const named = { ...details, message: withPlace(node, details.message) };
  return { ...topic, mesh: { ...message, deliveryCount }, error: named };
}

function emit(node: Node, output: Output, msg: NodeMessage): void {
  const all: Array<NodeMessage | null> = [null, null, null, null];
  all[OUTPUTS[output]] = msg;
  node.send(all);
}

/** Returns the name of an output, as its tooltip in the editor has it. */
export function outputLabel(RED: NodeAPI, output: number): string {
  const name = Object.entries(OUTPUTS).find(([, position]) => position === output)?.[0] ?? '';
  return RED._(`mesh-poll.output.${name}`);
}
