/** The marks of messages that were handed over in the MESH Client's folder `in`, and when they are forgotten. */
import assert from 'node:assert/strict';
import { mkdir, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InFolder } from '../../lib/folders/in-folder';
import { emptyFolder } from '../harness/cleanup';

const HOUR = 60 * 60 * 1000;
const DAY = 24 * HOUR;
const headers = (messageId: string) => ({
  mailboxId: 'X26ABC1',
  messageId,
  messageType: 'DATA' as const,
  from: 'X26ABC2',
  to: 'X26ABC1',
  workflowId: 'WF',
  totalChunks: 1,
});

/** A folder, a process that writes to it, and clocks that the test moves. */
async function folder() {
  const root = await emptyFolder();
  const clock = { wall: 1_790_000_000_000, steady: 0 };
  const open = (): InFolder => new InFolder(root, { now: () => clock.wall, steady: () => clock.steady });
  const write = async (to: InFolder, messageId: string): Promise<boolean> =>
    (await to.write({ message: headers(messageId), payload: Buffer.from('letter') })).isNew;
  /** Lets time pass, with a message every six hours. */
  const pass = async (to: InFolder, ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 6 * HOUR) {
      clock.wall += 6 * HOUR;
      clock.steady += 6 * HOUR;
      await write(to, `T${clock.steady}`);
    }
  };
  return { root, clock, open, write, pass };
}

describe('a message that was handed over in the folder in', () => {
  it('is remembered for 31 days, and forgotten after twice that', async () => {
    const { root, open, write, pass } = await folder();
    const one = open();
    await write(one, 'M1');
    await pass(one, 31 * DAY);
    assert.equal(await write(one, 'M1'), false);
    await pass(one, 30 * DAY);
    assert.equal(await write(one, 'M1'), false);
    await pass(one, 2 * DAY);
    assert.equal(await write(one, 'M1'), true);
    const left = (await readdir(join(root, 'temp', 'in.older'))).length;
    assert.ok(left <= 31 * 4 + 4, `${left} older marks`);
  }).timeout(60_000);

  it('is not forgotten because of a wrong date, nor while no process runs', async () => {
    const { root, clock, open, write, pass } = await folder();
    await write(open(), 'M1');
    await utimes(join(root, 'temp', 'in', 'M1'), 0, 0);
    const one = open();
    for (const step of [450, -900, 450]) {
      clock.wall += step * DAY;
      await pass(one, 2 * DAY);
      assert.equal(await write(one, 'M1'), false);
    }
    for (let restart = 0; restart < 3; restart += 1) {
      clock.wall += 40 * DAY;
      clock.steady = 0;
      const next = open();
      await pass(next, DAY);
      assert.equal(await write(next, 'M1'), false);
    }
  });

  it('is completed after a kill, although its mark has become an older one', async () => {
    const { root, open, write, pass } = await folder();
    const one = open();
    await write(one, 'M1');
    // As a kill leaves it before the control file was handed over.
    await rm(join(root, 'in', 'M1.dat'));
    await rename(join(root, 'in', 'M1.ctl'), join(root, 'temp', 'in', 'M1', 'control'));
    await pass(one, 32 * DAY);
    assert.ok((await readdir(join(root, 'temp', 'in.older'))).includes('M1'));
    assert.equal(await write(one, 'M1'), true);
    assert.ok((await readdir(join(root, 'in'))).includes('M1.ctl'));
    assert.equal(await write(one, 'M1'), false);
  }).timeout(30_000);

  it('leaves somebody else’s files among the marks as they are', async () => {
    const { root, open, write, pass } = await folder();
    const one = open();
    await write(one, 'M1');
    await mkdir(join(root, 'temp', 'in', 'theirs'));
    await writeFile(join(root, 'temp', 'in', 'theirs', 'file'), 'x');
    await pass(one, 100 * DAY);
    assert.deepEqual(await readdir(join(root, 'temp', 'in.older', 'theirs')), ['file']);
    assert.equal(await write(one, `T${100 * DAY}`), false);
  }).timeout(60_000);
});
