#!/usr/bin/env node
/**
 * `nhs-mesh-store to-postgres|to-sqlite --folder <userDir>/mesh --spool <shared folder> | --payloads-in-database`: brings
 * what a SQLite store and its spool hold to PostgreSQL, or back. `nhs-mesh-store erase ID --by NAME`: erases one message. The
 * database is that of MESH_STORE_URL: a command line can be read by others.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigurationError, MeshError } from '../errors';
import { copyStore } from './copy/copy-store';
import { postgresSide, type Side, sqliteSide } from './copy/side';
import { eraseMessage, type Erasure } from './erase';
import { FILE_NAME } from './sqlite/database';

const USAGE = `Usage: nhs-mesh-store erase ID --by NAME [--force] [--folder FOLDER | --spool FOLDER]
       nhs-mesh-store to-postgres|to-sqlite --folder FOLDER (--spool FOLDER | --payloads-in-database)

  --folder  of SQLite: "mesh" in the Node-RED user folder; its payloads are in "spool" in it
  --spool   where the large payloads of the PostgreSQL store are: the folder that all Node-REDs share
  --payloads-in-database
            they are in the database (largePayloads: 'database'); on the way back with --spool, if some are there still

  erase     removes the payload and the names of one message, by our id or MESH's, and notes it in the ledger. With --folder
            from SQLite, else from the database, where --spool says where its large payloads are, if that is a folder
  --by      who asked for it, for the ledger: a name or a case number of yours, not the patient's
  --force   also what has not come to its end: it is not sent or delivered any more

MESH_STORE_URL names the database. Stop every Node-RED first. It may be broken off and run again.`;

async function main(): Promise<void> {
  const { values, positionals } = commandLine();
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const { MESH_STORE_URL: url = '' } = process.env;
  const { folder, spool, 'payloads-in-database': inDatabase } = values;
  const [direction, reference = ''] = positionals;
  if (direction === 'erase') {
    if (reference === '' || (folder === undefined && url === '')) throw new ConfigurationError(USAGE);
    await erase({ reference, by: values.by, force: values.force, now: Date.now() }, { folder, spool, url });
    return;
  }
  const isKnown = direction === 'to-postgres' || direction === 'to-sqlite';
  const isSaid = spool !== undefined || inDatabase;
  if (!isKnown || folder === undefined || !isSaid || url === '') throw new ConfigurationError(USAGE);
  let sqlite: Side | undefined;
  let postgres: Side | undefined;
  try {
    sqlite = await sqliteSide(resolve(folder));
    postgres = await postgresSide(url);
    const own = join(resolve(folder), 'spool');
    const shared = spool === undefined ? undefined : resolve(spool);
    const sides =
      direction === 'to-postgres'
        ? { from: sqlite, to: postgres, fromSpool: own, toSpool: inDatabase ? undefined : shared }
        : { from: postgres, to: sqlite, fromSpool: shared, toSpool: own };
    await copyStore({ ...sides, say: (line) => process.stdout.write(`${line}\n`) });
    process.stdout.write('Done. The old store is kept as it was, and cannot be used any more.\n');
  } finally {
    await sqlite?.close();
    await postgres?.close();
  }
}

/** Throws ConfigurationError with the usage for what the program does not know. */
function commandLine() {
  try {
    return parseArgs({
      options: {
        folder: { type: 'string' },
        spool: { type: 'string' },
        'payloads-in-database': { type: 'boolean', default: false },
        by: { type: 'string', default: '' },
        force: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    });
  } catch (error) {
    throw new ConfigurationError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
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

main().catch((error: unknown) => {
  const told = error instanceof MeshError ? error.message : 'It failed.';
  const advice = error instanceof MeshError ? (error.advice ?? '') : String(error);
  process.stderr.write(`${told}\n${advice}\n`);
  process.exitCode = 1;
});
