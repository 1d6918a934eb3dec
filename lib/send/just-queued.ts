/**
 * Rows that were queued here and not read back yet: what was just committed need not come from the store again. Most messages
 * are sent within the second in which they are queued, and reading a row costs the store as much as a change of it.
 */
import type { Outgoing } from '../store/store';

/** Bytes of payloads and rows that are held at most: a burst of some thousand small messages. What is beyond is read. */
const MOST_BYTES = 8 * 1024 * 1024;
/** About so many bytes a row takes without its payload. */
const ROW_BYTES = 1024;

const bytesOf = ({ payload }: Outgoing): number => ROW_BYTES + (payload?.kind === 'inline' ? payload.bytes.length : 0);

/** The rows of one mailbox, as they were committed: each is good until something happens to its message. */
export class JustQueued {
  readonly #rows = new Map<string, Outgoing>();
  #bytes = 0;

  /** A row whose INSERT is committed, with a payload that is nobody else's (`Placed.keep`). */
  add(row: Outgoing): void {
    if (this.#bytes + bytesOf(row) > MOST_BYTES) return;
    this.#rows.set(row.id, row);
    this.#bytes += bytesOf(row);
  }

  /** Something has happened to it. */
  forget(id: string): void {
    const row = this.#rows.get(id);
    if (row && this.#rows.delete(id)) this.#bytes -= bytesOf(row);
  }

  /** The rows of these ids, up to the first that is not held; they are held no more. */
  take(ids: readonly string[]): Outgoing[] {
    const rows: Outgoing[] = [];
    for (const id of ids) {
      const row = this.#rows.get(id);
      if (!row) break;
      this.forget(id);
      rows.push(row);
    }
    return rows;
  }
}
