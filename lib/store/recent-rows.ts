/**
 * Rows that were committed here a moment ago and not read back: most messages are sent, or handed over, within the second in which
 * they are stored, and reading a row costs the store about as much as a change of it. Their order is the store's all the same, and
 * whether they are still as they were: a change names the states that it may come from.
 */
import type { StoredPayload } from './store';

/** Bytes of payloads and rows that are held at most: a burst of some thousand small messages. What is beyond is read. */
const MOST_BYTES = 8 * 1024 * 1024;
/** About so many bytes a row takes without its payload. */
const ROW_BYTES = 1024;

const bytesOf = ({ payload }: { payload: StoredPayload | null }): number =>
  ROW_BYTES + (payload?.kind === 'inline' ? payload.bytes.length : 0);

/** The rows of one mailbox and direction, by id, as they were committed: each is good until something happens to its message. */
export class RecentRows<Row extends { payload: StoredPayload | null }> {
  readonly #rows = new Map<string, Row>();
  #bytes = 0;

  /** A row whose INSERT is committed, with a payload that nobody writes into. Not held where there is no room. */
  add(id: string, row: Row): void {
    if (this.#bytes + bytesOf(row) > MOST_BYTES) return;
    this.forget(id);
    this.#rows.set(id, row);
    this.#bytes += bytesOf(row);
  }

  /** Something has happened to it. */
  forget(id: string): void {
    const row = this.#rows.get(id);
    if (row && this.#rows.delete(id)) this.#bytes -= bytesOf(row);
  }

  /** The row of an id; it is held no more. Undefined if it is not held. */
  take(id: string): Row | undefined {
    const row = this.#rows.get(id);
    this.forget(id);
    return row;
  }

  /** The rows of these ids, up to the first that is not held; they are held no more. */
  takeFirst(ids: readonly string[]): Row[] {
    const rows: Row[] = [];
    for (const id of ids) {
      const row = this.take(id);
      if (!row) break;
      rows.push(row);
    }
    return rows;
  }
}
