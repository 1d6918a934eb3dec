/**
 * Where a received payload goes: into memory, or into a file (file-sink.ts). Both can go back to the start of a chunk, so that
 * a broken chunk can be fetched again.
 */
import { TooLargeError } from '../errors';
import { Digests } from './digests';

/** What a whole payload came to. */
export interface Written {
  payload?: Buffer;
  /** Absolute path. */
  file?: string;
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

/** Takes the expanded bytes of one message, chunk by chunk. */
export interface PayloadSink {
  /** Remembers this place. */
  beginChunk(): void;
  /** Forgets everything since the last `beginChunk`. */
  restartChunk(): Promise<void>;
  /**
   * Takes a piece, which belongs to the sink from now on. Resolves when it can take more, which may be before the piece is
   * written: what fails later is thrown by a later call.
   */
  write(piece: Buffer): Promise<void>;
  /** So many chunks are there as a whole, with the last one that was begun: what can be resumed makes a note of it. */
  chunksDone?(chunks: number): void;
  /** The hexadecimal digest of all bytes so far, by SHA-256 or the algorithm that the sink was made for. */
  digest(algorithm: string): string;
  /** Makes it durable and gives what was written. */
  finish(): Promise<Written>;
  /** The download broke off and may be resumed: keeps what is worth keeping. Default: discard. */
  suspend?(): Promise<void>;
  /** Leaves nothing behind. Repeatable; harmless after `finish`. */
  discard(): Promise<void>;
}

/** Holds the payload in memory, at most `maxBytes` of it: beyond, TooLargeError. `also`: see Digests. */
export function bufferSink(maxBytes: number, also?: string): PayloadSink {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let digests = new Digests(also);
  let mark: { pieces: number; bytes: number; digests: Digests } | undefined;
  return {
    beginChunk() {
      // The first chunk begins where everything does.
      mark = bytes === 0 ? undefined : { pieces: pieces.length, bytes, digests: digests.copy() };
    },
    async restartChunk() {
      pieces.length = mark?.pieces ?? 0;
      bytes = mark?.bytes ?? 0;
      digests = mark?.digests.copy() ?? new Digests(also);
    },
    async write(piece) {
      bytes += piece.length;
      if (bytes > maxBytes) {
        throw new TooLargeError(`The message is larger than ${maxBytes} bytes, too large to be held in memory.`, {
          advice: 'Have it saved to a folder instead of delivered as a Buffer, or raise maxBufferBytes.',
        });
      }
      pieces.push(piece);
      digests.update(piece);
    },
    digest: (algorithm) => digests.hex(algorithm),
    async finish() {
      const payload = Buffer.concat(pieces, bytes);
      return { payload, bytes, sha256: digests.hex() };
    },
    async discard() {
      pieces = [];
    },
  };
}
