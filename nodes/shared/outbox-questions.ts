/** What a flow may ask the outbox by msg.meshTrack: lists, and one message's history. */
import type { NodeAPI } from 'node-red';
import {
  InvalidMessageError,
  type LedgerEntry,
  type Outbox,
  type OutboxMessage,
  type OutgoingState,
} from '../../lib/index';
import { asText } from './typed-input';

const STATES = [
  'queued',
  'sending',
  'accepted',
  'acknowledged',
  'undelivered',
  'rejected',
  'unknown',
  'parked',
  'closed',
] as const satisfies readonly OutgoingState[];

/** The lists that are no state: which states they are in, and which of those are meant. */
const LISTS: Record<string, { states: readonly OutgoingState[]; isMeant: (message: OutboxMessage) => boolean }> = {
  held: { states: ['unknown', 'parked'], isMeant: ({ held }) => held },
  waiting: { states: ['queued', 'sending', 'unknown'], isMeant: ({ held }) => !held },
};

const MOST = 10_000;
const PAGE = 500;

/** One line of a message's history. */
export type HistoryLine = Omit<LedgerEntry, 'time' | 'sequence' | 'mailbox'> & { time: string };

/** The answer to msg.meshTrack; undefined where the message asks nothing of the outbox. */
export async function askOutbox(
  RED: NodeAPI,
  outbox: Outbox,
  question: unknown,
): Promise<OutboxMessage[] | HistoryLine[] | undefined> {
  if (question === undefined || question === null) return undefined;
  if (typeof question !== 'object') throw new InvalidMessageError(RED._('mesh-track.error.mesh-track'));
  const { list, history } = question as Record<string, unknown>;
  const reference = asText(RED, history, 'history');
  if (reference !== '') return (await outbox.history(reference)).map(historyLine);
  const name = asText(RED, list, 'list');
  return name === '' ? undefined : listed(RED, outbox, name);
}

async function listed(RED: NodeAPI, outbox: Outbox, name: string): Promise<OutboxMessage[]> {
  const state = STATES.find((candidate) => candidate === name);
  const list = state === undefined ? LISTS[name] : { states: [state], isMeant: () => true };
  if (list === undefined) {
    const lists = [...Object.keys(LISTS), ...STATES].join(', ');
    throw new InvalidMessageError(RED._('mesh-track.error.no-list', { lists }));
  }
  const found: OutboxMessage[] = [];
  for (let after: string | undefined; found.length < MOST;) {
    const page = await outbox.list({ states: list.states }, { limit: PAGE, ...(after !== undefined && { after }) });
    found.push(...page.filter((message) => list.isMeant(message)));
    after = page.at(-1)?.id;
    if (page.length < PAGE) break;
  }
  return found.slice(0, MOST);
}

function historyLine({ time, direction, reference, messageId, event, detail }: LedgerEntry): HistoryLine {
  return { time: new Date(time).toISOString(), event, direction, reference, messageId, detail };
}
