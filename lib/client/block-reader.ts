/**
 * Reads a socket into memory that is used again. On its own, Node.js hands on what TLS decrypts in pieces of at most
 * 16 KiB, each in fresh memory, and undici joins them by another copy: that cost more than receiving and decrypting them.
 */
import type { Socket } from 'node:net';

/** Size of a block (bytes). */
const BLOCK_BYTES = 128 * 1024;
/** Blocks of one socket at most: as many as it has filled while its reader stands still, and one more. */
const MAX_BLOCKS = 4;
/** Bytes that are handed on at once, even if more are there: while they are parsed they are in the processor's cache. */
const HAND_ON_BYTES = 64 * 1024;
/** The most that a TLS record holds (RFC 8446, section 5.1): after a full one there is usually another. */
const FULL_RECORD_BYTES = 16 * 1024;
/** undici keeps the pieces of a response's head until it has all of it, at most this many bytes (http.maxHeaderSize). */
const HEAD_BYTES = 16 * 1024;

/** Where every socket's bytes arrive. They are copied before others can. */
const arrived = Buffer.allocUnsafeSlow(64 * 1024);

/** A full block, and how many bytes had been handed on at its end. */
interface FullBlock {
  block: Buffer;
  end: number;
}

/** Reads one socket. The order stays, and the socket is not read while its reader takes nothing. */
export class BlockReader {
  /** The options that the socket has to be made with. */
  readonly options = {
    highWaterMark: HAND_ON_BYTES,
    onread: { buffer: arrived, callback: (bytes: number): boolean => this.#take(bytes) },
  };
  #socket: Pick<Socket, 'push' | 'readableLength'> | undefined;
  /** Earlier blocks, the oldest first. */
  readonly #full: FullBlock[] = [];
  #block: Buffer | undefined;
  /** Of the block: filled up to here, and handed on up to here. */
  #filled = 0;
  #handedOn = 0;
  /** Bytes handed on in all. */
  #total = 0;
  #isDue = false;

  /** Begins with a socket that has just been connected. */
  attach(socket: Socket): void {
    const push = socket.push.bind(socket);
    this.#socket = {
      push,
      get readableLength() {
        return socket.readableLength;
      },
    };
    // Node.js itself now pushes only the end (null): what arrived before it is handed on first.
    socket.push = (...end) => {
      this.#handOn();
      return push(...end);
    };
  }

  /** Takes what has arrived. Returns whether to go on: if not, the reader's next read has the socket read again. */
  #take(bytes: number): boolean {
    const isLast = bytes < FULL_RECORD_BYTES;
    // A small response needs no block.
    if (isLast && this.#handedOn === this.#filled) this.#push(Buffer.from(arrived.subarray(0, bytes)));
    else {
      const block = this.#blockFor(bytes);
      arrived.copy(block, this.#filled, 0, bytes);
      this.#filled += bytes;
      if (isLast || this.#filled - this.#handedOn >= HAND_ON_BYTES) this.#handOn();
      else this.#handOnSoon();
    }
    return this.#unread <= HAND_ON_BYTES;
  }

  /** Bytes that were handed on, and not yet read. */
  get #unread(): number {
    return this.#socket?.readableLength ?? 0;
  }

  /** Returns the block with room for this many bytes. */
  #blockFor(bytes: number): Buffer {
    if (this.#block && this.#filled + bytes <= this.#block.length) return this.#block;
    this.#handOn();
    if (this.#block) this.#full.push({ block: this.#block, end: this.#total });
    this.#block = this.#takeRead() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
    this.#filled = 0;
    this.#handedOn = 0;
    return this.#block;
  }

  /** Returns the oldest block if it may be overwritten. */
  #takeRead(): Buffer | undefined {
    const [oldest] = this.#full;
    const isRead = oldest && oldest.end + HEAD_BYTES <= this.#total - this.#unread;
    if (isRead || this.#full.length >= MAX_BLOCKS) this.#full.shift();
    return isRead ? oldest.block : undefined;
  }

  /** At the end of this turn of the event loop: what else arrives in it goes with it. */
  #handOnSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.#handOn();
    });
  }

  #handOn(): void {
    if (!this.#block || this.#handedOn === this.#filled) return;
    const piece = this.#block.subarray(this.#handedOn, this.#filled);
    this.#handedOn = this.#filled;
    this.#push(piece);
  }

  #push(piece: Buffer): void {
    this.#total += piece.length;
    this.#socket?.push(piece);
  }
}
