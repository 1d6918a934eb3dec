/**
 * Where this Node-RED keeps what it may not forget: `<userDir>/mesh`. One state for each folder and process, opened by the
 * first mailbox that needs it and kept on globalThis: it outlives deploys, and reloads of this module.
 *
 * Several Node-REDs share one: `mesh: { storeUrl, spoolFolder, largePayloads, largePayloadLimitMiB, storePatienceSeconds }` in
 * settings.js, or MESH_STORE_URL, MESH_SPOOL_FOLDER and MESH_LARGE_PAYLOADS in the environment, name their PostgreSQL and
 * the folder that they share for large payloads, or have those in the database as well (`largePayloads: 'database'`). It is a property of the runtime, as
 * contextStorage is, and no credential of a mesh-config: all mailboxes share one state, and a deploy that changed the URL
 * would leave what waits in the outbox behind. `mesh: { retention }` says for how many days what has ended is kept.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeAPI } from 'node-red';
import type { z } from 'zod';
import {
  ConfigurationError,
  MeshError,
  openStorage,
  type Retention,
  type Storage,
  type StorageOptions,
} from '../../lib/index';
import { meshSettings, SETTINGS, type RETENTION } from './runtime-settings';
import { sharedText } from '../shared/texts';

const KEY = Symbol.for('@mesh-flows/node-red-nhs-mesh/durable-state');
/** By folder; '' is the temporary one of a Node-RED without a user folder. */
const processWide = globalThis as { [KEY]?: Map<string, Promise<Storage>> };

/** The open state. A failed opening is forgotten, so that the next deploy tries again. */
export function storageOf(RED: NodeAPI): Promise<Storage> {
  const { userDir } = RED.settings as { userDir?: unknown };
  const folder = typeof userDir === 'string' && userDir !== '' ? join(userDir, 'mesh') : '';
  const states = (processWide[KEY] ??= new Map());
  const known = states.get(folder);
  if (known !== undefined) return known;
  const opening = open(RED, folder).catch((error: unknown) => {
    states.delete(folder);
    throw error;
  });
  states.set(folder, opening);
  return opening;
}

/** For tests: in Node-RED the state ends with the process. Close the mailboxes first. */
export async function closeDurableStates(): Promise<void> {
  const states = [...(processWide[KEY]?.values() ?? [])];
  processWide[KEY]?.clear();
  for (const opening of states) {
    const state = await opening.catch(() => undefined);
    await state?.close();
  }
}

/** Where it cannot be opened no mailbox can be used: that is for a person to mend, whatever the error was. */
async function open(RED: NodeAPI, folder: string): Promise<Storage> {
  try {
    // Only test helpers are without a user folder; nothing of theirs has to be remembered.
    return await openStorage({
      folder: folder === '' ? await mkdtemp(join(tmpdir(), 'node-red-mesh-')) : folder,
      ...stateSettings(RED),
    });
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    const own = error instanceof MeshError ? error : undefined;
    const reason = own?.message ?? sharedText(RED, 'error.state-unexpected', { name: nameOf(error) });
    throw new ConfigurationError(sharedText(RED, 'error.state', { folder, reason }), {
      cause: error,
      advice: own?.advice ?? sharedText(RED, 'advice.state'),
    });
  }
}

/** The system's name for it (EACCES), or its class: never its text, which may have a URL with a password in it. */
function nameOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  return [code, name].find((each): each is string => typeof each === 'string') ?? typeof error;
}

/**
 * Where a store that is shared is, how long a flow waits for it, and how long what has ended is kept; the URL has a password in
 * it and is told to nobody. Settings go before the environment.
 */
function stateSettings(RED: NodeAPI): Omit<StorageOptions, 'folder'> {
  const { MESH_STORE_URL, MESH_SPOOL_FOLDER, MESH_LARGE_PAYLOADS } = process.env;
  const settings = SETTINGS.safeParse(meshSettings(RED));
  if (!settings.success) {
    const isOfRetention = settings.error.issues.some(({ path }) => path[0] === 'retention');
    throw badSettings(RED, isOfRetention ? 'retention-settings' : 'store-settings');
  }
  const {
    storeUrl = MESH_STORE_URL ?? '',
    spoolFolder = MESH_SPOOL_FOLDER ?? '',
    largePayloads = MESH_LARGE_PAYLOADS || 'folder',
    largePayloadLimitMiB,
    storePatienceSeconds,
    retention,
  } = settings.data;
  if (largePayloads !== 'folder' && largePayloads !== 'database') throw badSettings(RED, 'store-settings');
  return {
    largePayloads,
    ...(retention && { retention: inMilliseconds(retention) }),
    ...(storeUrl === '' ? {} : { url: storeUrl, patienceMs: storePatienceSeconds * 1000 }),
    ...(spoolFolder === '' ? {} : { spoolFolder }),
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
