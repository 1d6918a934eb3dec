/** The durable storage of a process: one store and one spool, shared by all its mailboxes. */
import { join, resolve } from 'node:path';
import { every, machineMs, systemClock, type Clock } from './clock';
import { ClockSteps } from './clock-steps';
import { Spool } from './payload/spool';
import { ConfigurationError } from './errors';
import { KnownStore } from './store/known-store';
import { databasePlace } from './store/postgres/connections';
import { openPostgresStore } from './store/postgres/open-postgres-store';
import { openSqliteStore } from './store/sqlite/open-sqlite-store';
import type { Retention, Store } from './store/store';
import { SAVE_EVERY_MS, TrustedTime } from './store/trusted-time';
import { namedVariable } from './variables';

/** Where and how the storage is kept. */
export interface StorageOptions {
  /** The storage folder, created if needed. Only one process may use it at a time. */
  folder: string;
  /**
   * URL of a PostgreSQL database that several processes share
   * (`postgres://user:password@host/database?sslmode=verify-full`). Rows and small payloads are kept there, large
   * payloads in `spoolFolder`. Default: SQLite in the folder.
   */
  url?: string;
  /** Schema of the tables in PostgreSQL. Default `mesh`. */
  schema?: string;
  /** Folder for large payloads; with `url`, one that all processes share. Default: `spool` in the folder. */
  spoolFolder?: string;
  /**
   * Where payloads over 64 KiB are kept, with `url`: in `spoolFolder` (default), or in slices in the database, so that
   * the processes need not share a folder. Payloads kept in a shared `spoolFolder` before are still found there, if it
   * is given.
   */
  largePayloads?: 'folder' | 'database';
  /** The largest payload kept in the database (bytes); a larger one is a TooLargeError. Default 256 MiB. */
  largePayloadLimit?: number;
  /**
   * For how long an operation waits for a PostgreSQL that is unavailable, before it fails (milliseconds): `enqueue`
   * either stores the message or reports an error. Default 10,000.
   */
  patienceMs?: number;
  /**
   * A file that remembers which store was used, in a folder outside the storage that is there. With it, a folder or
   * database that is empty although a store was used there is not taken into use (its volume may not be mounted), nor is
   * another store there; remove the file to do so. Default: none, an empty folder or database gets a new store.
   */
  knownStoreFile?: string;
  retention?: Partial<Retention>;
  /** Default: the system clock. */
  clock?: Clock;
}

/** The open storage of one process. */
export interface Storage {
  /** The process's own storage folder. */
  readonly folder: string;
  readonly store: Store;
  readonly spool: Spool;
  /** Files that can be made again. The process's own, and empty at its start. */
  readonly scratch: Spool;
  /** The time that retention and deadlines may trust. */
  readonly trusted?: TrustedTime;
  /** The place of another storage that was used before this one, as `knownStoreFile` remembered it. */
  readonly previousPlace?: string;
  /** Why `knownStoreFile` could not be written; the storage is open all the same. */
  readonly notRemembered?: unknown;
  /** Waits for operations in progress, then closes. Close the mailboxes first. */
  close(): Promise<void>;
}

const DAY = 24 * 60 * 60 * 1000;
/** Payloads that may have to be sent again are kept for more than 30 days, after which MESH itself deletes messages. */
const RETENTION: Retention = {
  settledPayloadMs: 7 * DAY,
  unsettledPayloadMs: 35 * DAY,
  rowsMs: 100 * DAY,
  ledgerMs: 400 * DAY,
};
/** A few times MESH's largest request (100 MB): a database is no place for extracts of gigabytes. */
const PAYLOAD_LIMIT = 256 * 1024 ** 2;
/** A clock that is behind the store by more was set back (milliseconds). */
const NOTABLE_STEP_MS = 2000;
const PURGE_EVERY_MS = 60 * 60 * 1000;

/**
 * Opens the storage, moves orphaned payloads into quarantine and starts the hourly purge.
 * @throws ConfigurationError when another process uses it, the options do not fit together, or the spool folder is not
 *   this store's; StorageError when it cannot be written, or the store that was used there is not there
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { folder, url, schema, patienceMs, retention, spoolFolder, knownStoreFile, clock = systemClock } = options;
  const inDatabase = options.largePayloads === 'database';
  refuseBlank({ folder, url, schema, spoolFolder, knownStoreFile });
  if (inDatabase && url === undefined) {
    throw new ConfigurationError('Large payloads can be kept in the database only if the store is PostgreSQL.', {
      advice: 'Set the URL of the store too, or leave large payloads in the folder.',
    });
  }
  const storePlace = url === undefined ? resolve(folder) : databasePlace(url, schema ?? 'mesh');
  const known = knownStoreFile === undefined ? undefined : await KnownStore.read(knownStoreFile, storePlace);
  const expected = known?.expected;
  const store =
    url === undefined
      ? await openSqliteStore({ folder, expected })
      : await openPostgresStore({
          url,
          expected,
          ...(schema === undefined ? {} : { schema }),
          ...(patienceMs === undefined ? {} : { patienceMs }),
        });
  try {
    // With the payloads in the database, a process's own folder has only the downloads in progress.
    const isShared = store.isShared && !(inDatabase && spoolFolder === undefined);
    const identity = await store.identity();
    const place = resolve(spoolFolder ?? join(folder, 'spool'));
    const owner = { store: identity, key: await store.spoolKey() };
    const spool = await Spool.open(place, {
      isShared,
      slices: store.slices,
      owner: { ...owner, isExpected: () => hasSpooledFiles(store) },
      ...(inDatabase ? { inDatabase, limitBytes: options.largePayloadLimit ?? PAYLOAD_LIMIT } : {}),
    });
    const scratchPlace = resolve(folder, 'scratch');
    const scratch = store.isShared ? await Spool.open(scratchPlace, { owner }) : spool;
    if (isShared) await checkShared(store, spool);
    await store.addSpoolFolder({ path: place, hasPayloads: !inDatabase });
    if (scratch !== spool) await store.addSpoolFolder({ path: scratchPlace, hasPayloads: false });
    await spool.quarantineOrphans(await store.spoolNames(), isShared ? DAY : 0);
    if (scratch !== spool) await scratch.quarantineOrphans(new Set());
    const notRemembered = await known?.remember(identity).catch((error: unknown) => error);
    const trusted = await TrustedTime.open(clock, store);
    // The store knows a later time than the clock: it was set back while no process ran.
    if (trusted.behindMs > NOTABLE_STEP_MS) ClockSteps.of(clock).record(-trusted.behindMs);
    const stopSaving = every(machineMs(SAVE_EVERY_MS), () => void trusted.save().catch(() => undefined));
    const purge = async (): Promise<void> => {
      const { spoolNames } = await store.purge(trusted.now(), { ...RETENTION, ...retention });
      await spool.remove(spoolNames);
      await spool.ageQuarantine();
      if (scratch !== spool) await scratch.ageQuarantine();
    };
    // If a purge fails (disk busy), the next one catches up.
    const stopPurging = every(PURGE_EVERY_MS, () => void purge().catch(() => undefined));
    // Purges at the start too, for a Node-RED that is restarted every night.
    const first = purge().catch(() => undefined);
    return {
      folder,
      store,
      spool,
      scratch,
      trusted,
      ...(known?.previousPlace !== undefined && { previousPlace: known.previousPlace }),
      ...(notRemembered !== undefined && { notRemembered }),
      async close() {
        stopPurging();
        stopSaving();
        await first;
        await trusted.save().catch(() => undefined);
        if (isShared) await spool.removeProbe(store.id);
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Whether a row names a payload that is in no slice, so that it should be in the spool folder. */
async function hasSpooledFiles(store: Store): Promise<boolean> {
  for (const name of await store.spoolNames()) {
    if (!(await store.slices?.has(name))) return true;
  }
  return false;
}

/**
 * @throws ConfigurationError that names the options which are blank or an unresolved variable: a blank URL is no SQLite
 */
function refuseBlank(options: Record<string, string | undefined>): void {
  const blank = Object.entries(options).filter(
    ([, text]) => text !== undefined && (text.trim() === '' || namedVariable(text) !== undefined),
  );
  if (blank.length === 0) return;
  throw new ConfigurationError(`The storage cannot be opened. Empty: ${blank.map(([name]) => name).join(', ')}.`, {
    advice: 'Give the options named above a value, or leave them out.',
  });
}

/**
 * Checks that all instances use one spool folder: a payload that one spools must be found by the one that sends or
 * delivers it.
 */
async function checkShared(store: Store, spool: Spool): Promise<void> {
  const missing = await spool.instancesElsewhere(store.id, await store.otherInstances());
  if (missing.length === 0) return;
  await spool.removeProbe(store.id);
  throw new ConfigurationError('The spool folder is not the one that other instances of this store use.', {
    advice:
      'Give every instance that shares the PostgreSQL store the same shared spool folder (e.g. an NFS mount). ' +
      'If an instance with another folder was stopped a moment ago, this passes in two minutes.',
    passes: true,
  });
}
