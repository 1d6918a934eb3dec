/** What a flow may ask the outbox by msg.meshTrack: lists, one message's history, and the ledger as text. */
import type { NodeAPI } from 'node-red';
import {
  InvalidMessageError,
  ledgerHead,
  ledgerLine,
  type LedgerEntry,
  type Outbox,
  type OutboxMessage,
  type OutgoingState,
} from '../../lib/index';
import { asText } from '../shared/typed-input';

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
): Promise<OutboxMessage[] | HistoryLine[] | string | undefined> {
  if (question === undefined || question === null) return undefined;
  if (typeof question !== 'object') throw new InvalidMessageError(RED._('mesh-track.error.mesh-track'));
  const { list, history, ledger } = question as Record<string, unknown>;
  if (ledger !== undefined && ledger !== null) return ledgerText(RED, outbox, ledger);
  const reference = asText(RED, history, 'history');
  if (reference !== '') return (await outbox.history(reference)).map(historyLine);
  const name = asText(RED, list, 'list');
  return name === '' ? undefined : listed(RED, outbox, name);
}

/** `{from, to, format}`: times as ISO 8601, by default the last 30 days; `csv` or `jsonl`. */
async function ledgerText(RED: NodeAPI, outbox: Outbox, asked: unknown): Promise<string> {
  const { from, to, format } = (typeof asked === 'object' ? asked : {}) as Record<string, unknown>;
  const time = (value: unknown, field: string, fallback: number): number => {
    const text = asText(RED, value, field);
    const parsed = text === '' ? fallback : Date.parse(text);
    if (Number.isNaN(parsed)) throw new InvalidMessageError(RED._('mesh-track.error.time', { field }));
    return parsed;
  };
  const end = time(to, 'to', Date.now() + 1);
  const between = { from: time(from, 'from', end - 30 * 24 * 60 * 60 * 1000), to: end };
  const as = asText(RED, format, 'format') === 'jsonl' ? 'jsonl' : 'csv';
  const lines = [ledgerHead(as)];
  for await (const entry of outbox.ledger(between)) lines.push(ledgerLine(entry, as));
  return lines.join('');
}

async function listed(RED: NodeAPI, outbox: Outbox, name: string): Promise<OutboxMessage[]> {
  const state = STATES.find((candidate) => candidate === name);
  const other = Object.hasOwn(LISTS, name) ? LISTS[name] : undefined;
  const list = state === undefined ? other : { states: [state], isMeant: () => true };
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
