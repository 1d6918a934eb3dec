/** Queries of a flow to the outbox, by msg.meshTrack: lists, the history of a message, and the ledger as text. */
import type { NodeAPI } from 'node-red';
import {
  InvalidMessageError,
  ledgerHead,
  ledgerLine,
  MAY_NEED_DECISION,
  MAY_STILL_BE_ACCEPTED,
  OUTGOING_STATES,
  systemClock,
  type LedgerEntry,
  type Outbox,
  type OutboxMessage,
  type OutgoingState,
} from '../../lib/index';
import { asText } from '../shared/typed-input';
import { trackedMessage, type TrackedMessage } from './tracked-message';

/** The lists that are not one state: the states to read, and the messages of those that belong to the list. */
const LISTS: Record<string, { states: readonly OutgoingState[]; includes: (message: OutboxMessage) => boolean }> = {
  attention: {
    states: ['undelivered', 'rejected', ...MAY_NEED_DECISION],
    includes: ({ state, needsDecision }) => needsDecision || state === 'undelivered' || state === 'rejected',
  },
  held: { states: MAY_NEED_DECISION, includes: ({ needsDecision }) => needsDecision },
  waiting: { states: MAY_STILL_BE_ACCEPTED, includes: ({ needsDecision }) => !needsDecision },
};

const MAX_MESSAGES = 10_000;
const PAGE = 500;

/** One entry of a message's history. */
export type HistoryLine = Omit<LedgerEntry, 'time' | 'sequence' | 'mailbox'> & { time: string };

/**
 * Returns the result of msg.meshTrack; undefined when the message has no query.
 * @throws InvalidMessageError when the query is not valid
 */
export async function queryOutbox(
  RED: NodeAPI,
  outbox: Outbox,
  query: unknown,
): Promise<TrackedMessage[] | HistoryLine[] | string | undefined> {
  if (query === undefined || query === null) return undefined;
  if (typeof query !== 'object') throw new InvalidMessageError(RED._('mesh-track.error.mesh-track'));
  const { list, history, ledger } = query as Record<string, unknown>;
  if (ledger !== undefined && ledger !== null) return ledgerText(RED, outbox, ledger);
  const reference = asText(RED, history, 'history');
  if (reference !== '') return (await outbox.history(reference)).map(historyLine);
  const name = asText(RED, list, 'list');
  return name === '' ? undefined : listed(RED, outbox, name);
}

/** `{from, to, format}`: ISO 8601 times, by default the last 30 days; `csv` (default) or `jsonl`. */
async function ledgerText(RED: NodeAPI, outbox: Outbox, query: unknown): Promise<string> {
  const { from, to, format } = (typeof query === 'object' ? query : {}) as Record<string, unknown>;
  const time = (value: unknown, field: string, fallback: number): number => {
    const text = asText(RED, value, field);
    const parsed = text === '' ? fallback : Date.parse(text);
    if (Number.isNaN(parsed)) throw new InvalidMessageError(RED._('mesh-track.error.time', { field }));
    return parsed;
  };
  const end = time(to, 'to', systemClock.now() + 1);
  const between = { from: time(from, 'from', end - 30 * 24 * 60 * 60 * 1000), to: end };
  const as = asText(RED, format, 'format') === 'jsonl' ? 'jsonl' : 'csv';
  const lines = [ledgerHead(as)];
  for await (const entry of outbox.ledger(between)) lines.push(ledgerLine(entry, as));
  return lines.join('');
}

async function listed(RED: NodeAPI, outbox: Outbox, name: string): Promise<TrackedMessage[]> {
  const state = OUTGOING_STATES.find((candidate) => candidate === name);
  const other = Object.hasOwn(LISTS, name) ? LISTS[name] : undefined;
  const list = state === undefined ? other : { states: [state], includes: () => true };
  if (list === undefined) {
    const lists = [...Object.keys(LISTS), ...OUTGOING_STATES].join(', ');
    throw new InvalidMessageError(RED._('mesh-track.error.no-list', { lists }));
  }
  const found: OutboxMessage[] = [];
  for (let after: string | undefined; found.length < MAX_MESSAGES;) {
    const page = await outbox.list({ states: list.states }, { limit: PAGE, ...(after !== undefined && { after }) });
    found.push(...page.filter((message) => list.includes(message)));
    after = page.at(-1)?.id;
    if (page.length < PAGE) break;
  }
  return found.slice(0, MAX_MESSAGES).map(trackedMessage);
}

function historyLine({ time, direction, reference, messageId, event, detail }: LedgerEntry): HistoryLine {
  return { time: new Date(time).toISOString(), event, direction, reference, messageId, detail };
}
