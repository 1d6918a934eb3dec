/**
 * Copies everything in one store, its spooled payloads included, to another one of either kind. If it is interrupted,
 * the next run goes on from there: rows go over in order of their keys, and neither store can be used meanwhile. At the
 * end both are read again and compared; only then may the new one be used, and the old one no longer.
 */
import { createHash } from 'node:crypto';
import { ConfigurationError, StorageError } from '../../errors';
import { markFolder, readMark, writeMark } from '../../payload/spool-mark';
import { COPYING, MOVED } from '../rules/schema-version';
import { copyPayload, payloadPlace } from './copy-payloads';
import { type Side, TABLES, type TableName } from './side';

/** Both ends, and the folders of their large payloads; undefined if they are in the database. */
interface StoreCopy {
  from: Side;
  to: Side;
  fromSpool: string | undefined;
  toSpool: string | undefined;
  /** Called with a line for each thing done. */
  report: (line: string) => void;
}

const PAGE = 500;
const names = Object.keys(TABLES) as TableName[];

/**
 * Copies the store.
 * @throws ConfigurationError when the stores are not fit for it; StorageError when the copy differs from the original
 */
export async function copyStore({ from, to, fromSpool, toSpool, report }: StoreCopy): Promise<void> {
  if (from.marked === COPYING) throw new ConfigurationError('The store to copy from is itself an incomplete copy.');
  if (from.marked === MOVED && to.marked === undefined) {
    throw new ConfigurationError('The store to copy from was copied before, and is no longer used.');
  }
  if (to.marked !== COPYING && (await sizes(to)).some((last) => last > 0)) {
    throw new ConfigurationError('The store to copy to is not empty.', {
      advice: 'Move its mesh.db away, or drop its schema, if its messages are of no more use.',
    });
  }
  await requireSpools({ from, to, fromSpool, toSpool });
  await to.mark(COPYING);
  // The names of the files go over as they are, and still have to lead to their messages.
  await to.setSpoolKey(await from.spoolKey());
  for (const table of names) await copyTable(table, from, to);
  const payloads = await copyPayloads({ from, to, fromSpool, toSpool, report });
  for (const table of names) {
    const [there, here] = [await digest(from, table), await digest(to, table)];
    if (there.sha256 !== here.sha256 || there.rows !== here.rows) {
      throw new StorageError(`Table ${table} differs between the stores: ${there.rows} rows, and ${here.rows}.`, {
        advice: 'The old store is unchanged. Empty the new one and copy again.',
      });
    }
    report(`${table}: ${here.rows} rows, SHA-256 ${here.sha256}`);
  }
  report(`large payloads: ${payloads}`);
  if (toSpool !== undefined) {
    await to.addSpoolFolder({ path: toSpool, hasPayloads: true });
    await writeMark(toSpool, to.identity);
  }
  // What send marks beside the place of the copy know is about another store, even if it was this one before.
  await to.renewGeneration();
  // In this order: between the two neither store can be used, and the next run fixes that.
  await from.mark(MOVED);
  await to.mark(undefined);
}

/**
 * Checks that no payload is read from, or written into, a folder of a third store, or of somebody else's.
 * @throws ConfigurationError
 */
async function requireSpools({ from, to, fromSpool, toSpool }: Omit<StoreCopy, 'report'>): Promise<void> {
  const owner = fromSpool === undefined ? undefined : await readMark(fromSpool);
  const isShared = fromSpool === toSpool;
  if (owner !== undefined && owner !== from.identity && !(isShared && owner === to.identity)) {
    throw new ConfigurationError(
      `The folder ${fromSpool} has the large payloads of another store than the one to copy.`,
      {
        advice: 'Name the folder that Node-RED has used with this store.',
      },
    );
  }
  if (toSpool !== undefined && !isShared) await markFolder(toSpool, to.identity);
}

function sizes(side: Side): Promise<number[]> {
  return Promise.all(names.map((table) => side.last(table)));
}

async function copyTable(table: TableName, from: Side, to: Side): Promise<void> {
  for (let after = await to.last(table); ;) {
    const rows = await from.page(table, after, PAGE);
    const last = rows.at(-1);
    if (!last) return;
    await to.insert(table, rows);
    after = Number(last[TABLES[table][0]]);
  }
}

async function* everyRow(side: Side, table: TableName) {
  for (let after = 0; ;) {
    const rows = await side.page(table, after, PAGE);
    yield* rows;
    const last = rows.at(-1);
    if (!last) return;
    after = Number(last[TABLES[table][0]]);
  }
}

async function digest(side: Side, table: TableName): Promise<{ rows: number; sha256: string }> {
  const hash = createHash('sha256');
  let rows = 0;
  for await (const row of everyRow(side, table)) {
    rows += 1;
    const values = TABLES[table].map((column) => {
      const value = row[column];
      return value instanceof Uint8Array ? createHash('sha256').update(value).digest('hex') : value;
    });
    hash.update(JSON.stringify(values)).update('\n');
  }
  return { rows, sha256: hash.digest('hex') };
}

/** Copies the large payloads; returns how many there are. */
async function copyPayloads({ from, to, fromSpool, toSpool }: StoreCopy): Promise<number> {
  const [source, target] = [payloadPlace(fromSpool, from.slices), payloadPlace(toSpool, to.slices)];
  let payloads = 0;
  for (const table of ['outgoing', 'incoming'] as const) {
    for await (const row of everyRow(from, table)) {
      if (typeof row['payload_name'] !== 'string') continue;
      payloads += 1;
      if (fromSpool === undefined || fromSpool !== toSpool) await copyPayload(row['payload_name'], source, target);
    }
  }
  return payloads;
}
