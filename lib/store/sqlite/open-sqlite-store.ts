/** The SQLite back end as the rest of the program sees it: posts each call to the worker and awaits its result. */
import { join, resolve } from 'node:path';
import { after, machineSteady } from '../../clock';
import { type MeshError, StorageError } from '../../errors';
import { startWorker } from '../../workers/start-worker';
import { queuedOutgoing } from '../rows/outgoing';
import type { CommitStatistics } from '../rules/batches';
import { closedError } from '../rules/errors';
import type { RequiredStore } from '../rules/known-store';
import { purgeAll } from '../rules/retention';
import type { NewOutgoing, Store, StoredPayload } from '../store';
import type { TestOptions } from './database';
import { fromPosted } from './failures';
import { CLOSE, type WorkerData, type WorkerMessage } from './messages';
import type { OperationName, Operations } from './operations';
import type { Call, CallResult } from './shared-commits';

interface SqliteStoreOptions extends Pick<RequiredStore, 'expected'> {
  /** The folder of `mesh.db`; made (for its owner only) if it is not there. One Node-RED at a time. */
  folder: string;
  /** Set by tests only. */
  test?: TestOptions;
}

/** The store, with what tests and the bench ask of it. */
export interface SqliteStore extends Store {
  statistics(): Promise<CommitStatistics>;
  /** Returns the query plan of every statement used so far. */
  queryPlans(): Promise<Array<{ sql: string; plan: string[] }>>;
}

/**
 * Opens the store of a folder; makes it if the folder has none.
 * @throws ConfigurationError when another process (or this one) has it open, it is of another version, or the folder
 *   cannot be used; StorageError when the file is damaged, the disk is full, or the expected store is not there
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const { folder, expected, test = {} } = options;
  const connection = new Connection({ folder: resolve(folder), required: { expected }, test });
  await connection.opened;
  return storeOn(connection);
}

function storeOn(connection: Connection): SqliteStore {
  const call = connection.call.bind(connection);
  return {
    isShared: false,
    id: 'sqlite',
    otherInstances: async () => [],
    async enqueue(message, note, also) {
      const first = await call('enqueue', [withOwnBytes(message), note, also]);
      // A new row is known from its message: it does not have to come back from the worker.
      return first ? { message: first, isNew: false } : { message: queuedOutgoing(withBytes(message)), isNew: true };
    },
    async replaceOutgoing(replaced, message, note) {
      const done = await call('replaceOutgoing', [replaced, withOwnBytes(message), note]);
      if (!done) return undefined;
      if ('first' in done) return { message: done.first, isNew: false };
      return { message: queuedOutgoing(withBytes(message)), isNew: true, replaced: done.replaced };
    },
    mailboxes: () => call('mailboxes', []),
    getOutgoing: (id) => call('getOutgoing', [id]),
    listOutgoing: (filter, page) => call('listOutgoing', [filter, page]),
    findByAcknowledgementReference: (mailbox, reference, limit) =>
      call('findByAcknowledgementReference', [mailbox, reference, limit]),
    findByReplyKeys: (mailbox, keys, limit) => call('findByReplyKeys', [mailbox, keys, limit]),
    countOutgoing: (mailbox) => call('countOutgoing', [mailbox]),
    nextToSend: (mailbox, now, limit) => call('nextToSend', [mailbox, now, limit]),
    idsToSend: (mailbox, now, limit) => call('idsToSend', [mailbox, now, limit]),
    nextSendTime: (mailbox, now) => call('nextSendTime', [mailbox, now]),
    dueTracking: (mailbox, now, limit) => call('dueTracking', [mailbox, now, limit]),
    dueOverdue: (mailbox, now, limit) => call('dueOverdue', [mailbox, now, limit]),
    changeOutgoing: (id, from, change, note, outcomes) =>
      call('changeOutgoing', [id, from, withOwnBytes(change), note, outcomes]),
    changeBatch: (transitions, progress) => call('changeBatch', [transitions, progress]),
    sendingProgress: (mailbox) => call('sendingProgress', [mailbox]),
    addWithoutPayload: (message, change, note) => call('addWithoutPayload', [message, change, note]),
    generation: () => call('generation', []),
    addIncoming: (message, note) => call('addIncoming', [withOwnBytes(message), note]),
    getIncoming: (mailbox, messageId) => call('getIncoming', [mailbox, messageId]),
    firstIncomingRequest: (mailbox, requestKey) => call('firstIncomingRequest', [mailbox, requestKey]),
    knownIncoming: (mailbox, messageIds) => call('knownIncoming', [mailbox, messageIds]),
    incomingSummaries: (mailbox, states, page) => call('incomingSummaries', [mailbox, states, page]),
    listIncoming: (mailbox, states, page) => call('listIncoming', [mailbox, states, page]),
    unacknowledgedIncoming: (mailbox, page) => call('unacknowledgedIncoming', [mailbox, page]),
    endLostDeliveries: async () => [],
    changeIncoming: (mailbox, messageId, from, change, ...notes) =>
      call('changeIncoming', [mailbox, messageId, from, withOwnBytes(change), ...notes]),
    note: (entry) => call('note', [entry]),
    history: (mailbox, reference) => call('history', [mailbox, reference]),
    conditionEvents: (mailbox, since) => call('conditionEvents', [mailbox, since]),
    ledger: (mailbox, between, page) => call('ledger', [mailbox, between, page]),
    recentOutgoing: (mailbox, states, page) => call('recentOutgoing', [mailbox, states, page]),
    recentIncoming: (mailbox, states, page) => call('recentIncoming', [mailbox, states, page]),
    overdueOutgoing: (mailbox, page) => call('overdueOutgoing', [mailbox, page]),
    attention: (mailbox, limit) => call('attention', [mailbox, limit]),
    parkedBytes: (mailbox) => call('parkedBytes', [mailbox]),
    activity: (mailbox, between) => call('activity', [mailbox, between]),
    closeOtherInstances: (mailbox, instance, note) => call('closeOtherInstances', [mailbox, instance, note]),
    purge: (now, retention) => purgeAll(() => call('purgeSlice', [now, retention])),
    spoolNames: () => call('spoolNames', []),
    identity: () => call('identity', []),
    spoolKey: () => call('spoolKey', []),
    trustedTime: () => call('trustedTime', []),
    trustTime: (time, isConfirmed) => call('trustTime', [time, isConfirmed]),
    addSpoolFolder: (folder) => call('addSpoolFolder', [folder]),
    spoolFolders: () => call('spoolFolders', []),
    // The file has one owner, and so has every mailbox.
    lease: async () => true,
    onRemoteChange: () => () => undefined,
    close: () => connection.close(),
    statistics: () => call('statistics', []),
    queryPlans: () => call('queryPlans', []),
  };
}

/**
 * Returns the value with its payload's bytes in memory of their own: a structured clone of a small Buffer would copy
 * the whole pool that the Buffer is a piece of, other messages' bytes included. Memory that is transferred is always a
 * copy: the caller loses it.
 */
function withOwnBytes<T extends { payload?: StoredPayload | null }>(value: T): T {
  if (value.payload?.kind !== 'inline') return value;
  const { bytes } = value.payload;
  if (bytes.length === bytes.buffer.byteLength && bytes.length < WORTH_TRANSFERRING) return value;
  return { ...value, payload: { ...value.payload, bytes: new Uint8Array(bytes) } };
}

/** Returns the message with its payload's bytes as a store returns them, as a Uint8Array, in the same memory. */
function withBytes(message: NewOutgoing): NewOutgoing {
  if (message.payload.kind !== 'inline') return message;
  const { buffer, byteOffset, byteLength } = message.payload.bytes;
  return { ...message, payload: { ...message.payload, bytes: new Uint8Array(buffer, byteOffset, byteLength) } };
}

/** Bytes from which on transferring a payload's memory costs less than copying it. */
const WORTH_TRANSFERRING = 16 * 1024;

/** Returns the memory that `withOwnBytes` has made: it is transferred rather than copied again. */
function buffersOf(args: readonly unknown[]): ArrayBuffer[] {
  return args.flatMap((arg) => {
    const payload = (arg as { payload?: StoredPayload | null } | null | undefined)?.payload;
    const isLarge = payload?.kind === 'inline' && payload.bytes.length >= WORTH_TRANSFERRING;
    return isLarge ? [payload.bytes.buffer as ArrayBuffer] : [];
  });
}

/**
 * Calls in a message. 64 callers enqueue a fifth faster than with all in one; fewer than 8 cost more than they gain.
 */
const CALLS_PER_MESSAGE = 16;

/**
 * Calls for whose result nobody outside waits, neither a flow nor a sender over MLLP: they go with the next call of
 * another kind, or some milliseconds after the post before. The first of them after a pause goes at once.
 */
const MAY_WAIT: ReadonlySet<OperationName> = new Set<OperationName>([
  'addIncoming',
  'changeIncoming',
  'changeBatch',
  // The sender's own questions: while messages come one at a time, they go with the enqueue of the next.
  'countOutgoing',
  'idsToSend',
  'nextSendTime',
]);
/** The least time between two posts of such calls alone (milliseconds). */
const GATHER_MS = 5;

interface Pending {
  resolve(value: unknown): void;
  reject(error: MeshError): void;
}

/** The thread that has the database open, as this one uses it. */
export interface StoreWorker {
  on(event: 'message', listener: (message: WorkerMessage) => void): unknown;
  once(event: 'error' | 'exit', listener: (cause?: unknown) => void): unknown;
  postMessage(message: Call[] | typeof CLOSE, transfer: ArrayBuffer[]): void;
  ref(): void;
  unref(): void;
}

const startThread = (data: WorkerData): StoreWorker => startWorker(join(__dirname, 'worker'), { workerData: data });

let start = startThread;

/**
 * Puts something else in the place of worker threads, or threads back. For a simulation that runs the database in this
 * thread: the package exports this from nowhere, and no environment variable, setting or flow leads here.
 */
export function setStoreWorker(replacement: (data: WorkerData) => StoreWorker = startThread): void {
  start = replacement;
}

/** The worker and the calls that wait for it. */
class Connection {
  /** Resolves when the database is open. */
  readonly opened: Promise<void>;
  readonly #worker: StoreWorker;
  readonly #pending = new Map<number, Pending>();
  #unposted: Call[] = [];
  /** One of the unposted calls may not wait. */
  #isUrgent = false;
  #isScheduled = false;
  #lastPost = -Infinity;
  /** Ends the wait for more calls. */
  #cancelWait: (() => void) | undefined;
  #nextId = 1;
  #closing: Promise<void> | undefined;
  #failure: MeshError | undefined;

  constructor(data: WorkerData) {
    this.#worker = start(data);
    this.opened = new Promise((open, fail) => {
      this.#worker.on('message', (message) => {
        if ('opened' in message) open();
        if ('failed' in message) fail(fromPosted(message.failed));
        if ('results' in message) this.#settle(message.results);
        // An open store does not keep a program alive; a call that waits does.
        if (this.#pending.size === 0 && !this.#closing) this.#worker.unref();
      });
      const end = (cause?: unknown): void => {
        const advice = 'Restart Node-RED. Nothing that was confirmed is lost.';
        const error = this.#closing ? closedError() : new StorageError('The store has stopped.', { cause, advice });
        this.#failure ??= error;
        fail(this.#failure);
        for (const pending of this.#pending.values()) pending.reject(this.#failure);
        this.#pending.clear();
      };
      this.#worker.once('error', end);
      this.#worker.once('exit', () => end());
    });
  }

  /** Posts a call and returns its result. Calls that reach the worker while it commits share the next commit. */
  async call<N extends OperationName>(name: N, args: Parameters<Operations[N]>): Promise<ReturnType<Operations[N]>> {
    if (this.#closing) throw closedError();
    if (this.#failure) throw this.#failure;
    const id = this.#nextId++;
    const result = new Promise<unknown>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.#unposted.push({ id, name, args });
    this.#isUrgent ||= !MAY_WAIT.has(name);
    this.#postSoon();
    if (this.#unposted.length >= CALLS_PER_MESSAGE) this.#post();
    return (await result) as ReturnType<Operations[N]>;
  }

  #postSoon(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#postIfIdle();
    });
  }

  /** Posts only while the worker is idle: calls that wait for it go in one message then, and share a commit. */
  #postIfIdle(): void {
    if (this.#unposted.length === 0 || this.#pending.size > this.#unposted.length) return;
    const wait = this.#isUrgent ? 0 : this.#lastPost + GATHER_MS - machineSteady();
    if (wait > 0)
      this.#cancelWait ??= after(wait, () => {
        this.#cancelWait = undefined;
        this.#isUrgent = true;
        this.#postIfIdle();
      });
    else this.#post();
  }

  /**
   * Posts the calls of one turn of the event loop in one message: a message costs more than a call (about 50 µs). Of
   * many calls the first go ahead, so that the worker and this thread work at the same time.
   */
  #post(): void {
    const calls = this.#unposted;
    this.#unposted = [];
    this.#isUrgent = false;
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    if (this.#failure || calls.length === 0) return;
    this.#lastPost = machineSteady();
    try {
      this.#worker.postMessage(
        calls,
        calls.flatMap(({ args }) => buffersOf(args)),
      );
      this.#worker.ref();
    } catch (cause) {
      const [first] = calls;
      if (calls.length > 1) {
        // One of them has a value that cannot be posted.
        for (const call of calls) {
          this.#unposted = [call];
          this.#post();
        }
      } else if (first) {
        this.#pending.get(first.id)?.reject(new StorageError('A value cannot be stored.', { cause }));
        this.#pending.delete(first.id);
      }
    }
  }

  /** Closes after the calls made before. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      if (this.#failure) {
        resolve();
        return;
      }
      this.#worker.ref();
      this.#worker.once('exit', () => resolve());
      this.#post();
      this.#worker.postMessage(CLOSE, []);
    });
    return this.#closing;
  }

  #settle(results: readonly CallResult[]): void {
    for (const result of results) {
      const pending = this.#pending.get(result.id);
      this.#pending.delete(result.id);
      if ('error' in result) pending?.reject(fromPosted(result.error));
      else pending?.resolve(result.value);
    }
    this.#postIfIdle();
  }
}
