/**
 * Sinks for a received payload: memory (here) or a file (file-sink.ts). Both can go back to the start of a chunk, so
 * that a broken chunk can be downloaded again.
 */
import { TooLargeError } from '../errors';
import { Digests } from './digests';

/** A complete payload as a sink wrote it. */
export interface Written {
  payload?: Buffer;
  /** Absolute path. */
  file?: string;
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

/** Takes the decompressed bytes of one message, chunk by chunk. */
export interface PayloadSink {
  /** Marks the start of a chunk. */
  beginChunk(): void;
  /** Discards everything since the last `beginChunk`. */
  restartChunk(): Promise<void>;
  /**
   * Takes a piece, which then belongs to the sink. Resolves when it can take more, which may be before the piece is
   * written: a later call throws an error that occurs after that.
   */
  write(piece: Buffer): Promise<void>;
  /** Called when this many chunks are complete, including the last one begun. A sink that can be resumed notes it. */
  chunksDone?(chunks: number): void;
  /**
   * Returns the digest of all bytes so far, in hexadecimal: SHA-256, or the algorithm that the sink was created with.
   */
  digest(algorithm: string): string;
  /** Makes the payload durable and returns it. */
  finish(): Promise<Written>;
  /** Called when the download is interrupted and may be resumed: keeps what can be used again. Default: discard. */
  suspend?(): Promise<void>;
  /** Deletes everything. Repeatable, and harmless after `finish`. */
  discard(): Promise<void>;
}

/** Returns a sink in memory for at most `maxBytes`; `write` throws TooLargeError beyond that. `also`: see Digests. */
export function bufferSink(maxBytes: number, also?: string): PayloadSink {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let digests = new Digests(also);
  let mark: { pieces: number; bytes: number; digests: Digests } | undefined;
  return {
    beginChunk() {
      // The first chunk starts with nothing to go back to.
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
          advice: 'Save it to a folder instead of receiving it as a Buffer, or raise maxBufferBytes.',
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
