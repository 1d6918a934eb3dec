#!/usr/bin/env node
/**
 * `nhs-mesh-store to-postgres|to-sqlite --folder <userDir>/mesh --spool <shared folder> | --payloads-in-database`: brings
 * what a SQLite store and its spool hold to PostgreSQL, or back. The database is that of MESH_STORE_URL: a command line can be read by others.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigurationError, MeshError } from '../errors';
import { copyStore } from './copy/copy-store';
import { postgresSide, type Side, sqliteSide } from './copy/side';

const USAGE = `Usage: nhs-mesh-store to-postgres|to-sqlite --folder FOLDER (--spool FOLDER | --payloads-in-database)

  --folder  of SQLite: "mesh" in the Node-RED user folder; its payloads are in "spool" in it
  --spool   where the large payloads of the PostgreSQL store are: the folder that all Node-REDs share
  --payloads-in-database
            they are in the database (largePayloads: 'database'); on the way back with --spool, if some are there still

MESH_STORE_URL names the database. Stop every Node-RED first. It may be broken off and run again.`;

async function main(): Promise<void> {
  const { values, positionals } = commandLine();
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const { MESH_STORE_URL: url = '' } = process.env;
  const { folder, spool, 'payloads-in-database': inDatabase } = values;
  const [direction] = positionals;
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

/** Rejects what the program does not know, with its usage. */
function commandLine() {
  try {
    return parseArgs({
      options: {
        folder: { type: 'string' },
        spool: { type: 'string' },
        'payloads-in-database': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    });
  } catch (error) {
    throw new ConfigurationError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}

main().catch((error: unknown) => {
  const told = error instanceof MeshError ? error.message : 'It failed.';
  const advice = error instanceof MeshError ? (error.advice ?? '') : String(error);
  process.stderr.write(`${told}\n${advice}\n`);
  process.exitCode = 1;
});
