/**
 * Large payloads in slices of 1 MiB, each a commit of its own: memory stays bounded, and no transaction is long. The
 * row that names a payload is committed after its last slice, so that no row names what a kill has left.
 */
import type { PayloadSlices } from '../store';
import type { Connections } from './connections';
import type { Queries } from './queries';

/** Bytes of each slice but the last. */
export const SLICE_BYTES = 1024 * 1024;

/** Payloads that one statement removes: each has hundreds of slices. */
const REMOVED_PER_STATEMENT = 20;

/**
 * A payload counts from the later of the confirmed time and the database's clock. So it is never taken for older than
 * it is when the confirmed time catches up after days in which no instance ran; if the database's clock is ahead, what
 * a kill has left is only kept longer.
 */
const BEGIN = `INSERT INTO payload (name, begun_at)
    SELECT ?, greatest(trusted_time, floor(extract(epoch FROM now()) * 1000)) FROM store_identity
    ON CONFLICT (name) DO NOTHING`;

/** The slices of a database. Every statement may be repeated when its result was lost. */
export function slicesIn(connections: Connections): PayloadSlices {
  const rows = (sql: string, ...values: Parameters<Queries['rows']>[1][]) =>
    connections.use((queries) => queries.rows(sql, ...values));
  const remove = async (names: readonly string[]): Promise<void> => {
    for (let at = 0; at < names.length; at += REMOVED_PER_STATEMENT) {
      await rows('DELETE FROM payload WHERE name = ANY(?::text[])', names.slice(at, at + REMOVED_PER_STATEMENT));
    }
  };
  return {
    async write(name, pieces) {
      let bytes = 0;
      try {
        await rows(BEGIN, name);
        let number = 0;
        for await (const slice of slicesOf(pieces)) {
          await rows(
            'INSERT INTO payload_slice (name, number, bytes) VALUES (?, ?, ?) ON CONFLICT (name, number) DO NOTHING',
            name,
            number,
            slice,
          );
          number += 1;
          bytes += slice.length;
        }
      } catch (error) {
        // If that fails too, the retention removes it a day later.
        await remove([name]).catch(() => undefined);
        throw error;
      }
      return bytes;
    },
    async *read(name, start, end) {
      for (let at = start; at < end;) {
        const number = Math.floor(at / SLICE_BYTES);
        const [row] = await rows('SELECT bytes FROM payload_slice WHERE name = ? AND number = ?', name, number);
        if (!(row?.['bytes'] instanceof Uint8Array)) return;
        const from = number * SLICE_BYTES;
        const piece = Buffer.from(row['bytes'].buffer).subarray(at - from, end - from);
        if (piece.length === 0) return;
        yield piece;
        at += piece.length;
      }
    },
    async has(name) {
      return (await rows('SELECT 1 AS found FROM payload WHERE name = ?', name)).length > 0;
    },
    async beginningWith(prefix) {
      // Names are ASCII, and compared as bytes: the range is in the index.
      const found = await rows('SELECT name FROM payload WHERE name >= ? AND name < ?', prefix, `${prefix}\u007f`);
      return found.map(({ name }) => String(name));
    },
    remove,
  };
}

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Removes payloads that were begun a day before `now`, the confirmed time (milliseconds since 1970), and that no row
 * names. Each is looked up by an index: an anti-join would read all rows.
 */
export async function removeUnnamed(connections: Connections, now: number): Promise<void> {
  for (let removed = REMOVED_PER_STATEMENT; removed >= REMOVED_PER_STATEMENT;) {
    const found = await connections.use((queries) =>
      queries.rows(
        `DELETE FROM payload WHERE name = ANY(ARRAY(
            SELECT name FROM payload AS p WHERE begun_at < ?
              AND (SELECT 1 FROM outgoing WHERE payload_name = p.name LIMIT 1) IS NULL
              AND (SELECT 1 FROM incoming WHERE payload_name = p.name LIMIT 1) IS NULL
              ORDER BY begun_at LIMIT ${REMOVED_PER_STATEMENT}))
          RETURNING 1 AS removed`,
        now - DAY_MS,
      ),
    );
    removed = found.length;
  }
}

/** Cuts the bytes into slices, in memory of their own. */
async function* slicesOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let slice = Buffer.allocUnsafeSlow(SLICE_BYTES);
  let filled = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const copied = piece.copy(slice, filled, at);
      at += copied;
      filled += copied;
      if (filled < SLICE_BYTES) continue;
      yield slice;
      slice = Buffer.allocUnsafeSlow(SLICE_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield slice.subarray(0, filled);
}
