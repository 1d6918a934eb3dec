/** Where a process keeps what it may not forget: one store and one spool, shared by all its mailboxes. */
import { join } from 'node:path';
import { Spool } from './payload/spool';
import { openSqliteStore } from './store/sqlite/open-sqlite-store';
import type { Retention, Store } from './store/store';

/** How to keep it. */
export interface StateOptions {
  /** Made if it is not there; used by one process at a time. */
  folder: string;
  retention?: Partial<Retention>;
}

/** The durable state of one process. */
export interface State {
  readonly store: Store;
  readonly spool: Spool;
  /** Waits for what is under way and closes. Close the mailboxes first. */
  close(): Promise<void>;
}

const DAY = 24 * 60 * 60 * 1000;
/** At least 30 days for what may have to be sent again: MESH itself forgets after 30. */
const RETENTION: Retention = {
  settledPayloadMs: 7 * DAY,
  unsettledPayloadMs: 35 * DAY,
  rowsMs: 100 * DAY,
  ledgerMs: 400 * DAY,
};
const PURGE_EVERY_MS = 60 * 60 * 1000;

/** Opens the state. Throws ConfigurationError where another process uses it, StorageError where it cannot be written. */
export async function openState({ folder, retention }: StateOptions): Promise<State> {
  const store = await openSqliteStore({ folder });
  try {
    const spool = await Spool.open(join(folder, 'spool'));
    await spool.removeOrphans(await store.spoolNames());
    const purge = async (): Promise<void> => {
      const { spoolNames } = await store.purge(Date.now(), { ...RETENTION, ...retention });
      await spool.remove(spoolNames);
    };
    // A purge that fails (disk busy) is made good by the next one.
    const timer = setInterval(() => void purge().catch(() => undefined), PURGE_EVERY_MS);
    timer.unref();
    // A Node-RED that is restarted every night has to purge as well.
    const first = purge().catch(() => undefined);
    return {
      store,
      spool,
      async close() {
        clearInterval(timer);
        await first;
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
