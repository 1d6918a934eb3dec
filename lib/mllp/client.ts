/**
 * Sends HL7 v2 over MLLP: a bounded queue, one or more connections with one message in flight each. With one connection
 * (the default) messages arrive in the order in which they were given.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { MeshError } from '../errors';
import {
  ClientConnection,
  type ClientConnectionOptions,
  type MllpAnswer,
  type MllpClientTls,
} from './client-connection';
import { MllpClosedError, MllpMessageError, MllpQueueFullError } from './errors';
import { frame } from './framing';
import { readHeader } from './header';

/** `idle`: nothing was to be sent yet. */
export type MllpClientState = 'idle' | 'connecting' | 'connected' | 'disconnected';

export interface MllpClientOptions {
  host: string;
  port: number;
  tls?: MllpClientTls;
  /** Default 1, which keeps the order. */
  connections?: number;
  /** Messages that may wait or be in flight. Default 1000. */
  maxQueued?: number;
  /**
   * How often a message is tried again after it could not be sent, or was not answered. Default 0. With more, a receiver
   * may get a message twice whose answer was lost: it has to recognise repeats by MSH-10.
   */
  retries?: number;
  /** Default 10 s (milliseconds). */
  connectWithinMs?: number;
  /** Default 30 s (milliseconds). */
  answerWithinMs?: number;
  /** The wait before the next try, doubled with each failure in a row. Default 500 ms to 30 s (milliseconds). */
  backOffMs?: { first: number; most: number };
  /** Largest answer, in bytes. Default 1 MiB. */
  maxAnswerBytes?: number;
  onState?: (state: MllpClientState) => void;
  /** The receiver sent something that nobody waits for. */
  onIgnored?: (error: MeshError) => void;
}

/** An answer, and how often the message was sent for it. */
export interface MllpSent extends MllpAnswer {
  attempts: number;
  /** AA or CA. */
  isPositive: boolean;
}

interface Waiting {
  message: Uint8Array;
  controlId: string;
  resolve: (sent: MllpSent) => void;
  reject: (error: MeshError) => void;
}

/** One of the connections, and what it does. */
interface Line {
  connection?: ClientConnection;
  isBusy: boolean;
  failures: number;
}

export class MllpClient {
  readonly #options: MllpClientOptions;
  readonly #connection: ClientConnectionOptions;
  readonly #queue: Waiting[] = [];
  readonly #lines: Line[];
  readonly #closing = new AbortController();
  #size = 0;
  #state: MllpClientState = 'idle';

  constructor(options: MllpClientOptions) {
    this.#options = options;
    this.#lines = Array.from({ length: options.connections ?? 1 }, () => ({ isBusy: false, failures: 0 }));
    this.#connection = {
      host: options.host,
      port: options.port,
      ...(options.tls && { tls: options.tls }),
      connectWithinMs: options.connectWithinMs ?? 10_000,
      answerWithinMs: options.answerWithinMs ?? 30_000,
      maxBytes: options.maxAnswerBytes ?? 1024 * 1024,
      onIgnored: (error) => options.onIgnored?.(error),
      onClosed: () => this.#showState(),
    };
  }

  /** Messages that wait or are in flight. */
  get size(): number {
    return this.#size;
  }

  /**
   * Resolves with the answer, positive or negative. @throws MllpMessageError, MllpQueueFullError: nothing was taken;
   * MllpConnectionError, MllpTlsError: not sent; MllpNoAnswerError: sent, not answered; MllpClosedError.
   */
  async send(message: Buffer): Promise<MllpSent> {
    if (this.#closing.signal.aborted) throw closed();
    const controlId = readHeader(message)?.controlId;
    if (!controlId) {
      throw new MllpMessageError('The message has no MSH-10 (message control id), or no MSH at its beginning.', {
        advice: 'Give it one: the answer is matched by it.',
      });
    }
    frame(message);
    const most = this.#options.maxQueued ?? 1000;
    if (this.#size >= most) {
      throw new MllpQueueFullError(`${most} messages wait for the receiver already. This one was not taken.`, {
        advice: 'See why the receiver is slow or away; then send it again.',
      });
    }
    this.#size += 1;
    try {
      return await new Promise<MllpSent>((resolve, reject) => {
        this.#queue.push({ message, controlId, resolve, reject });
        this.#start();
      });
    } finally {
      this.#size -= 1;
    }
  }

  /** Hangs up. What waits or is in flight rejects with MllpClosedError. */
  close(): void {
    this.#closing.abort();
    for (const waiting of this.#queue.splice(0)) waiting.reject(closed());
    for (const line of this.#lines) line.connection?.close();
  }

  /** Sets every idle line to work, as long as there is something for it. */
  #start(): void {
    for (const line of this.#lines) {
      if (line.isBusy || this.#queue.length === 0) continue;
      line.isBusy = true;
      void this.#work(line);
    }
  }

  /** Never rejects: each message's error goes to whoever sent it. */
  async #work(line: Line): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      try {
        next.resolve(await this.#sendOne(line, next));
      } catch (error) {
        next.reject(error as MeshError);
      }
    }
    line.isBusy = false;
  }

  async #sendOne(line: Line, { message, controlId }: Waiting): Promise<MllpSent> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#backOff(line);
      try {
        const connection = await this.#connected(line);
        const answer = await connection.exchange(message, controlId);
        line.failures = 0;
        return { ...answer, attempts: attempt, isPositive: answer.code.endsWith('A') };
      } catch (error) {
        line.failures += 1;
        this.#showState();
        if (this.#closing.signal.aborted || attempt > (this.#options.retries ?? 0)) throw error;
      }
    }
  }

  async #backOff(line: Line): Promise<void> {
    if (line.failures === 0) return;
    const { first, most } = this.#options.backOffMs ?? { first: 500, most: 30_000 };
    const ms = Math.min(most, first * 2 ** Math.min(line.failures - 1, 20));
    await delay(ms, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    if (this.#closing.signal.aborted) throw closed();
  }

  async #connected(line: Line): Promise<ClientConnection> {
    if (line.connection?.isOpen) return line.connection;
    delete line.connection;
    this.#tell('connecting');
    line.connection = await ClientConnection.open(this.#connection, this.#closing.signal);
    if (this.#closing.signal.aborted) {
      line.connection.close();
      throw closed();
    }
    this.#showState();
    return line.connection;
  }

  #showState(): void {
    if (this.#closing.signal.aborted) return;
    this.#tell(this.#lines.some((line) => line.connection?.isOpen) ? 'connected' : 'disconnected');
  }

  #tell(state: MllpClientState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState?.(state);
  }
}

function closed(): MllpClosedError {
  return new MllpClosedError('The node was stopped before the message was sent.');
}
