import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Ending } from '../../lib/send/attempt';
import { MAX_AHEAD, SendMarks } from '../../lib/send/send-marks';
import type { Outgoing } from '../../lib/store/store';
import { emptyFolder } from '../harness/cleanup';

const SINCE = 500;
const row = (id: string, attempts = 1, firstAttemptAt = 1000): Outgoing =>
  ({ id, attempts, firstAttemptAt }) as Outgoing;
const ACCEPTED: Ending = { change: { state: 'accepted', messageId: 'M1' }, event: 'accepted' };
const RETRY: Ending = { change: { state: 'queued' }, event: 'retry' };
const UNKNOWN: Ending = { change: { state: 'unknown' }, event: 'unknown' };

/** Marks as a kill leaves them: of messages that were begun, accepted, refused and lost. */
async function left() {
  const folder = await emptyFolder();
  const marks = await SendMarks.open(folder, 'mailbox');
  await marks.renew(SINCE);
  for (const [id, ending] of [['begun'], ['accepted', ACCEPTED], ['free', RETRY], ['lost', UNKNOWN]] as const) {
    marks.begun(row(id), 1000);
    if (ending) marks.ended(row(id), ending, 2000);
  }
  await marks.close();
  const [name = ''] = await readdir(folder);
  return { folder, path: join(folder, name) };
}

async function opened(folder: string): Promise<Record<string, unknown>> {
  const marks = await SendMarks.open(folder, 'mailbox');
  const is = (id: string, attempts = 1): unknown => {
    const found = marks.of(row(id, attempts));
    return typeof found === 'object' ? found.is : found;
  };
  const all = {
    begun: is('begun'),
    accepted: is('accepted'),
    free: is('free'),
    lost: is('lost'),
    other: is('other'),
    nextAttempt: is('begun', 2),
  };
  await marks.close();
  return all;
}

describe('send marks', () => {
  it('after a kill they show what was begun, how MESH responded, and that nothing else was begun', async () => {
    const { folder } = await left();
    assert.deepEqual(await opened(folder), {
      begun: 'begun',
      accepted: 'accepted',
      free: 'free',
      lost: 'begun',
      other: 'not begun',
      nextAttempt: 'not begun',
    });
  });

  it('after a restart of the machine, a missing mark means nothing', async () => {
    const { folder, path } = await left();
    const written = await readFile(path);
    const whole = Buffer.concat([Buffer.alloc(256, ' '), written.subarray(256)]);
    await writeFile(path, whole);
    assert.deepEqual(await opened(folder), {
      begun: 'begun',
      accepted: 'accepted',
      free: 'free',
      lost: 'begun',
      other: undefined,
      nextAttempt: undefined,
    });
  });

  it('for a message first tried before they were renewed, a missing mark means nothing', async () => {
    const { folder } = await left();
    const marks = await SendMarks.open(folder, 'mailbox');
    assert.equal(marks.of(row('other', 1, SINCE)), 'not begun');
    assert.equal(marks.of(row('other', 2, SINCE - 1)), undefined);
    await marks.close();
  });

  for (const [what, stored] of [
    ['does not have a message', undefined],
    ['knows an earlier attempt only', row('begun', 0)],
  ] as const) {
    it(`beside a store that ${what}, so that an older copy was restored, a missing mark means nothing`, async () => {
      const { folder } = await left();
      const marks = await SendMarks.open(folder, 'mailbox');
      await marks.compare(async (id) => (id === 'begun' ? stored : row(id)));
      assert.equal(marks.of(row('other')), undefined);
      assert.equal((marks.of(row('accepted')) as { is: string }).is, 'accepted');
      await marks.close();
    });
  }

  it('a broken mark may have been any message’s', async () => {
    const { folder, path } = await left();
    const written = await readFile(path);
    // Slot 0 is the head, and the first mark is in slot 2.
    written[2 * 256 + 40] = 0x21;
    await writeFile(path, written);
    const { begun, other, accepted } = await opened(folder);
    assert.deepEqual({ begun, other, accepted }, { begun: undefined, other: undefined, accepted: 'accepted' });
  });

  it('in a new folder they show nothing until they are renewed, and then that nothing was begun', async () => {
    const folder = await emptyFolder();
    const marks = await SendMarks.open(folder, 'mailbox');
    assert.equal(marks.of(row('one')), undefined);
    await marks.renew(SINCE);
    assert.equal(marks.of(row('one')), 'not begun');
    await marks.close();
    assert.equal((await opened(folder))['other'], 'not begun');
  });

  it('of several attempts at a message the last one counts, wherever its mark is', async () => {
    const folder = await emptyFolder();
    const marks = await SendMarks.open(folder, 'mailbox');
    await marks.renew(SINCE);
    // The slots wrap around: the second attempt's mark is in a slot before the first attempt's.
    const last = 2 * MAX_AHEAD + 7;
    for (let count = 0; count <= last; count += 1) {
      if (count === last - 19) marks.begun(row('one', 1), 1);
      else marks.begun(row(count === last ? 'one' : `m${count}`, count === last ? 2 : 1), 1);
    }
    await marks.close();
    const again = await SendMarks.open(folder, 'mailbox');
    assert.equal((again.of(row('one', 2)) as { is: string }).is, 'begun');
    await again.close();
  });

  it('have room for all messages that may be begun before the store settles the first', async () => {
    const folder = await emptyFolder();
    const marks = await SendMarks.open(folder, 'mailbox');
    await marks.renew(SINCE);
    const ids = Array.from({ length: MAX_AHEAD + 1 }, (_, count) => `m${count}`);
    for (const id of ids) marks.begun(row(id), 1);
    await marks.close();
    const again = await SendMarks.open(folder, 'mailbox');
    assert.deepEqual(
      ids.filter((id) => again.of(row(id)) === 'not begun'),
      [],
    );
    await again.close();
  });

  it('of version 1, which has half as many slots, are understood', async () => {
    const { folder, path } = await left();
    const written = await readFile(path);
    const head = JSON.stringify({ ...JSON.parse(written.toString('utf8', 0, 256).trimEnd().slice(0, -8)), version: 1 });
    written.fill(' ', 0, 256);
    written.write(`${head}${crc32(head).toString(16).padStart(8, '0')}`);
    await writeFile(path, written.subarray(0, 33 * 256));
    const { begun, accepted, other } = await opened(folder);
    assert.deepEqual({ begun, accepted, other }, { begun: 'begun', accepted: 'accepted', other: 'not begun' });
  });

  it('an ending is in the file by the next turn of the event loop, or when the next attempt begins', async () => {
    const folder = await emptyFolder();
    const marks = await SendMarks.open(folder, 'mailbox');
    await marks.renew(SINCE);
    const written = async (id: string): Promise<unknown> => {
      const again = await SendMarks.open(folder, 'mailbox');
      const found = again.of(row(id));
      await again.close();
      return typeof found === 'object' ? found.is : found;
    };
    // More than there are slots, so that the marks of an ending and the next beginning are not always adjacent.
    for (let count = 0; count < 70; count += 1) {
      marks.begun(row(`m${count}`), 1);
      if (count > 0)
        assert.equal(await written(`m${count - 1}`), 'accepted', `m${count - 1}, before its turn has ended`);
      assert.equal(await written(`m${count}`), 'begun');
      marks.ended(row(`m${count}`), ACCEPTED, 2);
    }
    await new Promise(setImmediate);
    assert.equal(await written('m69'), 'accepted');
    await marks.close();
  });

  it('their file is for its owner only, and names no mailbox', async () => {
    const { path } = await left();
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.ok(!path.includes('mailbox'));
  });

  it('after more messages than there are slots, the last ones are known', async () => {
    const folder = await emptyFolder();
    const marks = await SendMarks.open(folder, 'mailbox');
    await marks.renew(SINCE);
    for (let count = 0; count < 100; count += 1) {
      marks.begun(row(`m${count}`), 1);
      marks.settled(row(`m${count}`));
    }
    await marks.close();
    const again = await SendMarks.open(folder, 'mailbox');
    assert.equal((again.of(row('m99')) as { is: string }).is, 'begun');
    assert.equal((again.of(row('m70')) as { is: string }).is, 'begun');
    await again.close();
  });
});
