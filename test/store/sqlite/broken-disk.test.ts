/** A disk that fails to sync a commit: what the store says of it is true after a kill, too. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from 'mocha';
import { openSqliteStore } from '../../../lib/store/sqlite/open-sqlite-store';
import { afterThisTest, emptyFolder } from '../../harness/cleanup';
import { failingSync } from '../../harness/failing-sync';
import { eventually } from '../../harness/until';
import { LOAD_TYPESCRIPT } from '../../harness/typescript';
import { ids, MAILBOX, newId } from '../contract/support';

/** A process with an open store on a disk that can be broken. Without a C compiler, skips the test. */
async function storeOnDisk(test: Context) {
  const [folder, state] = [await emptyFolder(), await emptyFolder()];
  const flag = join(folder, 'broken');
  const env = failingSync(test, folder, flag);
  const script = join(__dirname, 'enqueue-on-command.ts');
  const child = spawn(process.execPath, [...LOAD_TYPESCRIPT, script, state], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  afterThisTest(() => child.kill('SIGKILL'));
  let printed = '';
  child.stdout.on('data', (piece: Buffer) => (printed += piece.toString()));
  const lines = (): string[] => printed.split('\n').slice(0, -1);
  await eventually('an open store', () => lines().length === 1);
  return {
    breakDisk: () => writeFile(flag, ''),
    repairDisk: () => rm(flag),
    /** Enqueues these messages at once, and returns how each ended. */
    async enqueue(...all: string[]): Promise<string[]> {
      const count = lines().length + 1;
      child.stdin.write(`${all.join(' ')}\n`);
      await eventually('an end', () => lines().length === count);
      return lines().at(-1)?.split(' ') ?? [];
    },
    /** Kills the process, and returns the ids that the store has at the next start. */
    async killed(): Promise<string[]> {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      const store = await openSqliteStore({ folder: state });
      const rows = await store.listOutgoing({ mailbox: MAILBOX }, { limit: 99 });
      await store.close();
      return ids(rows);
    },
  };
}

describe('a disk that fails to sync a commit', () => {
  it('the message whose commit failed is not refused, as the next start may have it', async function () {
    const disk = await storeOnDisk(this);
    const [before, during] = [newId(), newId()];
    assert.deepEqual(await disk.enqueue(before), ['stored']);
    await disk.breakDisk();
    assert.deepEqual(await disk.enqueue(during), ['MESH_UNKNOWN_COMMIT']);
    // SQLite had written the commit before it could not sync it.
    assert.deepEqual(await disk.killed(), [before, during]);
  });

  it('messages that come after it are refused, and are not there after a kill', async function () {
    const disk = await storeOnDisk(this);
    const [during, ...refused] = [newId(), newId(), newId()];
    await disk.breakDisk();
    assert.deepEqual(await disk.enqueue(during), ['MESH_UNKNOWN_COMMIT']);
    assert.deepEqual(await disk.enqueue(...refused), ['MESH_STORAGE', 'MESH_STORAGE']);
    // The first may be there or not: its sender knows that nobody knows.
    assert.deepEqual(
      (await disk.killed()).filter((id) => id !== during),
      [],
    );
  });

  it('once it works again, the store goes on without the failed commit, for good', async function () {
    const disk = await storeOnDisk(this);
    const [before, during, after] = [newId(), newId(), newId()];
    assert.deepEqual(await disk.enqueue(before), ['stored']);
    await disk.breakDisk();
    assert.deepEqual(await disk.enqueue(during, newId()), ['MESH_UNKNOWN_COMMIT', 'MESH_UNKNOWN_COMMIT']);
    await disk.repairDisk();
    assert.deepEqual(await disk.enqueue(after), ['stored']);
    assert.deepEqual(await disk.killed(), [before, after]);
  });
});
