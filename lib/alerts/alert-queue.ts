/**
 * Alerts that a receiver has to take: kept as files, sent again and again until it has. Not in the store, because an
 * alert that the store cannot be opened has to go out too.
 *
 * A file's name is its state: `<id>.<key>.waiting`, then `<id>.<key>.taken` for as long as the key is remembered. What is
 * kept outlives a kill; one after the receiver has taken an alert, and before its file is renamed, repeats it, under the
 * same id.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { steadyTime, type Clock } from '../clock';
import { ConfigurationError, MeshError } from '../errors';
import { mkdir, readdir, readFile } from '../files';
import { writeWholeFile } from '../payload/whole-file';
import { uuidv7 } from '../random';
import { OUTGOING_ALERT, type AlertContent, type OutgoingAlert } from './outgoing-alert';
import { removeWithRetry, renameWithRetry } from '../payload/rename-with-retry';
import { syncFolder } from '../payload/sync-folder';

/** A receiver did not take an alert. */
export class AlertError extends MeshError {
  /** True when it gave no answer at all: other alerts would fare alike. */
  readonly isUnreachable: boolean;

  constructor(message: string, details: { advice?: string; cause?: unknown; isUnreachable?: boolean } = {}) {
    const { isUnreachable = false, ...rest } = details;
    super('MESH_ALERT', 'safe', message, rest);
    this.isUnreachable = isUnreachable;
  }
}

/** Sends one alert. Resolves when the receiver has taken it. @throws AlertError when it has not */
export type Receiver = (alert: OutgoingAlert, signal: AbortSignal) => Promise<void>;

/** What becomes of a kept alert. */
export interface AlertEvents {
  taken(alert: OutgoingAlert): void;
  /** Called for each failed attempt; `attempt` counts from 1 since the start. */
  failed(alert: OutgoingAlert, error: unknown, attempt: number): void;
  /** The folder cannot be read or written, or a file in it is damaged. */
  fault(error: unknown): void;
}

interface Waiting {
  file: string;
  attempts: number;
  /** By the steady clock (milliseconds). */
  dueAt: number;
}

/** At most so many alerts wait, and so many keys are remembered. */
const MAX_WAITING = 10_000;
const MAX_KEYS = 10_000;
const NAME = /^([0-9a-f-]{36})\.([0-9a-f]{32}|none)\.(waiting|taken)$/;

export class AlertQueue {
  readonly #folder: string;
  readonly #receiver: Receiver;
  readonly #events: AlertEvents;
  readonly #clock: Clock;
  readonly #retryMs: number;
  /** Oldest first. */
  #waiting: Waiting[] = [];
  /** Digests of the keys of alerts that wait or were taken, and the files that remember them; oldest first. */
  readonly #known = new Map<string, string>();
  readonly #closing = new AbortController();
  #wake = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #adding: Promise<unknown> = Promise.resolve();

  private constructor(
    folder: string,
    receiver: Receiver,
    events: AlertEvents,
    options: { clock: Clock; retryMs: number },
  ) {
    this.#folder = folder;
    this.#receiver = receiver;
    this.#events = events;
    this.#clock = options.clock;
    this.#retryMs = options.retryMs;
  }

  /**
   * Opens the queue of a folder, which no other one uses, and begins to send what waits there.
   * @param options `retryMs`: the wait after a failed attempt (milliseconds)
   * @throws ConfigurationError when the folder cannot be used
   */
  static async open(
    folder: string,
    receiver: Receiver,
    events: AlertEvents,
    options: { clock: Clock; retryMs: number },
  ): Promise<AlertQueue> {
    const queue = new AlertQueue(folder, receiver, events, options);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await queue.#read();
    } catch (cause) {
      const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
      throw new ConfigurationError(`The folder for alerts cannot be used (${code}): ${folder}.`, {
        cause,
        advice: 'Check that the folder exists, and that Node-RED may write to it.',
      });
    }
    queue.#running = queue.#run();
    return queue;
  }

  /** How many alerts nobody has taken yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Keeps an alert; resolves when it is durable. Resolves with undefined, and keeps nothing, when an alert with this key
   * is kept or was taken. An empty key is none.
   * @throws AlertError when too many wait; the system's error
   */
  add(content: AlertContent, key: string): Promise<OutgoingAlert | undefined> {
    const added = this.#adding.then(() => this.#add(content, key));
    this.#adding = added.catch(() => undefined);
    return added;
  }

  /** Ends an attempt that is under way; what waits is sent when the folder is opened again. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake.abort();
    await this.#adding;
    await this.#running;
  }

  async #read(): Promise<void> {
    for (const name of (await readdir(this.#folder)).toSorted()) {
      const [, , digest = '', state] = NAME.exec(name) ?? [];
      if (digest !== '' && digest !== 'none') this.#known.set(digest, name);
      if (state === 'waiting') this.#waiting.push({ file: name, attempts: 0, dueAt: -Infinity });
    }
  }

  async #add(content: AlertContent, key: string): Promise<OutgoingAlert | undefined> {
    const digest = key === '' ? 'none' : createHash('sha256').update(key).digest('hex').slice(0, 32);
    if (this.#known.has(digest)) return undefined;
    if (this.#waiting.length >= MAX_WAITING) {
      throw new AlertError(`${MAX_WAITING} alerts wait already: this one was not kept.`, {
        advice: 'Check the receiver: nobody has taken them.',
      });
    }
    const alert = { id: uuidv7(), time: new Date(this.#clock.now()).toISOString(), ...content };
    const file = `${alert.id}.${digest}.waiting`;
    await writeWholeFile(join(this.#folder, file), JSON.stringify(alert), { suffix: '.new', mode: 0o600 });
    await syncFolder(this.#folder);
    if (digest !== 'none') this.#known.set(digest, file);
    this.#waiting.push({ file, attempts: 0, dueAt: -Infinity });
    this.#wake.abort();
    return alert;
  }

  /** Sends what is due, oldest first, until the queue closes. */
  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      this.#wake = new AbortController();
      const now = steadyTime(this.#clock);
      const due = this.#waiting.find(({ dueAt }) => dueAt <= now);
      if (due !== undefined) await this.#attempt(due);
      else {
        const next = Math.min(...this.#waiting.map(({ dueAt }) => dueAt));
        await this.#clock.sleep(Math.min(next - now, this.#retryMs), this.#wake.signal);
      }
    }
  }

  async #attempt(waiting: Waiting): Promise<void> {
    let alert: OutgoingAlert;
    try {
      alert = OUTGOING_ALERT.parse(JSON.parse(await readFile(join(this.#folder, waiting.file), 'utf8')));
    } catch (error) {
      this.#postpone(waiting);
      this.#events.fault(error);
      return;
    }
    try {
      await this.#receiver(alert, this.#closing.signal);
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.#postpone(waiting);
      if (error instanceof AlertError && error.isUnreachable) this.#waiting.forEach((each) => this.#postpone(each));
      waiting.attempts += 1;
      this.#events.failed(alert, error, waiting.attempts);
      return;
    }
    try {
      await this.#remember(waiting.file);
    } catch (error) {
      // The receiver has it: it is not sent again before the next start.
      this.#events.fault(error);
    }
    this.#waiting = this.#waiting.filter((each) => each !== waiting);
    this.#events.taken(alert);
  }

  #postpone(waiting: Waiting): void {
    waiting.dueAt = steadyTime(this.#clock) + this.#retryMs;
  }

  /** Removes a taken alert, or keeps its file for its key; the oldest keys are forgotten. */
  async #remember(file: string): Promise<void> {
    const [, id = '', digest = ''] = NAME.exec(file) ?? [];
    if (digest === 'none') {
      await removeWithRetry(join(this.#folder, file));
      return;
    }
    const taken = `${id}.${digest}.taken`;
    await renameWithRetry(join(this.#folder, file), join(this.#folder, taken));
    await syncFolder(this.#folder);
    this.#known.set(digest, taken);
    for (const [oldest, name] of this.#known) {
      if (this.#known.size <= MAX_KEYS) break;
      if (name.endsWith('.waiting')) continue;
      this.#known.delete(oldest);
      await removeWithRetry(join(this.#folder, name));
    }
  }
}
