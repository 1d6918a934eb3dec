import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sqliteSide } from '../../../lib/store/tools/side';
import { openSqliteStore } from '../../../lib/store/sqlite/open-sqlite-store';
import { emptyFolder } from '../../harness/cleanup';
import { inState, T } from '../contract/support';
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
  const run = spawnSync(process.execPath, ['--require', require.resolve('tsx/cjs'), cli, 'store', ...args], {
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
});
