/**
 * Sends HL7 v2 over MLLP: a bounded queue, and one or more connections with one message in flight each. With one
 * connection (the default) messages arrive in the order in which they were queued.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { MeshError } from '../errors';
import { splitHl7 } from '../formats/hl7/batch';
import { readHl7Header } from '../formats/hl7/header';
import {
  ClientConnection,
  type ClientConnectionOptions,
  type MllpAcknowledgement,
  type MllpClientTls,
} from './client-connection';
import { MllpClosedError, MllpMessageError, MllpQueueFullError } from './errors';
import { frame } from './framing';

/** `idle`: there has been nothing to send yet. */
export type MllpClientState = 'idle' | 'connecting' | 'connected' | 'disconnected';

export interface MllpClientOptions {
  host: string;
  port: number;
  /** A function is called before each connection, so that certificates may change. It never rejects. */
  tls?: MllpClientTls | (() => Promise<MllpClientTls>);
  /** Default 1, which keeps the order. */
  connections?: number;
  /**
   * Whether each message has a connection of its own, closed after its acknowledgement. Default false: a connection is
   * used again, unless the receiver closes it after an acknowledgement, which is noticed.
   */
  connectionPerMessage?: boolean;
  /** Maximum number of messages that are queued or in flight. Default 1000. */
  maxQueued?: number;
  /**
   * How often a message that could not be sent, or was not acknowledged, is sent again. Default 0. With more, a
   * receiver may get a message twice whose acknowledgement was lost: it has to recognise repeats by MSH-10.
   */
  retries?: number;
  /** Milliseconds. Default 10 s. */
  connectTimeoutMs?: number;
  /** From sending a message to its acknowledgement (milliseconds). Default 30 s. */
  acknowledgementTimeoutMs?: number;
  /**
   * The wait before a connection's next attempt (milliseconds): doubles with each failure in a row. Default 500 ms to
   * 30 s.
   */
  backOffMs?: { first: number; maximum: number };
  /** Largest acknowledgement, in bytes. Default 1 MiB. */
  maxAcknowledgementBytes?: number;
  onState?: (state: MllpClientState) => void;
  /** The receiver sent something that does not acknowledge a message in flight. */
  onIgnored?: (error: MeshError) => void;
  /** Enhanced mode: AA, AE or AR for a message that was accepted with CA before. */
  onApplicationAcknowledgement?: (acknowledgement: MllpAcknowledgement) => void;
}

/** An acknowledgement, and how often the message was sent for it. */
export interface MllpSent extends MllpAcknowledgement {
  attempts: number;
  /** AA or CA. */
  isPositive: boolean;
}

interface Queued {
  message: Uint8Array;
  /** MSH-10 of each message in it. */
  controlIds: readonly string[];
  resolve: (sent: MllpSent) => void;
  reject: (error: MeshError) => void;
}

/** One of the connections, with its state. */
interface Line {
  connection?: ClientConnection;
  isBusy: boolean;
  failures: number;
  /** Whether the receiver has left a connection open after an acknowledgement; undefined until that is known. */
  staysOpen?: boolean;
  /** Resolves when that is known. */
  observing?: Promise<void>;
}

/**
 * How long a receiver may take to close after its first acknowledgement, until it is known whether it does
 * (milliseconds). Only a second message that comes sooner waits, once for each line. A message that is written into a
 * connection that is being closed is lost, or perhaps not.
 */
const CLOSES_WITHIN_MS = 100;
/** Messages that were accepted with CA and are remembered for their AA, AE or AR. */
const MAX_COMMITTED = 1000;

export class MllpClient {
  readonly #options: MllpClientOptions;
  readonly #connection: Omit<ClientConnectionOptions, 'tls'>;
  readonly #queue: Queued[] = [];
  readonly #lines: Line[];
  readonly #closing = new AbortController();
  /** Connections of one message that wait for the acknowledgement after CA. */
  readonly #ending = new Set<ClientConnection>();
  /** Control ids that were accepted with CA, oldest first. */
  readonly #committed = new Set<string>();
  #size = 0;
  #state: MllpClientState = 'idle';

  constructor(options: MllpClientOptions) {
    this.#options = options;
    this.#lines = Array.from({ length: options.connections ?? 1 }, () => ({ isBusy: false, failures: 0 }));
    this.#connection = {
      host: options.host,
      port: options.port,
      connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
      acknowledgementTimeoutMs: options.acknowledgementTimeoutMs ?? 30_000,
      maxBytes: options.maxAcknowledgementBytes ?? 1024 * 1024,
      onIgnored: (error) => options.onIgnored?.(error),
      onAcknowledged: (acknowledgement) => this.#rememberCommitted(acknowledgement),
      onLater: (acknowledgement) => this.#onLater(acknowledgement),
      onClosed: () => this.#showConnections(),
    };
  }

  /** Number of messages that are queued or in flight. */
  get size(): number {
    return this.#size;
  }

  /**
   * Queues a message, and resolves with its acknowledgement, positive or negative.
   * @throws MllpMessageError when the message is unfit for MLLP, and MllpQueueFullError when the queue is full: not
   *   queued
   * @throws MllpConnectionError or MllpTlsError when the receiver cannot be reached: not sent
   * @throws MllpNoAcknowledgementError when the message was sent and not acknowledged
   * @throws MllpClosedError when the client is closed first
   */
  async send(message: Buffer): Promise<MllpSent> {
    if (this.#closing.signal.aborted) throw closed();
    const controlIds = splitHl7(message).messages.map((each) => readHl7Header(each)?.controlId ?? '');
    if (controlIds.includes('')) {
      throw new MllpMessageError('The message has no MSH-10 (message control id), or no MSH at its beginning.', {
        advice: 'Set one: the acknowledgement is matched by it.',
      });
    }
    frame(message);
    const maximum = this.#options.maxQueued ?? 1000;
    if (this.#size >= maximum) {
      throw new MllpQueueFullError(`${maximum} messages wait for the receiver already. This one was not queued.`, {
        advice: 'Find out why the receiver is slow or cannot be reached; then send the message again.',
      });
    }
    this.#size += 1;
    try {
      return await new Promise<MllpSent>((resolve, reject) => {
        this.#queue.push({ message, controlIds, resolve, reject });
        this.#start();
      });
    } finally {
      this.#size -= 1;
    }
  }

  /** Closes the connections. Messages that are queued or in flight reject with MllpClosedError. */
  close(): void {
    this.#closing.abort();
    for (const connection of this.#ending) connection.close();
    for (const queued of this.#queue.splice(0)) queued.reject(closed());
    for (const line of this.#lines) line.connection?.close();
  }

  /** Starts every idle line, as long as the queue has something for it. */
  #start(): void {
    for (const line of this.#lines) {
      if (line.isBusy || this.#queue.length === 0) continue;
      line.isBusy = true;
      void this.#work(line);
    }
  }

  /** Never rejects: each message's error goes to its sender. */
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

  async #sendOne(line: Line, { message, controlIds }: Queued): Promise<MllpSent> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#backOff(line);
      try {
        const connection = await this.#connected(line);
        const acknowledgement = await connection.exchange(message, controlIds);
        line.failures = 0;
        this.#afterExchange(line, connection, acknowledgement);
        return { ...acknowledgement, attempts: attempt, isPositive: acknowledgement.code.endsWith('A') };
      } catch (error) {
        line.failures += 1;
        this.#showConnections();
        if (this.#closing.signal.aborted || attempt > (this.#options.retries ?? 0)) throw error;
      }
    }
  }

  async #backOff(line: Line): Promise<void> {
    if (line.failures === 0) return;
    const { first, maximum } = this.#options.backOffMs ?? { first: 500, maximum: 30_000 };
    const ms = Math.min(maximum, first * 2 ** Math.min(line.failures - 1, 20));
    await delay(ms, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    if (this.#closing.signal.aborted) throw closed();
  }

  /** Remembers a CA. Each message of a frame may have one. */
  #rememberCommitted({ code, controlId }: MllpAcknowledgement): void {
    if (code !== 'CA') return;
    this.#committed.add(controlId);
    for (const oldest of this.#committed) if (this.#committed.size > MAX_COMMITTED) this.#committed.delete(oldest);
  }

  /** Closes the connection where each message has its own. */
  #afterExchange(line: Line, connection: ClientConnection, { code }: MllpAcknowledgement): void {
    if (this.#options.connectionPerMessage !== true) {
      line.observing ??= connection.closesWithin(CLOSES_WITHIN_MS).then((closes) => void (line.staysOpen = !closes));
      return;
    }
    delete line.connection;
    // The application's acknowledgement comes on the same connection.
    if (code === 'CA') {
      this.#ending.add(connection);
      void connection.closesWithin(this.#connection.acknowledgementTimeoutMs).then(() => this.#end(connection));
    } else connection.close();
  }

  #end(connection: ClientConnection): void {
    this.#ending.delete(connection);
    connection.close();
  }

  #onLater(acknowledgement: MllpAcknowledgement): boolean {
    if (!acknowledgement.code.startsWith('A') || !this.#committed.delete(acknowledgement.controlId)) return false;
    // Both may come in one packet: whoever sent the message gets its CA first.
    setImmediate(() => this.#options.onApplicationAcknowledgement?.(acknowledgement));
    return true;
  }

  /** Whether the line's connection may take another message. A receiver that closes after each one is noticed. */
  async #isUsable(line: Line, connection: ClientConnection): Promise<boolean> {
    await line.observing;
    if (line.staysOpen && connection.isOpen) return true;
    if (!line.staysOpen) connection.close();
    return false;
  }

  async #connected(line: Line): Promise<ClientConnection> {
    if (line.connection && (await this.#isUsable(line, line.connection))) return line.connection;
    delete line.connection;
    this.#setState('connecting');
    const { tls: setting } = this.#options;
    const tls = typeof setting === 'function' ? await setting() : setting;
    line.connection = await ClientConnection.open({ ...this.#connection, ...(tls && { tls }) }, this.#closing.signal);
    if (this.#closing.signal.aborted) {
      line.connection.close();
      throw closed();
    }
    this.#showConnections();
    return line.connection;
  }

  #showConnections(): void {
    if (this.#closing.signal.aborted) return;
    // A receiver that closes after an acknowledgement can be reached all the same.
    const isExpected = this.#state === 'connected' && this.#lines.every(({ failures }) => failures === 0);
    if (isExpected && (this.#options.connectionPerMessage || this.#lines.some(({ staysOpen }) => staysOpen === false)))
      return;
    this.#setState(this.#lines.some((line) => line.connection?.isOpen) ? 'connected' : 'disconnected');
  }

  #setState(state: MllpClientState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState?.(state);
  }
}

function closed(): MllpClosedError {
  return new MllpClosedError('The node was stopped before the message was sent.');
}
