/**
 * `nhs-mesh store copy|erase`: copies a SQLite store and its spool to PostgreSQL or back, and erases one message. The database is
 * that of MESH_STORE_URL: other users of the machine can read a command line.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigurationError } from '../errors';
import { readArguments } from './options';
import { copyStore } from '../store/tools/copy-store';
import { postgresSide, type Side, sqliteSide } from '../store/tools/side';
import { eraseMessage, type Erasure } from '../store/tools/erase';
import { FILE_NAME } from '../store/sqlite/database';

const USAGE = `Usage: nhs-mesh store copy --to postgres|sqlite --folder FOLDER (--spool FOLDER | --payloads-in-database)
       nhs-mesh store erase ID --by NAME [--force] [--folder FOLDER | --spool FOLDER]

  copy      copies a SQLite store to PostgreSQL, or back. The old store is kept and refuses to open afterwards
  erase     removes the payload and the names of one message, by our id or MESH's, and records it in the ledger. With --folder
            from SQLite, else from the database, where --spool names the folder of its large payloads, if that is a folder

  --to      the store to copy to: postgres or sqlite
  --folder  of SQLite: "mesh" in the Node-RED user folder; its payloads are in "spool" in it
  --spool   where the large payloads of the PostgreSQL store are: the folder that all Node-REDs share
  --payloads-in-database
            they are in the database (largePayloads: 'database'); on the way back with --spool, if some are still there
  --by      who asked for the erasure, for the ledger: a name or a case number of yours, not the patient's
  --force   also erases a message that is not finished: it is not sent or delivered any more
  --help    this text

The environment variable MESH_STORE_URL names the database. Stop every Node-RED first. An interrupted run may be repeated.
`;

const OPTIONS = {
  to: { type: 'string' },
  folder: { type: 'string' },
  spool: { type: 'string' },
  'payloads-in-database': { type: 'boolean', default: false },
  by: { type: 'string', default: '' },
  force: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' },
} as const;

/**
 * Runs `nhs-mesh store`.
 * @throws ConfigurationError for arguments that are missing or unknown, and what opening a store throws
 */
export async function store(args: string[]): Promise<void> {
  const { values, positionals } = readArguments(args, OPTIONS, 'store');
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const [action, reference = ''] = positionals;
  if (action !== 'copy' && action !== 'erase')
    throw wrong(action === undefined ? 'copy or erase is needed.' : `There is no action ${action}.`);
  const { MESH_STORE_URL: url = '' } = process.env;
  const { to, folder, spool } = values;
  if (action === 'erase') {
    if (reference === '') throw wrong('The id of the message is needed.');
    if (folder === undefined && url === '')
      throw wrong('Either --folder or the environment variable MESH_STORE_URL is needed.');
    await erase({ reference, by: values.by, force: values.force, now: Date.now() }, { folder, spool, url });
    return;
  }
  if (to !== 'postgres' && to !== 'sqlite') throw wrong('--to has to be postgres or sqlite.');
  if (folder === undefined) throw wrong('--folder is needed.');
  if (spool === undefined && !values['payloads-in-database'])
    throw wrong('--spool or --payloads-in-database is needed.');
  if (url === '') throw wrong('The environment variable MESH_STORE_URL is not set.');
  await copy({ to, folder: resolve(folder), spool, inDatabase: values['payloads-in-database'], url });
}

const wrong = (message: string): ConfigurationError =>
  new ConfigurationError(message, { advice: 'nhs-mesh store --help lists the options.' });

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
    sqlite = await sqliteSide(folder);
    postgres = await postgresSide(url);
    const own = join(folder, 'spool');
    const shared = spool === undefined ? undefined : resolve(spool);
    const sides =
      to === 'postgres'
        ? { from: sqlite, to: postgres, fromSpool: own, toSpool: inDatabase ? undefined : shared }
        : { from: postgres, to: sqlite, fromSpool: shared, toSpool: own };
    await copyStore({ ...sides, say: (line) => process.stdout.write(`${line}\n`) });
    process.stdout.write('Done. The old store is kept as it was, and cannot be used any more.\n');
  } finally {
    await sqlite?.close();
    await postgres?.close();
  }
}

/** In SQLite where a folder is given, else in the database. */
async function erase(
  what: Omit<Erasure, 'spool'>,
  { folder, spool, url }: { folder: string | undefined; spool: string | undefined; url: string },
): Promise<void> {
  if (folder !== undefined && !existsSync(join(resolve(folder), FILE_NAME))) {
    throw new ConfigurationError(`There is no store in ${resolve(folder)}.`);
  }
  const side = folder === undefined ? await postgresSide(url) : await sqliteSide(resolve(folder));
  const place = folder === undefined ? spool && resolve(spool) : join(resolve(folder), 'spool');
  try {
    for (const line of await eraseMessage(side, { ...what, spool: place })) process.stdout.write(`${line}\n`);
    process.stdout.write('Backups, the database’s log and what flows or the other end have kept are not touched.\n');
  } finally {
    await side.close();
  }
}
