/**
 * One connection to a receiver, with at most one message in flight: an acknowledgement belongs to it, or to nothing.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { MeshError } from '../errors';
import { splitHl7 } from '../formats/hl7/batch';
import { readMsa } from '../formats/hl7/header';
import {
  MllpClosedError,
  MllpConnectionError,
  MllpFrameError,
  MllpNoAcknowledgementError,
  MllpTlsError,
} from './errors';
import { frame, FrameReader } from './framing';

/** Certificates of the connection, PEM or PFX. The server's certificate is always verified. */
export interface MllpClientTls {
  cert?: string | Buffer;
  key?: string | Buffer;
  pfx?: string | Buffer;
  passphrase?: string;
  ca?: string | Buffer | Array<string | Buffer>;
  servername?: string;
}

/** Where to connect, and how long to wait. */
export interface ClientConnectionOptions {
  host: string;
  port: number;
  tls?: MllpClientTls;
  /** Milliseconds. */
  connectTimeoutMs: number;
  /** From sending a message to its acknowledgement (milliseconds). */
  acknowledgementTimeoutMs: number;
  /** Largest acknowledgement, in bytes. */
  maxBytes: number;
  /** The receiver sent something that does not acknowledge the message in flight. It was ignored. */
  onIgnored: (error: MeshError) => void;
  /** An acknowledgement of the message in flight. Called before anything else is read, also from the same packet. */
  onAcknowledged: (acknowledgement: MllpAcknowledgement) => void;
  /** Returns whether an acknowledgement belongs to a message that was only taken in (CA) before. */
  onLater: (acknowledgement: MllpAcknowledgement) => boolean;
  /** The connection has ended, for whatever reason. */
  onClosed: () => void;
}

/** A receiver's acknowledgement. */
export interface MllpAcknowledgement {
  /** As received, without the frame. */
  bytes: Buffer;
  /** MSA-1: AA, AE, AR, or CA, CE, CR. */
  code: string;
  /** MSA-2. */
  controlId: string;
  /** MSA-3. The receiver wrote it: it may have patient data. */
  text: string;
}

interface InFlight {
  /** MSH-10 of each message in the frame that no acknowledgement has named yet. */
  open: Set<string>;
  /** The acknowledgement with the worst code so far. */
  worst: MllpAcknowledgement | undefined;
  resolve: (acknowledgement: MllpAcknowledgement) => void;
  reject: (error: MeshError) => void;
  timer: NodeJS.Timeout;
}

export class ClientConnection {
  readonly #socket: Socket;
  readonly #options: ClientConnectionOptions;
  readonly #reader: FrameReader;
  #inFlight: InFlight | undefined;

  private constructor(socket: Socket, options: ClientConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#reader = new FrameReader(options.maxBytes);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#onClose());
  }

  /**
   * Resolves when connected; with TLS, after the handshake.
   * @throws MllpConnectionError when the receiver cannot be reached
   * @throws MllpTlsError when the handshake fails
   * @throws MllpClosedError when `signal` is aborted
   */
  static open(options: ClientConnectionOptions, signal: AbortSignal): Promise<ClientConnection> {
    const { host, port, tls } = options;
    return new Promise((resolve, reject) => {
      const socket = tls ? connectTls({ ...tls, host, port }) : connect({ host, port });
      let isConnected = false;
      const fail = (error: MeshError): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        socket.destroy();
        reject(error);
      };
      const abort = (): void => fail(new MllpClosedError('The client was closed.'));
      const onError = (error: NodeJS.ErrnoException): void => fail(connectError(error, isConnected));
      const timer = setTimeout(() => fail(notConnected('ETIMEDOUT')), options.connectTimeoutMs);
      signal.addEventListener('abort', abort);
      if (signal.aborted) abort();
      socket.once('error', onError);
      socket.once('connect', () => (isConnected = true));
      socket.once(tls ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        socket.off('error', onError);
        resolve(new ClientConnection(socket, options));
      });
    });
  }

  /** False as soon as the receiver has closed its side: some do after each acknowledgement. */
  get isOpen(): boolean {
    return this.#socket.writable && !this.#socket.readableEnded && !this.#socket.destroyed;
  }

  /** Resolves with true if the receiver closes its side within this time (milliseconds). */
  closesWithin(ms: number): Promise<boolean> {
    if (!this.isOpen) return Promise.resolve(true);
    return new Promise((resolve) => {
      const onEnd = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        this.#socket.off('end', onEnd).off('close', onEnd);
        resolve(!this.isOpen);
      }, ms);
      this.#socket.once('end', onEnd).once('close', onEnd);
    });
  }

  /**
   * Sends a message, and resolves with the acknowledgement whose MSA-2 is its control id. A frame of several messages
   * has an acknowledgement for each; the first one with the worst code is returned when all have come.
   * @throws MllpNoAcknowledgementError when none comes: the message may have arrived
   * @throws MllpClosedError when the connection is closed here
   */
  exchange(message: Uint8Array, controlIds: readonly string[]): Promise<MllpAcknowledgement> {
    return new Promise((resolve, reject) => {
      const ignoredBefore = this.#reader.ignoredBytes;
      const timer = setTimeout(() => {
        const isUnframed = this.#reader.ignoredBytes > ignoredBefore;
        const more = isUnframed ? ', only bytes outside MLLP frames (0x0B, 0x1C 0x0D)' : '';
        this.#end(noAcknowledgement(`no acknowledgement came in time${more}`));
      }, this.#options.acknowledgementTimeoutMs);
      this.#inFlight = { open: new Set(controlIds), worst: undefined, resolve, reject, timer };
      this.#socket.write(frame(message));
    });
  }

  /** Closes the connection. The message in flight rejects: whether it arrived is not known. */
  close(): void {
    this.#end(new MllpClosedError('The node was stopped before the message was acknowledged.'));
  }

  #read(chunk: Buffer): void {
    try {
      // FS ends a frame here, with or without CR: only one acknowledgement is awaited, and its MSA identifies it.
      for (const { bytes } of [...this.#reader.push(chunk), ...this.#reader.finish()]) this.#settle(bytes);
    } catch {
      this.#options.onIgnored(new MllpFrameError('The receiver broke the MLLP framing. The connection was closed.'));
      this.#end(noAcknowledgement('its acknowledgement could not be read'));
    }
  }

  /** A frame has one acknowledgement, or one for each message of a frame. */
  #settle(frameBytes: Buffer): void {
    for (const bytes of splitHl7(frameBytes).messages) this.#settleOne(bytes);
  }

  #settleOne(bytes: Buffer): void {
    const msa = readMsa(bytes);
    const isCode = msa !== undefined && /^[AC][AER]$/.test(msa.code);
    if (isCode && !this.#inFlight?.open.has(msa.controlId) && this.#options.onLater({ bytes, ...msa })) return;
    if (!isCode || !this.#inFlight?.open.has(msa.controlId)) {
      this.#options.onIgnored(
        new MllpFrameError(
          'The receiver sent something that does not acknowledge the message in flight. It was ignored.',
          { advice: 'An acknowledgement has AA, AE or AR in MSA-1, and the message’s MSH-10 in MSA-2.' },
        ),
      );
      return;
    }
    const { open, worst, resolve, timer } = this.#inFlight;
    open.delete(msa.controlId);
    this.#options.onAcknowledged({ bytes, ...msa });
    const isWorse = worst === undefined || (worst.code.endsWith('A') && !msa.code.endsWith('A'));
    const acknowledgement = isWorse ? { bytes, ...msa } : worst;
    this.#inFlight.worst = acknowledgement;
    if (open.size > 0) return;
    this.#inFlight = undefined;
    clearTimeout(timer);
    resolve(acknowledgement);
  }

  #onClose(): void {
    this.#reject(noAcknowledgement('the receiver closed the connection'));
    this.#options.onClosed();
  }

  /** Ends the connection with the wait, or a late acknowledgement could be taken for that of the next message. */
  #end(error: MeshError): void {
    this.#reject(error);
    this.#socket.destroy();
  }

  #reject(error: MeshError): void {
    const inFlight = this.#inFlight;
    this.#inFlight = undefined;
    if (inFlight === undefined) return;
    clearTimeout(inFlight.timer);
    inFlight.reject(error);
  }
}

function noAcknowledgement(reason: string): MllpNoAcknowledgementError {
  return new MllpNoAcknowledgementError(`The message was sent, but ${reason}. The receiver may have it or not.`, {
    advice: 'Check the receiver before sending the message again, unless it recognises repeats by MSH-10.',
  });
}

function notConnected(code: string): MllpConnectionError {
  return new MllpConnectionError(`The receiver cannot be reached (${code}). Nothing was sent.`, {
    advice: 'Check the host and the port, and that the receiver is running.',
  });
}

function connectError(error: NodeJS.ErrnoException, isConnected: boolean): MeshError {
  const code = /^[A-Z0-9_]+$/.test(error.code ?? '') ? String(error.code) : error.name;
  if (!isConnected) return notConnected(code);
  return new MllpTlsError(`The TLS handshake with the receiver failed (${code}). Nothing was sent.`, {
    advice: 'Check the CA, the server name and the client certificate of the TLS configuration.',
  });
}
