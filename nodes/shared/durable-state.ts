/**
 * Where this Node-RED keeps what it may not forget: `<userDir>/mesh`. One state for each folder and process, opened by the
 * first mailbox that needs it and kept on globalThis: it outlives deploys, and reloads of this module.
 *
 * Several Node-REDs share one: `mesh: { storeUrl, spoolFolder, storePatienceSeconds }` in settings.js, or MESH_STORE_URL and MESH_SPOOL_FOLDER in the
 * environment, name their PostgreSQL and the folder that they share for large payloads. It is a property of the runtime, as
 * contextStorage is, and no credential of a mesh-config: all mailboxes share one state, and a deploy that changed the URL
 * would leave what waits in the outbox behind.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeAPI } from 'node-red';
import { ConfigurationError, MeshError, openState, type State } from '../../lib/index';
import { sharedText } from './texts';

const KEY = Symbol.for('@mesh-flows/node-red-nhs-mesh/durable-state');
/** By folder; '' is the temporary one of a Node-RED without a user folder. */
const processWide = globalThis as { [KEY]?: Map<string, Promise<State>> };

/** The open state. A failed opening is forgotten, so that the next deploy tries again. */
export function durableState(RED: NodeAPI): Promise<State> {
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
async function open(RED: NodeAPI, folder: string): Promise<State> {
  try {
    // Only test helpers are without a user folder; nothing of theirs has to be remembered.
    return await openState({
      folder: folder === '' ? await mkdtemp(join(tmpdir(), 'node-red-mesh-')) : folder,
      ...sharedStore(RED),
    });
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    const reason = error instanceof MeshError ? error.message : sharedText(RED, 'error.state-unexpected');
    throw new ConfigurationError(sharedText(RED, 'error.state', { folder, reason }), {
      cause: error,
      advice: sharedText(RED, 'advice.state'),
    });
  }
}

/**
 * Where a store that is shared is, and how long a flow waits for it; the URL has a password in it and is told to nobody.
 * Settings go before the environment.
 */
function sharedStore(RED: NodeAPI): { url?: string; spoolFolder?: string; patienceMs?: number } {
  const { mesh = {} } = RED.settings as { mesh?: Record<string, unknown> };
  const { MESH_STORE_URL, MESH_SPOOL_FOLDER } = process.env;
  const { storeUrl = MESH_STORE_URL ?? '', spoolFolder = MESH_SPOOL_FOLDER ?? '', storePatienceSeconds = 10 } = mesh;
  const isKnown = Object.keys(mesh).every((name) => SETTINGS.has(name));
  if (
    !isKnown ||
    typeof storeUrl !== 'string' ||
    typeof spoolFolder !== 'string' ||
    typeof storePatienceSeconds !== 'number'
  ) {
    throw new ConfigurationError(sharedText(RED, 'error.store-settings'), {
      advice: sharedText(RED, 'advice.store-settings'),
    });
  }
  return {
    ...(storeUrl === '' ? {} : { url: storeUrl, patienceMs: storePatienceSeconds * 1000 }),
    ...(spoolFolder === '' ? {} : { spoolFolder }),
  };
}

const SETTINGS = new Set(['storeUrl', 'spoolFolder', 'storePatienceSeconds', 'metrics']);
