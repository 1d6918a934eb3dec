/**
 * The options of every command that works on the messages of one mailbox in Node-RED's storage. The address of a database
 * comes from MESH_STORE_URL: other users of the machine can read a command line.
 */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadProfiles } from '../acks/profiles';
import { ConfigurationError } from '../errors';
import { openMailbox, type DurableMailbox } from '../mailbox';
import { openStorage, type Storage } from '../storage';
import { readVariable } from '../variables';
import { requireOptions, unreadable } from './options';

export const STORAGE_OPTIONS = {
  environment: { type: 'string' },
  mailbox: { type: 'string' },
  folder: { type: 'string' },
  spool: { type: 'string' },
  'payloads-in-database': { type: 'boolean' },
  profiles: { type: 'string' },
} as const;

export const STORAGE_USAGE = `\
  --environment NAME    integration, live, or the URL of another MESH server: as in mesh config
  --mailbox ID          the mailbox
  --folder FOLDER       the SQLite store: "mesh" in the Node-RED user folder. Stop Node-RED first
  --spool FOLDER        instead of --folder, for PostgreSQL: the folder for large payloads that all Node-REDs share
  --payloads-in-database
                        instead of --folder, for PostgreSQL: large payloads are in the database
  --profiles FILE       your own workflow profiles, as in mesh config
  -h, --help            this text

With PostgreSQL, the environment variable MESH_STORE_URL holds the address of the database, and Node-RED may run.
`;

type Values = { [Name in keyof typeof STORAGE_OPTIONS]?: string | boolean | undefined } & Record<string, unknown>;

/** A mailbox whose messages can be looked at and changed, without any connection to MESH. */
export interface OfflineMailbox {
  storage: Storage;
  mailbox: DurableMailbox;
}

/**
 * Opens the storage and the mailbox, does the work, and closes both.
 * @throws ConfigurationError for an option that is missing or wrong, a store that is not there, or one in use
 */
export async function withMailbox<Result>(
  values: Values,
  work: (opened: OfflineMailbox) => Promise<Result>,
): Promise<Result> {
  requireOptions(values, 'environment', 'mailbox');
  const environment = String(values.environment);
  const mailboxId = String(values.mailbox);
  const own = await profilesFile(values.profiles as string | undefined);
  const { options, discard } = await storagePlace(values);
  try {
    const storage = await openStorage(options);
    // It is never started, so it needs no secrets: nothing is sent, and MESH is not asked.
    const secrets = { password: 'not used', sharedKey: 'not used' };
    const mailbox = openMailbox({ environment, mailboxId, ...secrets, storage, profiles: loadProfiles(...own) });
    try {
      return await work({ storage, mailbox });
    } finally {
      await mailbox.close();
      await storage.close();
    }
  } finally {
    await discard();
  }
}

async function storagePlace(
  values: Values,
): Promise<{ options: Parameters<typeof openStorage>[0]; discard: () => Promise<void> }> {
  const { folder, spool, 'payloads-in-database': inDatabase = false } = values;
  if (typeof folder === 'string') {
    if (spool !== undefined || inDatabase === true) {
      throw new ConfigurationError('--folder cannot be used with --spool or --payloads-in-database.');
    }
    const place = resolve(folder);
    // An empty store must not be made where Node-RED's should be: its volume may not be mounted.
    await stat(join(place, 'mesh.db')).catch((error: NodeJS.ErrnoException) => {
      throw unreadable('folder', join(place, 'mesh.db'), error);
    });
    return { options: { folder: place }, discard: async () => undefined };
  }
  const url = readVariable('MESH_STORE_URL');
  if (url === undefined) {
    throw new ConfigurationError('--folder or the environment variable MESH_STORE_URL is required.');
  }
  if (typeof spool !== 'string' && inDatabase !== true) {
    throw new ConfigurationError('--spool or --payloads-in-database is required.');
  }
  // The folder of a process of its own: that of a running Node-RED has its unfinished downloads.
  const own = await mkdtemp(join(tmpdir(), 'nhs-mesh-'));
  const spoolFolder = typeof spool === 'string' ? { spoolFolder: resolve(spool) } : {};
  return {
    options: { folder: own, url, ...spoolFolder, ...(inDatabase === true ? { largePayloads: 'database' } : {}) },
    discard: () => rm(own, { recursive: true, force: true }),
  };
}

async function profilesFile(path: string | undefined): Promise<string[]> {
  if (path === undefined) return [];
  return [
    await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw unreadable('profiles', path, error);
    }),
  ];
}
