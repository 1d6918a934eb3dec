/** The SQLite back end, as the rest of the program sees it: posts each call to the worker and awaits its answer. */
import { createRequire } from 'node:module';
import { extname, join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { AbortedError, type MeshError, StorageError } from '../../errors';
import type { NewOutgoing, Retention, Store, StoredPayload } from '../store';
import type { TestOptions } from './database';
import { queuedOutgoing } from '../rows/outgoing';
import { received } from './failures';
import type { OperationName, Operations, Statistics } from './operations';
import type { Request } from './shared-commits';
import { CLOSE, type WorkerData, type WorkerMessage } from './messages';

export interface SqliteStoreOptions {
  /** Where `mesh.db` is; made (for its owner only) if it is not there. One Node-RED at a time. */
  folder: string;
  /** For tests only. */
  test?: TestOptions;
}

/** The store, and what tests and the bench ask of it. */
export interface SqliteStore extends Store {
  statistics(): Promise<Statistics>;
  /** The query plan of every statement that was used so far. */
  queryPlans(): Promise<Array<{ sql: string; plan: string[] }>>;
}

/**
 * Opens the store of a folder and brings it to the newest version.
 * @throws ConfigurationError if another process (or this one) has it open, a newer release has written it, or the folder
 *   cannot be used; StorageError if the file is damaged or the disk is full.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const connection = new Connection({ folder: resolve(options.folder), test: options.test ?? {} });
  await connection.opened;
  return storeOn(connection);
}

function storeOn(connection: Connection): SqliteStore {
  const call = connection.call.bind(connection);
  return {
    isShared: false,
    id: 'sqlite',
    otherInstances: async () => [],
    async enqueue(message, note) {
      const first = await call('enqueue', [withOwnBytes(message), note]);
      // Its row is what it was made of: it does not have to come back from the worker.
      return first ? { message: first, isNew: false } : { message: queuedOutgoing(withBytes(message)), isNew: true };
    },
    mailboxes: () => call('mailboxes', []),
    getOutgoing: (id) => call('getOutgoing', [id]),
    listOutgoing: (filter, page) => call('listOutgoing', [filter, page]),
    findByAcknowledgementReference: (mailbox, reference, limit) =>
      call('findByAcknowledgementReference', [mailbox, reference, limit]),
    countOutgoing: (mailbox) => call('countOutgoing', [mailbox]),
    nextToSend: (mailbox, now, limit) => call('nextToSend', [mailbox, now, limit]),
    idsToSend: (mailbox, now, limit) => call('idsToSend', [mailbox, now, limit]),
    nextSendTime: (mailbox) => call('nextSendTime', [mailbox]),
    dueTracking: (mailbox, now, limit) => call('dueTracking', [mailbox, now, limit]),
    dueOverdue: (mailbox, now, limit) => call('dueOverdue', [mailbox, now, limit]),
    changeOutgoing: (id, from, change, note, outcomes) =>
      call('changeOutgoing', [id, from, withOwnBytes(change), note, outcomes]),
    changeBatch: (transitions) => call('changeBatch', [transitions]),
    addIncoming: (message, note) => call('addIncoming', [withOwnBytes(message), note]),
    getIncoming: (mailbox, messageId) => call('getIncoming', [mailbox, messageId]),
    firstIncomingRequest: (mailbox, requestKey) => call('firstIncomingRequest', [mailbox, requestKey]),
    knownIncoming: (mailbox, messageIds) => call('knownIncoming', [mailbox, messageIds]),
    incomingSummaries: (mailbox, states, page) => call('incomingSummaries', [mailbox, states, page]),
    listIncoming: (mailbox, states, page) => call('listIncoming', [mailbox, states, page]),
    unacknowledgedIncoming: (mailbox, page) => call('unacknowledgedIncoming', [mailbox, page]),
    endLostDeliveries: async () => [],
    changeIncoming: (mailbox, messageId, from, change, note) =>
      call('changeIncoming', [mailbox, messageId, from, withOwnBytes(change), note]),
    note: (entry) => call('note', [entry]),
    history: (mailbox, reference) => call('history', [mailbox, reference]),
    ledger: (mailbox, between, page) => call('ledger', [mailbox, between, page]),
    recentOutgoing: (mailbox, states, page) => call('recentOutgoing', [mailbox, states, page]),
    recentIncoming: (mailbox, states, page) => call('recentIncoming', [mailbox, states, page]),
    overdueOutgoing: (mailbox, page) => call('overdueOutgoing', [mailbox, page]),
    attention: (mailbox, limit) => call('attention', [mailbox, limit]),
    activity: (mailbox, between) => call('activity', [mailbox, between]),
    closeOtherInstances: (mailbox, instance, note) => call('closeOtherInstances', [mailbox, instance, note]),
    purge: (now, retention) => purge(connection, now, retention),
    spoolNames: () => call('spoolNames', []),
    // The file has one owner, and so has every mailbox.
    lease: async () => true,
    onRemoteChange: () => () => undefined,
    close: () => connection.close(),
    statistics: () => call('statistics', []),
    queryPlans: () => call('queryPlans', []),
  };
}

/** Slice by slice, so that what comes in between is served in between. */
async function purge(connection: Connection, now: number, retention: Retention): ReturnType<Store['purge']> {
  const spoolNames = new Set<string>();
  let rows = 0;
  let ledgerEntries = 0;
  for (let more = true; more;) {
    const slice = await connection.call('purgeSlice', [now, retention]);
    slice.spoolNames.forEach((name) => spoolNames.add(name));
    rows += slice.rows;
    ledgerEntries += slice.ledgerEntries;
    more = slice.more;
  }
  return { spoolNames: [...spoolNames], rows, ledgerEntries };
}

/**
 * With the payload's bytes in memory of their own: a structured clone of a small Buffer would take the whole pool with it
 * that the Buffer is a piece of, other messages' bytes included.
 */
function withOwnBytes<T extends { payload?: StoredPayload | null }>(value: T): T {
  if (value.payload?.kind !== 'inline') return value;
  return { ...value, payload: { kind: 'inline', bytes: new Uint8Array(value.payload.bytes) } };
}

/** With the payload's bytes as a store gives them, which is no Buffer; in the same memory. */
function withBytes(message: NewOutgoing): NewOutgoing {
  if (message.payload.kind !== 'inline') return message;
  const { buffer, byteOffset, byteLength } = message.payload.bytes;
  return { ...message, payload: { kind: 'inline', bytes: new Uint8Array(buffer, byteOffset, byteLength) } };
}

/** Of a payload that is smaller (bytes) a copy costs less than handing over its memory. */
const WORTH_HANDING_OVER = 16 * 1024;

/** The memory that `withOwnBytes` has made: handed over rather than copied once more. */
function buffersOf(args: readonly unknown[]): ArrayBuffer[] {
  return args.flatMap((arg) => {
    const payload = (arg as { payload?: StoredPayload | null } | null | undefined)?.payload;
    const isLarge = payload?.kind === 'inline' && payload.bytes.length >= WORTH_HANDING_OVER;
    return isLarge ? [payload.bytes.buffer as ArrayBuffer] : [];
  });
}

/** Calls in a message. 64 callers enqueue a fifth faster than with all in one; fewer than 8 cost more than they gain. */
const AT_ONCE = 16;

interface Pending {
  resolve(value: unknown): void;
  reject(error: MeshError): void;
}

/** The worker and the calls that wait for it. */
class Connection {
  /** Resolves when the database is open. */
  readonly opened: Promise<void>;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #unposted: Request[] = [];
  #nextId = 1;
  #closing: Promise<void> | undefined;
  #gone: MeshError | undefined;

  constructor(data: WorkerData) {
    this.#worker = startWorker(data);
    this.opened = new Promise((open, fail) => {
      this.#worker.on('message', (message: WorkerMessage) => {
        if ('opened' in message) open();
        if ('failed' in message) fail(received(message.failed));
        if ('answers' in message) this.#settle(message.answers);
        // An open store does not keep a program alive; a call that waits does.
        if (this.#pending.size === 0 && !this.#closing) this.#worker.unref();
      });
      const end = (cause?: unknown): void => {
        const advice = 'Restart Node-RED. Nothing that was confirmed is lost.';
        const error = this.#closing ? closed() : new StorageError('The store has stopped.', { cause, advice });
        this.#gone ??= error;
        fail(this.#gone);
        for (const pending of this.#pending.values()) pending.reject(this.#gone);
        this.#pending.clear();
      };
      this.#worker.once('error', end);
      this.#worker.once('exit', () => end());
    });
  }

  /** Posts a call. What the worker gets while it commits, it does together. */
  async call<N extends OperationName>(name: N, args: Parameters<Operations[N]>): Promise<ReturnType<Operations[N]>> {
    if (this.#closing) throw closed();
    if (this.#gone) throw this.#gone;
    const id = this.#nextId++;
    const answer = new Promise<unknown>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    if (this.#unposted.length === 0) setImmediate(() => this.#postIfIdle());
    this.#unposted.push({ id, name, args });
    if (this.#unposted.length >= AT_ONCE) this.#post();
    return (await answer) as ReturnType<Operations[N]>;
  }

  /** While the worker has calls to answer, others wait until it has, and go in one message then: they share a commit. */
  #postIfIdle(): void {
    if (this.#pending.size === this.#unposted.length) this.#post();
  }

  /**
   * What was called in one turn of the event loop goes in one message: a message costs more than a call (about 50 µs). Of many
   * calls the first go ahead, so that the worker and this thread work at the same time.
   */
  #post(): void {
    const requests = this.#unposted;
    this.#unposted = [];
    if (this.#gone || requests.length === 0) return;
    try {
      this.#worker.postMessage(
        requests,
        requests.flatMap(({ args }) => buffersOf(args)),
      );
      this.#worker.ref();
    } catch (cause) {
      const [first] = requests;
      if (requests.length > 1) {
        // One of them holds what cannot be posted.
        for (const request of requests) {
          this.#unposted = [request];
          this.#post();
        }
      } else if (first) {
        this.#pending.get(first.id)?.reject(new StorageError('The store was given what cannot be stored.', { cause }));
        this.#pending.delete(first.id);
      }
    }
  }

  /** After everything that was asked before. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      if (this.#gone) {
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

  #settle(answers: Extract<WorkerMessage, { answers: unknown }>['answers']): void {
    for (const answer of answers) {
      const pending = this.#pending.get(answer.id);
      this.#pending.delete(answer.id);
      if ('error' in answer) pending?.reject(received(answer.error));
      else pending?.resolve(answer.value);
    }
    this.#postIfIdle();
  }
}

function closed(): MeshError {
  return new AbortedError('The store is closed.', { advice: 'Wait until the mailbox is open again.' });
}

/**
 * The worker's file is beside this one: built, as JavaScript; in the tests as TypeScript, which the worker can load only
 * with the same hook (tsx) that loaded this file. A worker does not inherit a hook that was required later than the start.
 */
function startWorker(data: WorkerData): Worker {
  const extension = extname(__filename);
  const execArgv = extension === '.ts' ? ['--require', createRequire(__filename).resolve('tsx/cjs')] : [];
  return new Worker(join(__dirname, `worker${extension}`), { workerData: data, execArgv });
}
