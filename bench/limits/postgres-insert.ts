/**
 * The limit of PostgreSQL: what an enqueue writes - its row, its payload, its line in the ledger - as one row of a table
 * with nothing but a primary key, with one INSERT for as many as are enqueued at a time. Each INSERT is a transaction.
 */
import { Client } from 'pg';
import { newOutgoingValues } from '../../lib/store/rows/outgoing';
import { measured, serve } from '../harness/serve';
import { BENCH_NOW, newMessage } from '../parts/store-operations';

const client = { open: undefined as Client | undefined };

/** The values of one row: those of an enqueue. */
function values(mailbox: string, size: number): unknown[] {
  const message = newMessage(mailbox, size);
  const [, id, ...others] = newOutgoingValues(1, message);
  const { payload } = message;
  return [id, mailbox, ...others, payload.kind === 'inline' ? payload.bytes : null, BENCH_NOW, 'out', 'queued', '{}'];
}

serve({
  async open({ url }: { url: string }) {
    client.open = new Client({ connectionString: url });
    await client.open.connect();
    const columns = values('', 1).map((value, i) => `c${i} ${value instanceof Uint8Array ? 'bytea' : 'text'}`);
    await client.open.query(`CREATE TABLE bare (${columns.join(', ')}, PRIMARY KEY (c0))`);
  },
  enqueue({ mailbox, count, atOnce, size }: { mailbox: string; count: number; atOnce: number; size: number }) {
    const { open } = client;
    if (!open) throw new Error('open the database first');
    return measured(async () => {
      for (let done = 0; done < count; done += atOnce) {
        const rows = Array.from({ length: Math.min(atOnce, count - done) }, () => values(mailbox, size));
        let at = 0;
        const places = rows.map((row) => `(${row.map(() => `$${(at += 1)}`).join(', ')})`);
        await open.query({
          name: `insert ${rows.length}`,
          text: `INSERT INTO bare VALUES ${places.join(', ')}`,
          values: rows.flat(),
        });
      }
      return { messages: count, bytes: count * size };
    });
  },
  close: () => client.open?.end(),
});
