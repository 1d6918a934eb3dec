/** A large payload that is kept in slices in the database. */
import { PayloadError } from '../errors';
import type { PayloadSlices } from '../store/store';
import type { PayloadSource } from './source';

/**
 * Returns the source of a sliced payload; `size` is the one in its row. Reading throws PayloadError when slices are
 * missing, and StorageError while the database is unavailable.
 */
export function slicedSource(slices: PayloadSlices, name: string, size: number): PayloadSource {
  return {
    size,
    contentType: 'application/octet-stream',
    async *open(start, end) {
      let at = start;
      for await (const piece of slices.read(name, start, end)) {
        at += piece.length;
        yield piece;
      }
      if (at < end) throw new PayloadError('The payload is no longer complete in the database.');
    },
  };
}
