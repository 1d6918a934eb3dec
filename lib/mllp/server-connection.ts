/**
 * One sender. Its messages are handed on in order, at most `maxInFlight` at a time; while one waits for that, the socket
 * is not read, and TCP lets the sender wait. The same while it does not read our answers.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { MeshError } from '../errors';
import { buildAcknowledgement } from './acknowledgement';
import { MllpFrameError, MllpMessageError } from './errors';
import { frame, FrameReader, type Frame } from './framing';
import { readHeader, type MessageHeader } from './header';

/** Where a message came from. Plain JSON. */
export interface Remote {
  address: string;
  port: number;
  /** Common name of the client certificate, where one was asked for. */
  certificate?: string;
}

/** What became of an answer: `sent` to the socket; `answered` before; or `gone`, as the sender has hung up. */
export type AnswerOutcome = 'sent' | 'answered' | 'gone';

/** A message that waits for its answer. */
export interface MllpRequest {
  /** As it came, without its frame. */
  readonly bytes: Buffer;
  readonly header: MessageHeader;
  readonly remote: Remote;
  /** Sends the answer. Only the first counts. @throws MllpMessageError where it has bytes that MLLP reserves. */
  answer(message: Uint8Array): AnswerOutcome;
  /** Closes the connection without an answer: the sender has to repeat the message. */
  abandon(): void;
}

/** What a connection needs of its server. */
export interface ConnectionOptions {
  maxInFlight: number;
  maxBytes: number;
  /** How long an FS waits for its CR (milliseconds). */
  carriageReturnWithinMs: number;
  onRequest: (request: MllpRequest) => void;
  /** A message is not in flight any more. */
  onAnswered: () => void;
  /** A message was refused, or the sender's framing is wrong. It was answered or its connection closed. */
  onProblem: (error: MeshError, remote: Remote) => void;
}

/** Answers that the sender has not read yet, before its messages are not read either (bytes). */
const MOST_UNREAD = 64 * 1024;

/** How long what is written may take to leave when the server closes (milliseconds). */
export const LAST_WORDS_MS = 500;

export class ServerConnection {
  readonly remote: Remote;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #reader: FrameReader;
  readonly #waiting: Frame[] = [];
  #inFlight = 0;
  #hasEnded = false;
  #isClosing = false;
  #toldIgnored = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#reader = new FrameReader(options.maxBytes);
    this.remote = remoteOf(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('drain', () => this.#goOn());
    socket.on('end', () => this.#ended());
    // What it was does not matter here: 'close' follows, and whoever has no answer repeats its message.
    socket.on('error', () => undefined);
    socket.on('close', () => clearTimeout(this.#timer));
  }

  /** True while a message of it is in flight. */
  get isWaiting(): boolean {
    return this.#inFlight > 0;
  }

  /** Bytes of messages that wait to be handed on. */
  get unread(): number {
    return this.#waiting.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Ends the connection. Answers already given still leave; who waits for one gets none, and has to repeat. */
  close(): void {
    this.#isClosing = true;
    this.#waiting.length = 0;
    const timer = setTimeout(() => this.#socket.destroy(), LAST_WORDS_MS);
    this.#socket.once('close', () => clearTimeout(timer));
    this.#socket.resume();
    this.#socket.destroySoon();
  }

  #read(chunk: Buffer): void {
    clearTimeout(this.#timer);
    if (this.#isClosing) return;
    try {
      this.#waiting.push(...this.#reader.push(chunk));
    } catch (error) {
      this.#options.onProblem(error as MeshError, this.remote);
      this.close();
      return;
    }
    if (this.#reader.awaitsCarriageReturn)
      this.#timer = setTimeout(() => this.#finish(), this.#options.carriageReturnWithinMs);
    if (this.#reader.ignoredBytes > 0 && !this.#toldIgnored) this.#tellIgnored();
    this.#goOn();
  }

  #finish(): void {
    if (this.#isClosing) return;
    this.#waiting.push(...this.#reader.finish());
    this.#goOn();
  }

  #ended(): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#finish();
  }

  #goOn(): void {
    while (this.#waiting.length > 0 && this.#inFlight < this.#options.maxInFlight && !this.#isUnread) {
      const next = this.#waiting.shift();
      if (next !== undefined) this.#handOn(next);
    }
    if (this.#socket.destroyed || this.#isClosing) return;
    if (this.#waiting.length > 0 || this.#isUnread) this.#socket.pause();
    else this.#socket.resume();
    // A sender that closes its side after the last message still reads the answers.
    if (this.#hasEnded && this.#waiting.length === 0 && this.#inFlight === 0) this.#socket.end();
  }

  get #isUnread(): boolean {
    return this.#socket.writableLength > MOST_UNREAD;
  }

  #handOn({ bytes, isTooLarge }: Frame): void {
    const header = readHeader(bytes);
    if (isTooLarge || header === undefined) {
      const error = isTooLarge ? tooLarge(this.#options.maxBytes) : noHeader();
      this.#write(buildAcknowledgement(header, { code: 'AR', text: error.message }));
      this.#options.onProblem(error, this.remote);
      return;
    }
    this.#inFlight += 1;
    let isOver = false;
    const over = (): boolean => {
      if (isOver) return false;
      isOver = true;
      this.#inFlight -= 1;
      this.#options.onAnswered();
      return true;
    };
    this.#options.onRequest({
      bytes,
      header,
      remote: this.remote,
      answer: (message) => {
        const framed = frame(message);
        if (!over()) return 'answered';
        const outcome = this.#writeFrame(framed);
        this.#goOn();
        return outcome;
      },
      abandon: () => {
        if (over()) this.close();
      },
    });
  }

  #write(message: Uint8Array): void {
    this.#writeFrame(frame(message));
  }

  #writeFrame(framed: Buffer): AnswerOutcome {
    if (!this.#socket.writable) return 'gone';
    this.#socket.write(framed);
    return 'sent';
  }

  #tellIgnored(): void {
    this.#toldIgnored = true;
    const error = new MllpFrameError('A sender sends bytes outside of MLLP frames. They are ignored.', {
      advice:
        'See that it begins each message with 0x0B and ends it with 0x1C 0x0D; else its messages are not received.',
    });
    this.#options.onProblem(error, this.remote);
  }
}

function tooLarge(maxBytes: number): MllpFrameError {
  return new MllpFrameError(`A message was larger than ${maxBytes} bytes, and was refused.`, {
    advice: 'Raise the limit if such messages are expected.',
  });
}

function noHeader(): MllpMessageError {
  return new MllpMessageError('Something came that does not begin with an MSH, and was refused.', {
    advice: 'Only HL7 v2 messages are taken, each in a frame of its own; batches (FHS, BHS) are not.',
  });
}

function remoteOf(socket: Socket): Remote {
  const remote: Remote = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
  if (!(socket instanceof TLSSocket)) return remote;
  // Empty where the client showed none.
  const name: string | string[] | undefined = socket.getPeerCertificate()?.subject?.CN;
  return name === undefined ? remote : { ...remote, certificate: [name].flat()[0] ?? '' };
}
