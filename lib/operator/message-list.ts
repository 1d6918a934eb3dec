/** Pages of messages for an operator: filtered by state through the index, searched within a bounded number of rows. */
import { toMessageView, type MessageView } from './message-view';
import type { RecentPage } from '../store/overview';
import type { Incoming, IncomingState, Outgoing, OutgoingState, Store } from '../store/store';

const SENT = {
  all: ['queued', 'sending', 'accepted', 'acknowledged', 'undelivered', 'rejected', 'unknown', 'parked', 'closed'],
  attention: ['undelivered', 'rejected', 'unknown', 'parked'],
  waiting: ['queued', 'sending'],
  underway: ['accepted'],
  arrived: ['acknowledged'],
  unknown: ['unknown'],
  undelivered: ['undelivered', 'rejected'],
  parked: ['parked'],
  closed: ['closed'],
  /** By an index of its own. */
  overdue: [],
} as const satisfies Record<string, readonly OutgoingState[]>;

const RECEIVED = {
  all: ['spooled', 'acknowledged', 'delivered', 'done', 'parked'],
  attention: ['parked'],
  waiting: ['spooled', 'acknowledged'],
  inflight: ['delivered'],
  parked: ['parked'],
  done: ['done'],
} as const satisfies Record<string, readonly IncomingState[]>;

/** Which messages: of what was sent and of what was received. */
export type MessageFilter = { out: keyof typeof SENT; in: keyof typeof RECEIVED };

/** What is wanted. */
export interface MessageQuery {
  direction: 'in' | 'out';
  /** A name of MessageFilter; anything else is `all`. */
  filter?: string;
  /** An id, or a part of an id, a workflow id, a state or an error's code. No private field is searched. */
  search?: string;
  /** `next` of the page before. */
  before?: string;
  /** At most 100. Default 50. */
  limit?: number;
}

/** A page. */
export interface MessagePage {
  messages: MessageView[];
  /** Where to go on; missing at the end. */
  next?: string;
  /** Of a search: up to when (ISO 8601 UTC) it has looked. */
  searchedTo?: string;
}

const PAGE = 50;
const MOST = 100;
/** A search reads so many rows for one answer (about 20 ms of SQLite's thread), so that no search holds up the mail. */
const ROWS_PER_SEARCH = 2000;
const ROWS_PER_READ = 500;

type Read = (page: RecentPage) => Promise<Array<Outgoing | Incoming>>;

export async function listMessages(store: Store, mailbox: string, query: MessageQuery): Promise<MessagePage> {
  const limit = Math.min(MOST, Math.max(1, query.limit ?? PAGE));
  const read = reader(store, mailbox, query);
  const search = query.search?.trim().toLowerCase() ?? '';
  if (search === '') {
    // One more than is wanted says whether there are more.
    const rows = await read({ limit: limit + 1, ...(query.before ? { before: query.before } : {}) });
    const messages = rows.slice(0, limit).map(toMessageView);
    const last = messages.at(-1);
    return { messages, ...(rows.length > limit && last ? { next: last.reference } : {}) };
  }
  const exact = query.before ? undefined : await byId(store, mailbox, query.direction, query.search?.trim() ?? '');
  if (exact) return { messages: [exact] };
  return searched(read, search, limit, query.before);
}

async function searched(read: Read, search: string, limit: number, start: string | undefined): Promise<MessagePage> {
  const messages: MessageView[] = [];
  let before = start;
  let searchedTo: string | undefined;
  for (let seen = 0; seen < ROWS_PER_SEARCH;) {
    const rows = await read({ limit: ROWS_PER_READ, ...(before ? { before } : {}) });
    for (const row of rows) {
      const message = toMessageView(row);
      before = message.reference;
      searchedTo = message.time;
      if (!fits(message, search)) continue;
      messages.push(message);
      if (messages.length === limit) return { messages, next: before, searchedTo };
    }
    seen += rows.length;
    if (rows.length < ROWS_PER_READ) return { messages };
  }
  return { messages, ...(before ? { next: before } : {}), ...(searchedTo ? { searchedTo } : {}) };
}

function fits({ reference, messageId, workflowId, state, error, statusCode }: MessageView, search: string): boolean {
  return [reference, messageId, workflowId, state, error?.code, error?.meshCode, statusCode].some((field) =>
    field?.toLowerCase().includes(search),
  );
}

function reader(store: Store, mailbox: string, { direction, filter = 'all' }: MessageQuery): Read {
  if (direction === 'in') {
    const states = Object.hasOwn(RECEIVED, filter) ? RECEIVED[filter as MessageFilter['in']] : RECEIVED.all;
    return (page) => store.recentIncoming(mailbox, states, page);
  }
  if (filter === 'overdue') return (page) => store.overdueOutgoing(mailbox, page);
  const states = Object.hasOwn(SENT, filter) ? SENT[filter as MessageFilter['out']] : SENT.all;
  return (page) => store.recentOutgoing(mailbox, states, page);
}

/** However old it is, a message whose whole id somebody has is found at once. */
async function byId(
  store: Store,
  mailbox: string,
  direction: 'in' | 'out',
  id: string,
): Promise<MessageView | undefined> {
  if (direction === 'in') {
    const row = await store.getIncoming(mailbox, id);
    return row && toMessageView(row);
  }
  const own = await store.getOutgoing(id);
  const row = own ?? (await store.listOutgoing({ mailbox, messageId: id }, { limit: 1 }))[0];
  return row?.mailbox === mailbox ? toMessageView(row) : undefined;
}
