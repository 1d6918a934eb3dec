/**
 * One sender's connection. Its messages are passed on in order, at most `maxInFlight` at a time. While one waits for
 * that, or the sender does not read our responses, the socket is not read, and TCP makes the sender wait.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { MeshError } from '../errors';
import { buildHl7Ack } from '../formats/hl7/acknowledge';
import { splitHl7 } from '../formats/hl7/batch';
import { readHl7Header, type Hl7Header } from '../formats/hl7/header';
import { MllpFrameError, MllpMessageError } from './errors';
import type { ByteBudget } from './byte-budget';
import { frame, FrameReader, type Frame } from './framing';

/** Where a message came from. Plain JSON. */
export interface Remote {
  address: string;
  port: number;
  /** Common name of the client certificate, if the server required one. */
  certificate?: string;
}

/**
 * What happened to a response: `sent` to the socket; a `duplicate` of one; or `gone`, as the sender has disconnected.
 */
export type ResponseOutcome = 'sent' | 'duplicate' | 'gone';

/** A message that waits for its response. */
export interface MllpRequest {
  /** As received, without the frame. */
  readonly bytes: Buffer;
  readonly header: Hl7Header;
  readonly remote: Remote;
  /**
   * Sends the response, usually an acknowledgement. Only the first one is sent.
   * @throws MllpMessageError when it has bytes that MLLP reserves
   */
  respond(message: Uint8Array): ResponseOutcome;
  /** Closes the connection without a response: the sender has to repeat the message. */
  abandon(): void;
}

/** What a connection needs from its server. */
export interface ConnectionOptions {
  maxInFlight: number;
  maxBytes: number;
  /** Shared by all connections of the server. */
  budget: ByteBudget;
  /** Time from a message's first byte to its end (milliseconds). */
  messageTimeoutMs: number;
  /** Time without a message (milliseconds). */
  idleTimeoutMs: number;
  /** How long to wait for the CR after an FS (milliseconds). */
  carriageReturnTimeoutMs: number;
  onRequest: (request: MllpRequest) => void;
  /** A message is no longer in flight. */
  onSettled: () => void;
  /** A message was refused and so acknowledged, or the sender broke the framing and its connection was closed. */
  onProblem: (error: MeshError, remote: Remote) => void;
}

/** Bytes of responses that the sender has not read before its messages are not read either. */
const MAX_UNREAD_RESPONSES = 64 * 1024;

/** How long written responses may take to leave when the connection closes (milliseconds). */
export const FLUSH_MS = 500;

export class ServerConnection {
  readonly remote: Remote;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #reader: FrameReader;
  readonly #waiting: Frame[] = [];
  #inFlight = 0;
  #inFlightBytes = 0;
  #hasEnded = false;
  #isClosing = false;
  #hasReportedIgnored = false;
  #timer: NodeJS.Timeout | undefined;
  /** The deadline of the message that has begun. */
  #messageTimer: NodeJS.Timeout | undefined;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#reader = new FrameReader(options.maxBytes);
    this.remote = remoteOf(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('drain', () => this.#proceed());
    socket.on('end', () => this.#onEnd());
    // The error itself does not matter: 'close' follows, and a sender without a response repeats its message.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      for (const timer of [this.#timer, this.#messageTimer, this.#idleTimer]) clearTimeout(timer);
      this.#waiting.length = 0;
      this.#record();
    });
    this.#proceed();
  }

  /** True while a message of this sender is in flight. */
  get isWaiting(): boolean {
    return this.#inFlight > 0;
  }

  /** Bytes of messages that wait to be passed on. */
  get unread(): number {
    return this.#waiting.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Ends the connection. Responses already sent still leave; a sender without a response has to repeat its message. */
  close(): void {
    this.#isClosing = true;
    this.#waiting.length = 0;
    this.#record();
    const timer = setTimeout(() => this.#socket.destroy(), FLUSH_MS);
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
      this.#timer = setTimeout(() => this.#finishFrame(), this.#options.carriageReturnTimeoutMs);
    if (this.#reader.ignoredBytes > 0 && !this.#hasReportedIgnored) this.#reportIgnored();
    this.#proceed();
  }

  #finishFrame(): void {
    if (this.#isClosing) return;
    this.#waiting.push(...this.#reader.finish());
    this.#proceed();
  }

  #onEnd(): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#finishFrame();
  }

  /** Passes on what may be in flight, and reads the socket unless something still waits. */
  #proceed(): void {
    while (this.#waiting.length > 0 && this.#inFlight < this.#options.maxInFlight && !this.#isUnread) {
      const next = this.#waiting.shift();
      if (next !== undefined) this.#passOn(next);
    }
    this.#record();
    if (this.#socket.destroyed || this.#isClosing) return;
    this.#setTimers();
    this.#pauseOrResume();
    // A sender that closes its side after the last message still reads the responses.
    if (this.#hasEnded && this.#waiting.length === 0 && this.#inFlight === 0) this.#socket.end();
  }

  #pauseOrResume(): void {
    if (this.#socket.destroyed || this.#isClosing) return;
    if (this.#waiting.length > 0 || this.#isUnread || this.#options.budget.mustWait(this)) this.#socket.pause();
    else this.#socket.resume();
  }

  /** Records what this connection holds; messages in flight count until they are settled, also without the sender. */
  #record(): void {
    const { budget } = this.#options;
    const isGone = this.#socket.destroyed || this.#isClosing;
    if (isGone && this.#inFlight === 0) {
      budget.release(this);
      return;
    }
    const bytes = this.#inFlightBytes + (isGone ? 0 : this.unread + this.#reader.keptBytes);
    const isInMessage = !isGone && this.#reader.isInMessage;
    budget.record(this, { bytes, inFlight: this.#inFlight, isInMessage }, () => this.#pauseOrResume());
  }

  /** Starts or ends the deadline of a message that has begun, and the time without any. */
  #setTimers(): void {
    const { messageTimeoutMs, idleTimeoutMs } = this.#options;
    if (!this.#reader.isInMessage) {
      clearTimeout(this.#messageTimer);
      this.#messageTimer = undefined;
    } else {
      this.#messageTimer ??= setTimeout(() => this.#disconnect(notWhole(messageTimeoutMs)), messageTimeoutMs);
    }
    if (this.#reader.isInMessage || this.#waiting.length > 0 || this.#inFlight > 0) {
      clearTimeout(this.#idleTimer);
      this.#idleTimer = undefined;
    } else {
      // A sender that connects again when it has a message is not worth an error.
      this.#idleTimer ??= setTimeout(() => this.close(), idleTimeoutMs);
    }
  }

  #disconnect(error: MeshError): void {
    this.#options.onProblem(error, this.remote);
    this.close();
  }

  get #isUnread(): boolean {
    return this.#socket.writableLength > MAX_UNREAD_RESPONSES;
  }

  #passOn({ bytes, isTooLarge }: Frame): void {
    const messages = messagesIn(bytes);
    // A batch (FHS, BHS) begins otherwise: each of its messages is answered.
    const header = readHl7Header(messages?.[0] ?? bytes);
    if (isTooLarge || header === undefined || messages === undefined) {
      const error = isTooLarge ? tooLarge(this.#options.maxBytes) : messages === undefined ? tooMany() : noHeader();
      this.#write(frame(buildHl7Ack(header, { code: 'AR', text: error.message })));
      this.#options.onProblem(error, this.remote);
      return;
    }
    // A frame may have several messages: its one answer has the responses to all, in their order.
    const responses: Buffer[] = [];
    let open = messages.length;
    this.#inFlight += 1;
    this.#inFlightBytes += bytes.length;
    const settle = (): void => {
      open = 0;
      this.#inFlight -= 1;
      this.#inFlightBytes -= bytes.length;
      this.#record();
      this.#options.onSettled();
    };
    messages.forEach((message, index) => {
      this.#options.onRequest({
        bytes: message,
        header: readHl7Header(message) ?? header,
        remote: this.remote,
        respond: (response) => {
          const framed = frame(response);
          if (open === 0 || responses[index] !== undefined) return 'duplicate';
          responses[index] = Buffer.from(response);
          open -= 1;
          if (open > 0) return 'sent';
          settle();
          const outcome = this.#write(messages.length === 1 ? framed : frame(Buffer.concat(responses)));
          this.#proceed();
          return outcome;
        },
        abandon: () => {
          if (open === 0) return;
          settle();
          this.close();
        },
      });
    });
  }

  #write(framed: Buffer): ResponseOutcome {
    if (!this.#socket.writable) return 'gone';
    this.#socket.write(framed);
    return 'sent';
  }

  #reportIgnored(): void {
    this.#hasReportedIgnored = true;
    const error = new MllpFrameError('A sender sends bytes outside MLLP frames. They are ignored.', {
      advice:
        'Check that it begins each message with 0x0B and ends it with 0x1C 0x0D; else its messages are not received.',
    });
    this.#options.onProblem(error, this.remote);
  }
}

/** Messages of one frame that are passed on. */
const MAX_MESSAGES = 1000;

/** Returns the messages of a frame; undefined when there are too many. */
function messagesIn(bytes: Buffer): Buffer[] | undefined {
  try {
    const { messages } = splitHl7(bytes);
    return messages.length > MAX_MESSAGES ? undefined : messages;
  } catch {
    return undefined;
  }
}

const tooMany = (): MllpMessageError =>
  new MllpMessageError(`A frame has more than ${MAX_MESSAGES} messages and was refused.`, {
    advice: 'Ask the sender to send each message in its own frame.',
  });

function tooLarge(maxBytes: number): MllpFrameError {
  return new MllpFrameError(`A message is larger than ${maxBytes} bytes and was refused.`, {
    advice: 'Raise the limit if such messages are expected.',
  });
}

function notWhole(ms: number): MllpFrameError {
  return new MllpFrameError(
    `A message was not whole ${Math.round(ms / 1000)} s after its first byte. It was not accepted.`,
    {
      advice:
        'Its sender was disconnected and has to repeat it. Check the sender and the network, or raise the message timeout ' +
        'for a slow line.',
    },
  );
}

function noHeader(): MllpMessageError {
  return new MllpMessageError('A message does not begin with MSH and was refused.', {
    advice: 'Only HL7 v2 messages are accepted.',
  });
}

function remoteOf(socket: Socket): Remote {
  const remote: Remote = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
  if (!(socket instanceof TLSSocket)) return remote;
  // Empty if the client showed no certificate.
  const name: string | string[] | undefined = socket.getPeerCertificate()?.subject?.CN;
  return name === undefined ? remote : { ...remote, certificate: [name].flat()[0] ?? '' };
}
