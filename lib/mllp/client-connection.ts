/** One connection to a receiver, with at most one message in flight: an answer belongs to it, or to nothing. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { MeshError } from '../errors';
import { readAcknowledgement } from './header';
import { MllpClosedError, MllpConnectionError, MllpFrameError, MllpNoAnswerError, MllpTlsError } from './errors';
import { frame, FrameReader } from './framing';

/** Certificates for the connection. PEM, or PFX. The server's is always verified. */
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
  connectWithinMs: number;
  /** From the sending of a message to its answer (milliseconds). */
  answerWithinMs: number;
  /** Largest answer, in bytes. */
  maxBytes: number;
  /** Something came that is no answer to what is in flight. It was ignored. */
  onIgnored: (error: MeshError) => void;
  /** The connection is gone, for whatever reason. */
  onClosed: () => void;
}

/** What a receiver answered. */
export interface MllpAnswer {
  /** As it came, without its frame. */
  bytes: Buffer;
  /** MSA-1: AA, AE, AR, or CA, CE, CR. */
  code: string;
  /** MSA-2. */
  controlId: string;
  /** MSA-3. May have patient data: it is the receiver's. */
  text: string;
}

interface InFlight {
  controlId: string;
  resolve: (answer: MllpAnswer) => void;
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
    socket.on('close', () => this.#closed());
  }

  /** Resolves when connected, with TLS after the handshake. @throws MllpConnectionError, MllpTlsError, MllpClosedError */
  static open(options: ClientConnectionOptions, signal: AbortSignal): Promise<ClientConnection> {
    const { host, port, tls } = options;
    return new Promise((resolve, reject) => {
      const socket = tls ? connectTls({ ...tls, host, port }) : connect({ host, port });
      let isConnected = false;
      const end = (error: MeshError): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        socket.destroy();
        reject(error);
      };
      const abort = (): void => end(new MllpClosedError('The client was closed.'));
      const failed = (error: NodeJS.ErrnoException): void => end(connectError(error, isConnected));
      const timer = setTimeout(() => end(notConnected('ETIMEDOUT')), options.connectWithinMs);
      signal.addEventListener('abort', abort);
      if (signal.aborted) abort();
      socket.once('error', failed);
      socket.once('connect', () => (isConnected = true));
      socket.once(tls ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        socket.off('error', failed);
        resolve(new ClientConnection(socket, options));
      });
    });
  }

  get isOpen(): boolean {
    return this.#socket.writable && !this.#socket.destroyed;
  }

  /** Resolves with the answer whose MSA-2 is this control id. @throws MllpNoAnswerError: it may have arrived */
  exchange(message: Uint8Array, controlId: string): Promise<MllpAnswer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#end(noAnswer('no answer came in time'));
      }, this.#options.answerWithinMs);
      this.#inFlight = { controlId, resolve, reject, timer };
      this.#socket.write(frame(message));
    });
  }

  /** Hangs up. What is in flight rejects: nobody knows whether it arrived. */
  close(): void {
    this.#end(new MllpClosedError('The node was stopped before the message was answered.'));
  }

  #read(chunk: Buffer): void {
    try {
      // An FS is the end here, with or without CR: only one answer is awaited, and it is recognised by its MSA.
      for (const { bytes } of [...this.#reader.push(chunk), ...this.#reader.finish()]) this.#answered(bytes);
    } catch {
      this.#options.onIgnored(new MllpFrameError('The receiver broke the MLLP framing. It was hung up on.'));
      this.#end(noAnswer('its answer could not be read'));
    }
  }

  #answered(bytes: Buffer): void {
    const answer = readAcknowledgement(bytes);
    if (answer === undefined || answer.controlId !== this.#inFlight?.controlId || !/^[AC][AER]$/.test(answer.code)) {
      this.#options.onIgnored(
        new MllpFrameError(
          'The receiver sent something that is not the answer to the message in flight. It was ignored.',
          {
            advice: 'Its MSA-1 has to be AA, AE or AR, and its MSA-2 the message’s MSH-10.',
          },
        ),
      );
      return;
    }
    const { resolve, timer } = this.#inFlight;
    this.#inFlight = undefined;
    clearTimeout(timer);
    resolve({ bytes, ...answer });
  }

  #closed(): void {
    this.#fail(noAnswer('the receiver hung up'));
    this.#options.onClosed();
  }

  /** A late answer must not be taken for that of the next message: so the connection ends with the wait. */
  #end(error: MeshError): void {
    this.#fail(error);
    this.#socket.destroy();
  }

  #fail(error: MeshError): void {
    const inFlight = this.#inFlight;
    this.#inFlight = undefined;
    if (inFlight === undefined) return;
    clearTimeout(inFlight.timer);
    inFlight.reject(error);
  }
}

function noAnswer(reason: string): MllpNoAnswerError {
  return new MllpNoAnswerError(`The message was sent, but ${reason}. The receiver may have it or not.`, {
    advice: 'Look at the receiver before it is sent again, unless the receiver recognises repeats by MSH-10.',
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
