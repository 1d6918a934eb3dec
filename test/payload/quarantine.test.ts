import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Quarantine, QUARANTINE_MS } from '../../lib/payload/quarantine';
import { emptyFolder } from '../harness/cleanup';

const A = `out-${'a'.repeat(32)}`;
const HOUR = 60 * 60 * 1000;
const DAY = 24 * HOUR;

/** A quarantine with one file, and clocks that the test moves. */
async function quarantined() {
  const folder = await emptyFolder();
  await writeFile(join(folder, A), 'x');
  const clock = { wall: 1_790_000_000_000, steady: 0 };
  const open = (): Quarantine => new Quarantine(folder, { now: () => clock.wall, steady: () => clock.steady });
  const first = open();
  await first.take([A]);
  const pass = async (ms: number, by: readonly Quarantine[]): Promise<void> => {
    for (let at = 0; at < ms; at += HOUR) {
      clock.wall += HOUR;
      clock.steady += HOUR;
      for (const each of by) await each.age();
    }
  };
  const files = async (): Promise<string[]> =>
    (await readdir(folder, { recursive: true })).filter((name) => name.includes(A));
  return { folder, clock, open, first, pass, files };
}

describe('the quarantine of a spool folder', () => {
  it('keeps a file for seven days, and deletes it then', async () => {
    const { first, pass, files } = await quarantined();
    await pass(QUARANTINE_MS - HOUR, [first]);
    assert.equal((await files()).length, 1);
    await pass(HOUR, [first]);
    assert.deepEqual(await files(), []);
  });

  it('deletes nothing because of a wrong date: only time that has passed while a process ran counts', async () => {
    const { clock, open, pass, first, files } = await quarantined();
    await pass(6 * DAY, [first]);
    clock.wall += 450 * DAY;
    await first.age();
    clock.wall -= 900 * DAY;
    await first.age();
    clock.wall += 450 * DAY;
    const restarted = open();
    await restarted.age();
    await pass(DAY - 2 * HOUR, [restarted]);
    assert.equal((await files()).length, 1);
    await pass(3 * HOUR, [restarted]);
    assert.deepEqual(await files(), []);
  });

  it('counts an hour once, although two processes of one store do', async () => {
    const { open, pass, first, files } = await quarantined();
    await pass(QUARANTINE_MS - DAY, [first, open()]);
    assert.equal((await files()).length, 1);
  });

  it('deletes no file of somebody else’s that is put there', async () => {
    const { folder, pass, first, files } = await quarantined();
    const [name = ''] = await files();
    const part = join(folder, name, '..');
    await writeFile(join(part, 'notes.txt'), 'x');
    await pass(QUARANTINE_MS, [first]);
    assert.deepEqual(await readdir(part), ['notes.txt']);
  });
});
