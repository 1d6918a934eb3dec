/**
 * MLLP's frames (HL7 v2 Appendix C, "Minimal Lower Layer Protocol", release 1): VT, the message, FS CR. Bytes in, bytes
 * out: nothing is decoded, as a character may be split over packets. Pure: time and sockets are the connection's.
 *
 * What real senders do, and what is made of it:
 * - no CR after FS: the frame is held until more comes, or `finish()` says that nothing does;
 * - line breaks or other bytes between frames: skipped, and counted in `ignoredBytes` where they are no line breaks;
 * - a frame begun again before its end: what came before the second VT with its MSH was never whole, and is dropped;
 * - a single VT in a text (Word's line break, pasted): belongs to the message;
 * - an FS in the midst of a message: an error. Cutting there would hand on a part as the whole.
 */
import { MllpFrameError, MllpMessageError } from './errors';

const VT = 0x0b;
const FS = 0x1c;
const CR = 0x0d;
const LF = 0x0a;
const START = Buffer.from([VT]);
const END = Buffer.from([FS, CR]);
const RESTART = Buffer.from('\u000bMSH', 'latin1');

/** Of a message that is too large this much is kept, so that it can be refused by its MSH. */
const KEPT_OF_TOO_LARGE = 4096;

/** The content of a frame. `isTooLarge`: only its beginning. */
export interface Frame {
  bytes: Buffer;
  isTooLarge: boolean;
}

/** A message in its frame. @throws MllpMessageError where it contains a byte that frames it. */
export function frame(message: Uint8Array): Buffer {
  if (message.includes(VT) || message.includes(FS)) {
    throw new MllpMessageError('The message contains a byte that MLLP reserves (0x0B or 0x1C).', {
      advice: 'Remove it: the receiver would take the message for two, or for a part of it.',
    });
  }
  return Buffer.concat([START, message, END]);
}

/** Puts the frames of one connection together, however its bytes are cut into packets. */
export class FrameReader {
  readonly #maxBytes: number;
  #state: 'between' | 'inside' | 'ended' = 'between';
  #pieces: Buffer[] = [];
  #length = 0;
  #isTooLarge = false;
  #ignored = 0;

  /** `maxBytes`: of one message, without its frame. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes outside of frames so far, line breaks not counted: a sender without VT shows here. */
  get ignoredBytes(): number {
    return this.#ignored;
  }

  /** True if a message has ended with FS, and its CR has not come: `finish()` may be called after a moment. */
  get awaitsCarriageReturn(): boolean {
    return this.#state === 'ended';
  }

  /** True in the midst of a message. */
  get isInside(): boolean {
    return this.#state !== 'between';
  }

  /** The frames that are complete with these bytes. @throws MllpFrameError; the connection is of no use after that. */
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

  /** Nothing comes after the FS: the frame ends without its CR. */
  finish(): Frame[] {
    return this.#state === 'ended' ? [this.#take()] : [];
  }

  /** From `at` to the first byte of a message. */
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
    // A sender of single bytes would else keep an object for each.
    if (this.#pieces.length >= 1024) this.#pieces = [Buffer.concat(this.#pieces)];
  }

  #requireEnd(next: number | undefined): void {
    if (next === CR || next === LF || next === VT) return;
    throw new MllpFrameError('A message has an end block (0x1C) in its midst.', {
      advice: 'Ask the sender to remove it: MLLP reserves it for the end. Nothing was accepted of this message.',
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
