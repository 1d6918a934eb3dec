/** What a message to mesh-poll asks for: by msg.meshPoll, something about parked messages; else to poll now. */
import type { NodeAPI } from 'node-red';
import { InvalidMessageError } from '../../lib/index';
import { asText } from '../shared/typed-input';

/** What the node has to do. */
export type PollOrder = { kind: 'poll' } | { kind: 'list-parked' } | { kind: 'redeliver'; messageId: string };

/** @throws InvalidMessageError for what is not understood: a poll in its place would hide the mistake. */
export function readPollOrder(RED: NodeAPI, meshPoll: unknown): PollOrder {
  if (meshPoll === undefined || meshPoll === null) return { kind: 'poll' };
  if (typeof meshPoll !== 'object' || Array.isArray(meshPoll)) {
    throw new InvalidMessageError(RED._('mesh-poll.error.mesh-poll'));
  }
  const { redeliver, list } = meshPoll as Record<string, unknown>;
  const messageId = asText(RED, redeliver, 'redeliver');
  if (messageId !== '') return { kind: 'redeliver', messageId };
  if (asText(RED, list, 'list') === 'parked') return { kind: 'list-parked' };
  throw new InvalidMessageError(RED._('mesh-poll.error.mesh-poll'));
}
