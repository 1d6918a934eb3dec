/**
 * MLLP's frames (HL7 v2 Appendix C, "Minimal Lower Layer Protocol", release 1): VT, the message, FS CR. Bytes in, bytes
 * out: nothing is decoded, as a character may be split over packets. Pure: time and sockets are the connection's.
 *
 * What real senders do, and how the reader treats it:
 * - no CR after FS: the frame is kept until more bytes come, or the caller says with `finish()` that none do;
 * - line breaks or other bytes between frames: skipped; all but line breaks are counted in `ignoredBytes`;
 * - a frame restarted before its end (a second VT with MSH): the first part was never whole, and is dropped;
 * - a single VT in a text (Word's line break, pasted): part of the message;
 * - an FS inside a message: an error. Cutting there would pass on a part as the whole.
 */
import { MllpFrameError, MllpMessageError } from './errors';

const VT = 0x0b;
const FS = 0x1c;
const CR = 0x0d;
const LF = 0x0a;
const START = Buffer.from([VT]);
const END = Buffer.from([FS, CR]);
const RESTART = Buffer.from('\u000bMSH', 'latin1');

/** Bytes kept of a message that is too large, so that it can be refused by its MSH. */
const KEPT_OF_TOO_LARGE = 4096;

/** The content of a frame. */
export interface Frame {
  bytes: Buffer;
  /** `bytes` is only the beginning of the message. */
  isTooLarge: boolean;
}

/**
 * Returns a message in its frame.
 * @throws MllpMessageError when it contains a byte that MLLP reserves for framing
 */
export function frame(message: Uint8Array): Buffer {
  if (message.includes(VT) || message.includes(FS)) {
    throw new MllpMessageError('The message contains a byte that MLLP reserves (0x0B or 0x1C).', {
      advice: 'Remove it: the receiver would read two messages, or a part of one.',
    });
  }
  return Buffer.concat([START, message, END]);
}

/** Reassembles the frames of one connection, however its bytes are cut into packets. */
export class FrameReader {
  readonly #maxBytes: number;
  #state: 'between' | 'inside' | 'ended' = 'between';
  #pieces: Buffer[] = [];
  #length = 0;
  #isTooLarge = false;
  #ignored = 0;

  /** @param maxBytes largest message, without its frame */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes outside frames so far, except line breaks: a sender that writes no VT shows here. */
  get ignoredBytes(): number {
    return this.#ignored;
  }

  /** True from the first byte of a message to its end. */
  get isInMessage(): boolean {
    return this.#state !== 'between';
  }

  /** Bytes kept of the message that has not ended. */
  get keptBytes(): number {
    return this.#isTooLarge ? KEPT_OF_TOO_LARGE : this.#length;
  }

  /** True when a message has ended with FS and its CR has not come: call `finish()` if it does not come soon. */
  get awaitsCarriageReturn(): boolean {
    return this.#state === 'ended';
  }

  /**
   * Returns the frames that these bytes complete.
   * @throws MllpFrameError when the framing is broken; the connection cannot be used after that
   */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#state === 'between') {
        at = this.#skip(chunk, at);
      } else if (this.#state === 'inside') {
        const end = chunk.indexOf(FS, at);
        this.#keep(chunk.subarray(at, end < 0 ? chunk.length : end));
        if (end >= 0) this.#state = 'ended';
        at = end < 0 ? chunk.length : end + 1;
      } else {
        this.#requireEnd(chunk[at]);
        frames.push(this.#take());
      }
    }
    return frames;
  }

  /** Ends a frame whose FS was followed by nothing. */
  finish(): Frame[] {
    return this.#state === 'ended' ? [this.#take()] : [];
  }

  /** Returns the position of the first byte of the next message. */
  #skip(chunk: Buffer, at: number): number {
    const start = chunk.indexOf(VT, at);
    const end = start < 0 ? chunk.length : start;
    for (let i = at; i < end; i += 1) if (chunk[i] !== CR && chunk[i] !== LF) this.#ignored += 1;
    if (start < 0) return end;
    this.#state = 'inside';
    return end + 1;
  }

  #keep(piece: Buffer): void {
    this.#length += piece.length;
    if (this.#isTooLarge || piece.length === 0) return;
    if (this.#length > this.#maxBytes) {
      this.#isTooLarge = true;
      const kept = Buffer.concat([...this.#pieces, piece.subarray(0, KEPT_OF_TOO_LARGE)]);
      this.#pieces = [Buffer.from(kept.subarray(0, KEPT_OF_TOO_LARGE))];
      return;
    }
    this.#pieces.push(piece);
    // Otherwise a sender of single bytes would cost an object for each.
    if (this.#pieces.length >= 1024) this.#pieces = [Buffer.concat(this.#pieces)];
  }

  #requireEnd(next: number | undefined): void {
    if (next === CR || next === LF || next === VT) return;
    throw new MllpFrameError('A message has an end block (0x1C) inside it.', {
      advice: 'Ask the sender to remove it: MLLP reserves it for the end. No part of this message was accepted.',
    });
  }

  #take(): Frame {
    const bytes = Buffer.concat(this.#pieces);
    const isTooLarge = this.#isTooLarge;
    this.#pieces = [];
    this.#length = 0;
    this.#isTooLarge = false;
    this.#state = 'between';
    const restart = isTooLarge ? -1 : bytes.lastIndexOf(RESTART);
    return { bytes: restart < 0 ? bytes : bytes.subarray(restart + 1), isTooLarge };
  }
}
