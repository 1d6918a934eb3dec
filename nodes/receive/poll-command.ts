/** Reads the command in a message to mesh-poll: by msg.meshPoll one for parked messages, otherwise to poll now. */
import type { NodeAPI } from 'node-red';
import { InvalidMessageError } from '../../lib/index';
import { asText } from '../shared/typed-input';

/** A command for the node. */
export type PollCommand = { kind: 'poll' } | { kind: 'list-parked' } | { kind: 'redeliver'; messageId: string };

/** @throws InvalidMessageError for an unknown command: a poll in its place would hide the mistake */
export function readPollCommand(RED: NodeAPI, meshPoll: unknown): PollCommand {
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
