import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { openStorage } from '../../../lib/index';
import { placePayload } from '../../../lib/payload/stored-payload';
import { sqliteSide } from '../../../lib/store/tools/side';
import { openSqliteStore } from '../../../lib/store/sqlite/open-sqlite-store';
import { emptyFolder } from '../../harness/cleanup';
import { LOAD_TYPESCRIPT } from '../../harness/typescript';
import { inState, OUT_NAME, T } from '../contract/support';
import { erased, erasure, MARK, type Place } from '../erase';

async function place(): Promise<Place & { folder: string }> {
  const folder = await emptyFolder();
  return {
    folder,
    spool: join(folder, 'spool'),
    open: () => openSqliteStore({ folder }),
    side: () => sqliteSide(folder),
  };
}

/** Runs the command line. */
function command(...args: string[]): { status: number | null; output: string } {
  const cli = join(__dirname, '..', '..', '..', 'lib', 'cli', 'main.ts');
  const run = spawnSync(process.execPath, [...LOAD_TYPESCRIPT, cli, 'store', ...args], {
    encoding: 'utf8',
    env: { ...process.env, MESH_STORE_URL: '' },
  });
  return { status: run.status, output: run.stdout + run.stderr };
}

describe('erasing a message in SQLite', () => {
  erasure(place);

  it('leaves no byte of it in any file of the folder', async () => {
    const here = await place();
    const store = await here.open();
    const bytes = Buffer.from(MARK.repeat(3000));
    const more = { envelope: { to: 'X26ABC9', subject: MARK }, payload: { kind: 'inline', bytes } } as const;
    const id = await inState(store, 'undelivered', { settledAt: T }, { ...more, onceKey: MARK });
    await store.close();
    const has = async (): Promise<boolean> => {
      const files = await readdir(here.folder, { recursive: true, withFileTypes: true });
      const all = files.filter((each) => each.isFile()).map((each) => readFile(join(each.parentPath, each.name)));
      return (await Promise.all(all)).some((content) => content.includes(MARK));
    };
    assert.ok(await has(), 'it is there before');
    await erased(here, id);
    assert.equal(await has(), false);
  });

  it('the command reports what it did and what is left, and refuses while Node-RED uses the store', async () => {
    const here = await place();
    const store = await here.open();
    const id = await inState(store, 'undelivered', { settledAt: T });
    const flags = ['--folder', here.folder, '--by', 'IG-2026-17'];
    const refused = command('erase', id, ...flags);
    assert.equal(refused.status, 2);
    assert.match(refused.output, /Another Node-RED uses the store/);
    await store.close();
    const anonymous = command('erase', id, '--folder', here.folder);
    assert.match(anonymous.output, /Who requests it/);
    const done = command('erase', id, ...flags);
    assert.equal(done.status, 0, done.output);
    assert.match(done.output, /payload and names erased[^]*Backups/);
    assert.match(command('erase', id, '--folder', join(here.folder, 'elsewhere'), '--by', 'x').output, /no store in/);
    assert.match(command('erase').output, /The id of the message is required/);
  });

  it('the command finds the payload where MESH_SPOOL_FOLDER was, and fails when it cannot reach it', async () => {
    const here = await place();
    const spoolFolder = join(await emptyFolder(), 'spool');
    const storage = await openStorage({ folder: here.folder, spoolFolder });
    const placed = await placePayload(Buffer.from(MARK.repeat(10_000)), storage.spool, () => OUT_NAME, false);
    const payload = await placed.keep();
    const id = await inState(storage.store, 'undelivered', { settledAt: T }, { payload, size: placed.source.size });
    await storage.close();
    const flags = ['erase', id, '--folder', here.folder, '--by', 'IG-2026-17'];
    await rename(spoolFolder, `${spoolFolder}-away`);
    const refused = command(...flags);
    assert.notEqual(refused.status, 0);
    assert.match(refused.output, /Nothing was erased/);
    assert.ok(refused.output.includes(spoolFolder) && !/names erased/.test(refused.output), refused.output);
    await rename(`${spoolFolder}-away`, spoolFolder);
    const done = command(...flags);
    assert.equal(done.status, 0, done.output);
    assert.deepEqual(await readdir(spoolFolder), ['mesh-spool.json']);
  }).timeout(20_000);
});
