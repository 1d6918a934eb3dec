/** A process with an open store, as in one Node-RED, that runs store operations on request. */
import { openPostgresStore } from '../../lib/store/postgres/open-postgres-store';
import { openSqliteStore } from '../../lib/store/sqlite/open-sqlite-store';
import { measured, serve } from '../harness/serve';
import { enqueueNew, measure, operations, runAll, type CountedStore, type Operation } from '../parts/store-operations';

let store: CountedStore | undefined;
let list: Operation[] = [];

serve({
  open: async ({ place, mailbox }: { place: { folder?: string; url?: string; schema?: string }; mailbox: string }) => {
    store =
      place.url === undefined
        ? await openSqliteStore({ folder: place.folder ?? '' })
        : await openPostgresStore({ url: place.url, schema: place.schema ?? 'mesh' });
    list = operations(store, mailbox);
    return { operations: list.length };
  },
  measure: ({ index, part }: { index: number; part: number }) => {
    const operation = list[index];
    if (!store || !operation) throw new Error('open the store first');
    return measure(store, operation, part);
  },
  enqueue: ({ mailbox, count, atOnce, size }: { mailbox: string; count: number; atOnce: number; size: number }) => {
    const open = store;
    if (!open) throw new Error('open the store first');
    return measured(async () => {
      await runAll(count, atOnce, () => enqueueNew(open, mailbox, size));
      return { messages: count, bytes: count * size };
    });
  },
  close: () => store?.close(),
});
