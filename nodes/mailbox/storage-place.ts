/**
 * Opens the storage of this Node-RED, in `<userDir>/mesh`. The first mailbox that needs it opens it; there is one for
 * each folder and process, on globalThis, so that it outlives deploys and reloads of this module.
 *
 * Several Node-REDs may share one: `mesh: { storeUrl, spoolFolder, largePayloads, largePayloadLimitMiB,
 * storePatienceSeconds }` in settings.js, or MESH_STORE_URL, MESH_SPOOL_FOLDER and MESH_LARGE_PAYLOADS in the
 * environment, name their PostgreSQL and the shared folder for large payloads, or keep those in the database as well
 * (`largePayloads: 'database'`). Like contextStorage it belongs to the runtime, not to a mesh-config: all mailboxes
 * share one storage, and a deploy with another URL would leave the queued messages behind. `mesh: { retention }` sets
 * how many days finished messages are kept.
 *
 * `<userDir>/mesh-store.json` remembers which store was used: if it is away, no empty one takes its place.
 */
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { NodeAPI } from 'node-red';
import type { z } from 'zod';
import {
  ClockSteps,
  ConfigurationError,
  MeshError,
  openingMayPass,
  openStorage,
  readVariable,
  setOwnHolidays,
  systemClock,
  type ClockStep,
  StorageError,
  type Retention,
  type Storage,
  type StorageOptions,
} from '../../lib/index';
import { sharedText } from '../shared/texts';
import { meshSettings, SETTINGS, type RETENTION } from './runtime-settings';

const KEY = Symbol.for('@mesh-flows/node-red-nhs-mesh/storage');
/** Storage by folder; '' is the temporary one of a Node-RED without a user folder. */
const processWide = globalThis as { [KEY]?: Map<string, Promise<Storage>> };

function folderOf(RED: NodeAPI): string {
  const { userDir } = RED.settings as { userDir?: unknown };
  return typeof userDir === 'string' && userDir !== '' ? join(userDir, 'mesh') : '';
}

/** Returns the file that remembers which store was used: beside the flows, which tell that MESH is used at all. */
function knownStoreFile(folder: string): string {
  return join(dirname(folder), 'mesh-store.json');
}

/** Returns the open storage. A failed opening is forgotten, so that the next call tries again. */
export function storageOf(RED: NodeAPI): Promise<Storage> {
  const folder = folderOf(RED);
  const opened = (processWide[KEY] ??= new Map());
  const known = opened.get(folder);
  if (known !== undefined) return known;
  const opening = open(RED, folder).catch((error: unknown) => {
    opened.delete(folder);
    throw error;
  });
  opened.set(folder, opening);
  return opening;
}

/**
 * Returns the storage if it is open, or if something has been kept in it: undefined for a Node-RED that has never used
 * MESH. Rejects when it cannot be opened.
 */
export async function keptStorage(RED: NodeAPI): Promise<Storage | undefined> {
  const folder = folderOf(RED);
  const traces = folder === '' ? [] : [join(folder, 'mesh.db'), knownStoreFile(folder)];
  const isKept = processWide[KEY]?.has(folder) === true || traces.some((file) => existsSync(file));
  return isKept || storageSettings(RED).url !== undefined ? storageOf(RED) : undefined;
}

/** Closes every storage, for tests: in Node-RED they end with the process. Close the mailboxes first. */
export async function closeStorages(): Promise<void> {
  const opened = [...(processWide[KEY]?.values() ?? [])];
  processWide[KEY]?.clear();
  for (const opening of opened) {
    const storage = await opening.catch(() => undefined);
    await storage?.close();
  }
}

/** @throws StorageError for a failure that may pass by itself, ConfigurationError for one that a person has to fix */
async function open(RED: NodeAPI, folder: string): Promise<Storage> {
  try {
    // Only test helpers have no user folder, and keep nothing.
    const storage = await openStorage({
      ...(folder === ''
        ? { folder: await mkdtemp(join(tmpdir(), 'node-red-mesh-')) }
        : { folder, knownStoreFile: knownStoreFile(folder) }),
      ...storageSettings(RED),
    });
    logPlace(RED, storage, folder);
    logClockSteps(RED);
    return storage;
  } catch (error) {
    const passes = openingMayPass(error);
    if (error instanceof ConfigurationError && !passes) throw error;
    const own = error instanceof MeshError ? error : undefined;
    const reason = own?.message ?? sharedText(RED, 'error.storage-unexpected', { name: nameOf(error) });
    if (passes) {
      const advice = `${own?.advice ?? ''} ${sharedText(RED, 'advice.storage-waits')}`.trim();
      throw new StorageError(sharedText(RED, 'error.storage', { folder, reason }), { cause: error, advice });
    }
    throw new ConfigurationError(sharedText(RED, 'error.storage', { folder, reason }), {
      cause: error,
      advice: own?.advice ?? sharedText(RED, 'advice.storage'),
    });
  }
}

/** Logs that the storage is not where it was, or that its place could not be remembered. */
function logPlace(RED: NodeAPI, { previousPlace, notRemembered }: Storage, folder: string): void {
  if (previousPlace !== undefined) RED.log.warn(sharedText(RED, 'log.storage-moved', { place: previousPlace }));
  if (notRemembered === undefined) return;
  RED.log.warn(
    sharedText(RED, 'log.storage-not-remembered', { file: knownStoreFile(folder), name: nameOf(notRemembered) }),
  );
}

let isLogging = false;

/** Logs each time that somebody sets the machine's clock; once for the process. */
function logClockSteps(RED: NodeAPI): void {
  if (isLogging) return;
  isLogging = true;
  const steps = ClockSteps.of(systemClock);
  const log = ({ ms }: ClockStep): void =>
    RED.log.warn(sharedText(RED, 'log.clock-set', { seconds: Math.round(ms / 1000) }));
  if (steps.last) log(steps.last);
  steps.onStep(log);
}

/** Returns the system's code (EACCES) or the error's class, never its text, which may contain a URL with a password. */
function nameOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  return [code, name].find((each): each is string => typeof each === 'string') ?? typeof error;
}

/**
 * Reads the settings; those of settings.js take precedence over the environment. The URL contains a password and stays
 * out of every message.
 * @throws ConfigurationError when a setting is wrong
 */
function storageSettings(RED: NodeAPI): Omit<StorageOptions, 'folder'> {
  const settings = SETTINGS.safeParse(meshSettings(RED));
  if (!settings.success) {
    const isOfRetention = settings.error.issues.some(({ path }) => path[0] === 'retention');
    throw badSettings(RED, isOfRetention ? 'retention-settings' : 'store-settings');
  }
  const {
    storeUrl = readVariable('MESH_STORE_URL'),
    spoolFolder = readVariable('MESH_SPOOL_FOLDER'),
    largePayloads = readVariable('MESH_LARGE_PAYLOADS') ?? 'folder',
    largePayloadLimitMiB,
    storePatienceSeconds,
    retention,
    bankHolidays = [],
  } = settings.data;
  setOwnHolidays(bankHolidays);
  if (largePayloads !== 'folder' && largePayloads !== 'database') throw badSettings(RED, 'store-settings');
  return {
    largePayloads,
    ...(retention && { retention: inMilliseconds(retention) }),
    ...(storeUrl === undefined ? {} : { url: storeUrl, patienceMs: storePatienceSeconds * 1000 }),
    ...(spoolFolder === undefined ? {} : { spoolFolder }),
    ...(largePayloadLimitMiB === undefined ? {} : { largePayloadLimit: largePayloadLimitMiB * 1024 ** 2 }),
  };
}

const DAY_MS = 24 * 60 * 60 * 1000;

function inMilliseconds(retention: z.infer<typeof RETENTION>): Partial<Retention> {
  const { settledPayloadDays, unsettledPayloadDays, rowDays, ledgerDays } = retention;
  return {
    ...(settledPayloadDays !== undefined && { settledPayloadMs: settledPayloadDays * DAY_MS }),
    ...(unsettledPayloadDays !== undefined && { unsettledPayloadMs: unsettledPayloadDays * DAY_MS }),
    ...(rowDays !== undefined && { rowsMs: rowDays * DAY_MS }),
    ...(ledgerDays !== undefined && { ledgerMs: ledgerDays * DAY_MS }),
  };
}

function badSettings(RED: NodeAPI, which: 'store-settings' | 'retention-settings'): ConfigurationError {
  return new ConfigurationError(sharedText(RED, `error.${which}`), { advice: sharedText(RED, `advice.${which}`) });
}
