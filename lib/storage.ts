/** Where a process keeps what it may not forget: one store and one spool, shared by all its mailboxes. */
import { join } from 'node:path';
import { Spool } from './payload/spool';
import { ConfigurationError } from './errors';
import { openPostgresStore } from './store/postgres/open-postgres-store';
import { openSqliteStore } from './store/sqlite/open-sqlite-store';
import type { Retention, Store } from './store/store';

/** How to keep it. */
export interface StorageOptions {
  /** Made if it is not there; used by one process at a time. */
  folder: string;
  /**
   * Of a PostgreSQL that several processes share (`postgres://user:password@host/database?sslmode=verify-full`): then all
   * that is small is there, and large payloads in `spoolFolder`. Default: SQLite in the folder.
   */
  url?: string;
  /** The schema of its tables. Default `mesh`. */
  schema?: string;
  /** Where large payloads are; with `url` a folder that all processes share. Default: `spool` in the folder. */
  spoolFolder?: string;
  /**
   * Where payloads over 64 KiB are kept, with `url`: in `spoolFolder` (default), or in slices in the database, so that the
   * processes need share no folder. What was kept in a shared `spoolFolder` before is still found there, if it is given.
   */
  largePayloads?: 'folder' | 'database';
  /** The largest payload (bytes) that is kept in the database; a larger one is a TooLargeError. Default 256 MiB. */
  largePayloadLimit?: number;
  /**
   * So long (milliseconds) an operation waits for a PostgreSQL that is away, before it fails: an enqueueing is either safe or an
   * error. Default 10,000.
   */
  patienceMs?: number;
  retention?: Partial<Retention>;
}

/** The durable state of one process. */
export interface Storage {
  /** This process's own. */
  readonly folder: string;
  readonly store: Store;
  readonly spool: Spool;
  /** For what can be made again: this process's own, and empty at its start. */
  readonly scratch: Spool;
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
/** A few of MESH's largest requests (100 MB): a database is no place for extracts of gigabytes. */
const PAYLOAD_LIMIT = 256 * 1024 ** 2;
const PURGE_EVERY_MS = 60 * 60 * 1000;

/** Opens the state. Throws ConfigurationError where another process uses it, StorageError where it cannot be written. */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { folder, url, schema, patienceMs, retention, spoolFolder } = options;
  const inDatabase = options.largePayloads === 'database';
  if (inDatabase && url === undefined) {
    throw new ConfigurationError('Large payloads can be kept in the database only where the store is PostgreSQL.', {
      advice: 'Set the URL of the store too, or leave large payloads in the folder.',
    });
  }
  const store =
    url === undefined
      ? await openSqliteStore({ folder })
      : await openPostgresStore({
          url,
          ...(schema === undefined ? {} : { schema }),
          ...(patienceMs === undefined ? {} : { patienceMs }),
        });
  try {
    // With the payloads in the database, a folder of one's own has only what is being downloaded.
    const isShared = store.isShared && !(inDatabase && spoolFolder === undefined);
    const spool = await Spool.open(spoolFolder ?? join(folder, 'spool'), {
      isShared,
      slices: store.slices,
      ...(inDatabase ? { inDatabase, limitBytes: options.largePayloadLimit ?? PAYLOAD_LIMIT } : {}),
    });
    const scratch = store.isShared ? await Spool.open(join(folder, 'scratch')) : spool;
    if (isShared) await checkShared(store, spool);
    await spool.removeOrphans(await store.spoolNames(), isShared ? DAY : 0);
    if (scratch !== spool) await scratch.removeOrphans(new Set());
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
      folder,
      store,
      spool,
      scratch,
      async close() {
        clearInterval(timer);
        await first;
        if (isShared) await spool.removeProbe(store.id);
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** A payload that one instance spools has to be found by the one that sends or delivers it. */
async function checkShared(store: Store, spool: Spool): Promise<void> {
  const missing = await spool.missingFrom(store.id, await store.otherInstances());
  if (missing.length === 0) return;
  await spool.removeProbe(store.id);
  throw new ConfigurationError('The spool folder is not the one that other instances of this store use.', {
    advice:
      'Give every instance that shares the PostgreSQL store the same shared folder (e.g. an NFS mount) as its spool folder. ' +
      'If an instance with another folder was stopped just now, try again in two minutes.',
  });
}
