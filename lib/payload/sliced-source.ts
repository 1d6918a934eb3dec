/** A large payload that is kept in the database, in slices. */
import { PayloadError } from '../errors';
import type { PayloadSlices } from '../store/store';
import type { PayloadSource } from './source';

/** `size` is the one of its row. Reading throws PayloadError where slices are missing, StorageError while the database is away. */
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
      if (at < end) throw new PayloadError('The payload is not whole in the database any more.');
    },
  };
}
