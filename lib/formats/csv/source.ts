/** Where the bytes of a delimited file are, and how they are read without holding the event loop. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Bytes that can be read as often as it takes: a payload in memory, or a file (payload/source.ts has both). */
export interface CsvSource {
  /** Bytes. */
  readonly size: number;
  /**
   * Yields the bytes from `start` up to, not including, `end`, in pieces of any size. With `reuse` a piece's memory may be
   * used again for the next one.
   */
  open(start: number, end: number, memory?: 'reuse'): AsyncIterable<Buffer>;
}

/** A slice takes about 2 ms to parse and check (measured): the event loop waits no longer. */
export const SLICE_BYTES = 64 * 1024;

/** Yields the bytes in slices of at most `bytes`, each valid until the next; other work has its turn after each. */
export async function* slicesOf(
  source: CsvSource,
  start: number,
  end: number,
  bytes = SLICE_BYTES,
): AsyncGenerator<Buffer> {
  for await (const piece of source.open(start, end, 'reuse')) {
    for (let at = 0; at < piece.length; at += bytes) {
      yield piece.subarray(at, at + bytes);
      await nextTurn();
    }
  }
}
