/**
 * Rows that were committed here a moment ago, so that they are not read back: most messages are sent, or delivered,
 * within the second in which they are stored, and reading a row costs the store about as much as changing it. The store
 * still decides their order, and whether they are unchanged: a change names the states that it may come from.
 */
import type { StoredPayload } from './store';

/**
 * Maximum bytes of payloads and rows kept here: a burst of some thousand small messages. Rows beyond are read from the
 * store.
 */
const MAX_BYTES = 8 * 1024 * 1024;
/** About the bytes of a row without its payload. */
const ROW_BYTES = 1024;

const bytesOf = ({ payload }: { payload: StoredPayload | null }): number =>
  ROW_BYTES + (payload?.kind === 'inline' ? payload.bytes.length : 0);

/** The rows of one mailbox and direction, by id, as they were committed: each is valid until its message changes. */
export class RecentRows<Row extends { payload: StoredPayload | null }> {
  readonly #rows = new Map<string, Row>();
  #bytes = 0;

  /** Adds a row whose INSERT is committed and whose payload nothing writes into. Ignores it beyond the maximum. */
  add(id: string, row: Row): void {
    if (this.#bytes + bytesOf(row) > MAX_BYTES) return;
    this.forget(id);
    this.#rows.set(id, row);
    this.#bytes += bytesOf(row);
  }

  /** Whether the row of this id is here: its message has not changed since. */
  has(id: string): boolean {
    return this.#rows.has(id);
  }

  /** Removes the row of a message that has changed. */
  forget(id: string): void {
    const row = this.#rows.get(id);
    if (row && this.#rows.delete(id)) this.#bytes -= bytesOf(row);
  }

  /** Removes the row of an id and returns it; undefined if it is not here. */
  take(id: string): Row | undefined {
    const row = this.#rows.get(id);
    this.forget(id);
    return row;
  }

  /** Removes the rows of these ids, up to the first that is not here, and returns them. */
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
