/** Messages to store, and helpers of the parts of the contract. */
import type {
  IncomingState,
  LedgerNote,
  NewIncoming,
  NewOutgoing,
  OutgoingState,
  Store,
} from '../../../lib/store/store';

/** Returns the store of the running test: new, empty, closed after it. */
export type UseStore = () => Store;

export const MAILBOX = 'https://localhost:8700 X26ABC1';
export const OTHER = 'https://localhost:8700 X26ABC2';
export const DAY = 24 * 60 * 60 * 1000;
/** Some time in 2026. */
export const T = 1_790_000_000_000;

let made = 0;

/** Returns ids that sort in the order of the calls, as UUIDs of version 7 do. */
export function newId(): string {
  made += 1;
  return `019a0000-0000-7000-8000-${made.toString(16).padStart(12, '0')}`;
}

/** Names of large payloads, as a spool has them: of a sent and of a received message. */
export const OUT_NAME = `out-${'0'.repeat(31)}1`;
export const IN_NAME = `in-${'0'.repeat(32)}-019a0000-0000-4000-9000-000000000001`;

export function outgoing(changes: Partial<NewOutgoing> = {}): NewOutgoing {
  const id = changes.id ?? newId();
  return {
    id,
    mailbox: MAILBOX,
    instance: null,
    onceKey: null,
    onceDigest: null,
    lane: 'X26ABC9 WORKFLOW_1',
    strictOrder: false,
    localId: `local-${id}`,
    localIdIsUnique: true,
    workflowId: 'WORKFLOW_1',
    envelope: { to: 'X26ABC9' },
    size: 5,
    queuedAt: T,
    resendOf: null,
    acknowledgementReference: null,
    payload: { kind: 'inline', bytes: Buffer.from('hello') },
    ...changes,
  };
}

export function incoming(changes: Partial<NewIncoming> = {}): NewIncoming {
  return {
    mailbox: MAILBOX,
    messageId: `20260101120000_${newId().slice(-6)}`,
    instance: null,
    workflowId: 'WORKFLOW_1',
    messageType: 'DATA',
    headers: { from: 'X26ABC9' },
    size: 5,
    sha256: 'ab'.repeat(32),
    receivedAt: T,
    payload: { kind: 'inline', bytes: Buffer.from('hello') },
    ...changes,
  };
}

export const note = (event: string, time = T): LedgerNote => ({ event, time });

/** Enqueues a message and returns its id. */
export async function enqueued(store: Store, changes: Partial<NewOutgoing> = {}): Promise<string> {
  return (await store.enqueue(outgoing(changes), note('queued'))).message.id;
}

/** Enqueues a message, changes it to a state and returns its id. */
export async function inState(
  store: Store,
  state: OutgoingState,
  changes: Parameters<Store['changeOutgoing']>[2] = {},
  made: Partial<NewOutgoing> = {},
): Promise<string> {
  const id = await enqueued(store, made);
  await store.changeOutgoing(id, ['queued'], { state, ...changes });
  return id;
}

/** Adds a received message, changes it to a state and returns its message id. */
export async function received(
  store: Store,
  state: IncomingState = 'spooled',
  changes: Parameters<Store['changeIncoming']>[3] = {},
  made: Partial<NewIncoming> = {},
): Promise<string> {
  const message = incoming(made);
  await store.addIncoming(message, note('spooled'));
  await store.changeIncoming(message.mailbox, message.messageId, ['spooled'], { state, ...changes });
  return message.messageId;
}

export const ids = (rows: ReadonlyArray<{ id: string }>): string[] => rows.map(({ id }) => id);
export const messageIds = (rows: ReadonlyArray<{ messageId: string }>): string[] =>
  rows.map(({ messageId }) => messageId);

/** Returns every page of a list, `limit` rows each. */
export async function everyPage<R>(
  limit: number,
  cursor: (row: R) => string,
  page: (page: { limit: number; after?: string }) => Promise<R[]>,
): Promise<R[][]> {
  const pages: R[][] = [];
  for (let after: string | undefined; ;) {
    const rows = await page(after === undefined ? { limit } : { limit, after });
    if (rows.length === 0) return pages;
    pages.push(rows);
    const last = rows.at(-1);
    if (last !== undefined) after = cursor(last);
  }
}
