/** How often the disk is asked for its free bytes. */
import { strict as assert } from 'node:assert';
import { setImmediate as soon } from 'node:timers/promises';
import { DiskSpace } from '../../lib/payload/disk-space';

const MIB = 1024 ** 2;
const GIB = 1024 * MIB;

describe('the free bytes of a disk', () => {
  let asked = 0;
  let free = 10 * GIB;
  const space = (): DiskSpace =>
    new DiskSpace(async () => {
      asked += 1;
      await soon();
      return free;
    });
  beforeEach(() => {
    asked = 0;
    free = 10 * GIB;
  });

  it('are asked for once by a thousand messages that come at the same moment, and each gets its own answer', async () => {
    const disk = space();
    const answers = await Promise.all(
      Array.from({ length: 1000 }, async (_, i) => disk.has(i === 0 ? 20 * GIB : 2000)),
    );
    assert.equal(asked, 1);
    assert.deepEqual([answers[0], answers.slice(1).every(Boolean)], [false, true]);
    assert.equal(disk.has(2000), true);
    assert.equal(asked, 1);
  });

  it('are asked for each time near the limit', async () => {
    const disk = space();
    free = GIB / 2 + 100 * MIB;
    assert.equal(await disk.has(50 * MIB), true);
    assert.equal(await disk.has(200 * MIB), false);
    assert.equal(asked, 2);
    free = GIB / 2;
    assert.equal(await disk.has(1000), false);
    assert.equal(asked, 3);
  });

  it('are asked for again after a question that failed', async () => {
    let fails = true;
    const disk = new DiskSpace(async () => {
      if (fails) throw new Error('EIO');
      return free;
    });
    await assert.rejects(async () => disk.has(1), /EIO/);
    fails = false;
    assert.equal(await disk.has(1), true);
  });
});
