/** A process with an open store, as in one Node-RED, that runs store operations on request. */
import { openPostgresStore } from '../../lib/store/postgres/open-postgres-store';
import { openSqliteStore } from '../../lib/store/sqlite/open-sqlite-store';
import { serve } from '../harness/serve';
import { measure, operations, type CountedStore, type Operation } from '../parts/store-operations';

let store: CountedStore | undefined;
let list: Operation[] = [];

serve({
  open: async ({ place, mailbox }: { place: { folder?: string; url?: string }; mailbox: string }) => {
    store =
      place.url === undefined
        ? await openSqliteStore({ folder: place.folder ?? '' })
        : await openPostgresStore({ url: place.url });
    list = operations(store, mailbox);
    return { operations: list.length };
  },
  measure: ({ index, part }: { index: number; part: number }) => {
    const operation = list[index];
    if (!store || !operation) throw new Error('open the store first');
    return measure(store, operation, part);
  },
  close: () => store?.close(),
});
