/**
 * `nhs-mesh store copy|erase`: copies a SQLite store and its spool to PostgreSQL or back, and erases one message. The
 * address of the database comes from MESH_STORE_URL: other users of the machine can read a command line.
 */
import { join, resolve } from 'node:path';
import { ConfigurationError } from '../errors';
import { readMark } from '../payload/spool-mark';
import { copyStore } from '../store/tools/copy-store';
import { eraseMessage, type Erasure } from '../store/tools/erase';
import { postgresSide, type Side, sqliteSide } from '../store/tools/side';
import { readVariable } from '../variables';
import type { Command } from './command';
import { readArguments, refuseOptions, requireOptions } from './options';

const USAGE = `Usage: nhs-mesh store copy --to postgres|sqlite --folder FOLDER (--spool FOLDER | --payloads-in-database)
       nhs-mesh store erase ID --by NAME [--force] [--folder FOLDER] [--spool FOLDER]

  copy            copies a SQLite store to PostgreSQL, or back. The old store is kept, but cannot be opened again
  erase           removes the payload and the names of one message, given by our id or MESH's, and records that in the
                  ledger. Needs --folder for a SQLite store. Finds the large payload by the store's own record of its
                  folders; --spool names one whose path is another one here

  --to NAME       the store to copy to: postgres or sqlite
  --folder FOLDER the SQLite store: "mesh" in the Node-RED user folder; its payloads are in "spool" in that folder
  --spool FOLDER  the large payloads of the PostgreSQL store: the folder that all Node-RED instances share
  --payloads-in-database
                  the large payloads are in the database (largePayloads: 'database'); when copying to SQLite, add
                  --spool if some are still in the folder
  --by NAME       who asked for the erasure, for the ledger: a name or case number of yours, not the patient's
  --force         also erases an unfinished message, which is then no longer sent or delivered
  -h, --help      this text

The environment variable MESH_STORE_URL holds the address of the database. Stop every Node-RED first. An interrupted run
can be repeated.
`;

const OPTIONS = {
  to: { type: 'string' },
  folder: { type: 'string' },
  spool: { type: 'string' },
  'payloads-in-database': { type: 'boolean' },
  by: { type: 'string' },
  force: { type: 'boolean' },
} as const;

export const store: Command = {
  usage: USAGE,
  async run(args) {
    const { values, positionals } = readArguments(args, OPTIONS, 2);
    const [action, reference = ''] = positionals;
    const { to, folder, spool, by = '', force = false, 'payloads-in-database': inDatabase = false } = values;
    if (action === 'copy') {
      if (reference !== '') throw new ConfigurationError(`Unexpected argument '${reference}'.`);
      refuseOptions('store copy', values, ['by', 'force']);
      if (to !== 'postgres' && to !== 'sqlite') throw new ConfigurationError('--to must be postgres or sqlite.');
      requireOptions(values, 'folder');
      if (spool === undefined && !inDatabase) {
        throw new ConfigurationError('--spool or --payloads-in-database is required.');
      }
      const url = readVariable('MESH_STORE_URL');
      if (url === undefined) throw new ConfigurationError('The environment variable MESH_STORE_URL is not set.');
      await copy({ to, folder: resolve(values.folder), spool, inDatabase, url });
    } else if (action === 'erase') {
      refuseOptions('store erase', values, ['to', 'payloads-in-database']);
      if (reference === '') throw new ConfigurationError('The id of the message is required.');
      const url = folder === undefined ? readVariable('MESH_STORE_URL') : '';
      if (url === undefined) {
        throw new ConfigurationError('--folder or the environment variable MESH_STORE_URL is required.');
      }
      await erase({ reference, by, force, now: Date.now() }, { folder, spool, url });
    } else {
      throw new ConfigurationError(
        action === undefined ? 'copy or erase is required.' : `There is no action '${action}'.`,
      );
    }
  },
};

interface Copy {
  to: 'postgres' | 'sqlite';
  folder: string;
  spool: string | undefined;
  inDatabase: boolean;
  url: string;
}

async function copy({ to, folder, spool, inDatabase, url }: Copy): Promise<void> {
  let sqlite: Side | undefined;
  let postgres: Side | undefined;
  try {
    // An empty store must not be made where the one to copy from should be: its volume may not be mounted.
    sqlite = await sqliteSide(folder, { mustExist: to === 'postgres' });
    postgres = await postgresSide(url, undefined, { mustExist: to === 'sqlite' });
    const own = join(folder, 'spool');
    const shared = spool === undefined ? undefined : resolve(spool);
    const sides =
      to === 'postgres'
        ? { from: sqlite, to: postgres, fromSpool: own, toSpool: inDatabase ? undefined : shared }
        : { from: postgres, to: sqlite, fromSpool: shared, toSpool: own };
    await copyStore({ ...sides, report: (line) => process.stdout.write(`${line}\n`) });
    process.stdout.write('Done. The old store is kept unchanged, but cannot be opened again.\n');
  } finally {
    await sqlite?.close();
    await postgres?.close();
  }
}

/** Erases a message in the SQLite store of the folder, or in the database if there is no folder. */
async function erase(
  what: Omit<Erasure, 'spool'>,
  { folder, spool, url }: { folder: string | undefined; spool: string | undefined; url: string },
): Promise<void> {
  const mustExist = true;
  const side =
    folder === undefined
      ? await postgresSide(url, undefined, { mustExist })
      : await sqliteSide(resolve(folder), { mustExist });
  const place = await spoolPlace(folder, spool);
  try {
    for (const line of await eraseMessage(side, { ...what, spool: place })) process.stdout.write(`${line}\n`);
    process.stdout.write('Backups, the database’s log, and copies kept by flows or the other party are not changed.\n');
  } finally {
    await side.close();
  }
}

/** Returns the folder that is named, or that is beside the store: the store's folder may have been moved. */
async function spoolPlace(folder: string | undefined, spool: string | undefined): Promise<string | undefined> {
  if (spool !== undefined) return resolve(spool);
  if (folder === undefined) return undefined;
  const beside = join(resolve(folder), 'spool');
  return (await readMark(beside)) === undefined ? undefined : beside;
}
