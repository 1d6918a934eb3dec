/**
 * Lists pages of messages for an operator: filtered by state through the index, searched in a limited number of rows.
 */
import {
  INCOMING_STATES,
  type Look,
  NEEDS_ATTENTION,
  OUTGOING_STATES,
  RECEIVED_STATES,
  type ReceivedFilter,
  receivedIn,
  SENT_STATES,
  type SentFilter,
  sentIn,
} from '../message-states';
import type { Incoming, IncomingState, Outgoing, OutgoingState, RecentPage, Store } from '../store/store';
import { toMessageView, type MessageView } from './message-view';

/**
 * The lists of sent messages, in the order in which the sidebar offers them. A new filter of the table is missing here:
 * tsc says so.
 */
const SENT: Record<SentFilter | 'all' | 'attention' | 'overdue', readonly OutgoingState[]> = {
  all: OUTGOING_STATES,
  attention: NEEDS_ATTENTION,
  waiting: sentIn('waiting'),
  underway: sentIn('underway'),
  // By an index of its own.
  overdue: [],
  arrived: sentIn('arrived'),
  unknown: sentIn('unknown'),
  undelivered: sentIn('undelivered'),
  parked: sentIn('parked'),
  closed: sentIn('closed'),
};

/** The lists of received messages, in that order. */
const RECEIVED: Record<ReceivedFilter | 'all', readonly IncomingState[]> = {
  all: INCOMING_STATES,
  waiting: receivedIn('waiting'),
  inflight: receivedIn('inflight'),
  parked: receivedIn('parked'),
  done: receivedIn('done'),
};
/** A second name of `parked`. */
const RECEIVED_ATTENTION = 'attention';

/** How the sidebar shows the states: its lists with their states, and the look of each state. */
export const SHOWN_STATES = {
  out: { lists: SENT, looks: looksOf(SENT_STATES) },
  in: { lists: RECEIVED, looks: looksOf(RECEIVED_STATES) },
};

function looksOf(table: Record<string, { look: Look }>): Record<string, Look> {
  return Object.fromEntries(Object.entries(table).map(([state, { look }]) => [state, look]));
}

export interface MessageQuery {
  direction: 'in' | 'out';
  /** The name of a list in SHOWN_STATES, or `attention` for received messages too; any other name is `all`. */
  filter?: string;
  /** An id, or part of an id, a workflow id, a state or an error code. Private fields are never searched. */
  search?: string;
  /** `next` of the previous page. */
  before?: string;
  /** At most 100. Default 50. */
  limit?: number;
}

export interface MessagePage {
  messages: MessageView[];
  /** Where the next page starts; missing on the last page. */
  next?: string;
  /** How far back the search has looked (ISO 8601 UTC). */
  searchedTo?: string;
}

const PAGE = 50;
const MAX_PAGE = 100;
/** Rows that one search reads (about 20 ms of SQLite's thread), so that no search holds up the messages. */
const ROWS_PER_SEARCH = 2000;
const ROWS_PER_READ = 500;

type Read = (page: RecentPage) => Promise<Array<Outgoing | Incoming>>;

export async function listMessages(store: Store, mailbox: string, query: MessageQuery): Promise<MessagePage> {
  const limit = Math.min(MAX_PAGE, Math.max(1, query.limit ?? PAGE));
  const read = reader(store, mailbox, query);
  const search = query.search?.trim().toLowerCase() ?? '';
  if (search === '') {
    // One row more than requested shows whether there is another page.
    const rows = await read({ limit: limit + 1, ...(query.before ? { before: query.before } : {}) });
    const messages = rows.slice(0, limit).map(toMessageView);
    const last = messages.at(-1);
    return { messages, ...(rows.length > limit && last ? { next: last.reference } : {}) };
  }
  const exact = query.before ? undefined : await findById(store, mailbox, query.direction, query.search?.trim() ?? '');
  if (exact) return { messages: [exact] };
  return searchRows(read, search, limit, query.before);
}

async function searchRows(read: Read, search: string, limit: number, start: string | undefined): Promise<MessagePage> {
  const messages: MessageView[] = [];
  let before = start;
  let searchedTo: string | undefined;
  for (let seen = 0; seen < ROWS_PER_SEARCH;) {
    const rows = await read({ limit: ROWS_PER_READ, ...(before ? { before } : {}) });
    for (const row of rows) {
      const message = toMessageView(row);
      before = message.reference;
      searchedTo = message.time;
      if (!matches(message, search)) continue;
      messages.push(message);
      if (messages.length === limit) return { messages, next: before, searchedTo };
    }
    seen += rows.length;
    if (rows.length < ROWS_PER_READ) return { messages };
  }
  return { messages, ...(before ? { next: before } : {}), ...(searchedTo ? { searchedTo } : {}) };
}

function matches({ reference, messageId, workflowId, state, error, statusCode }: MessageView, search: string): boolean {
  return [reference, messageId, workflowId, state, error?.code, error?.meshCode, statusCode].some((field) =>
    field?.toLowerCase().includes(search),
  );
}

function reader(store: Store, mailbox: string, { direction, filter = 'all' }: MessageQuery): Read {
  if (direction === 'in') {
    const name = filter === RECEIVED_ATTENTION ? 'parked' : filter;
    const states = Object.hasOwn(RECEIVED, name) ? RECEIVED[name as keyof typeof RECEIVED] : RECEIVED.all;
    return (page) => store.recentIncoming(mailbox, states, page);
  }
  if (filter === 'overdue') return (page) => store.overdueOutgoing(mailbox, page);
  const states = Object.hasOwn(SENT, filter) ? SENT[filter as keyof typeof SENT] : SENT.all;
  return (page) => store.recentOutgoing(mailbox, states, page);
}

/** Finds a message by its whole id at once, however old it is. */
async function findById(
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
