import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Ending } from '../../lib/send/attempt';
import { MAX_AHEAD, SendMarks, SLOTS, type Comparison } from '../../lib/send/send-marks';
import type { Outgoing } from '../../lib/store/store';
import { emptyFolder } from '../harness/cleanup';

/** The store that the marks are about, as it is when they are renewed. */
const STORE = { generation: 'G1', commits: 7, begun: 0 };
const row = (id: string, attempts = 1): Outgoing => ({ id, attempts }) as Outgoing;
const ACCEPTED: Ending = { change: { state: 'accepted', messageId: 'M1' }, event: 'accepted' };
const RETRY: Ending = { change: { state: 'queued' }, event: 'retry' };
const UNKNOWN: Ending = { change: { state: 'unknown' }, event: 'unknown' };

/** Marks as a kill leaves them: of messages that were begun, accepted, refused and lost. */
async function left() {
  const folder = await emptyFolder();
  const marks = await SendMarks.open(folder, 'mailbox');
  await marks.renew(STORE);
  for (const [id, ending] of [['begun'], ['accepted', ACCEPTED], ['free', RETRY], ['lost', UNKNOWN]] as const) {
    marks.begun(row(id), 1000);
    if (ending) marks.ended(row(id), ending, 2000);
  }
  await marks.close();
  const [name = ''] = await readdir(folder);
  return { folder, path: join(folder, name) };
}

/** Changes what the head of the file says. */
async function changeHead(path: string, change: object): Promise<void> {
  const written = await readFile(path);
  const head = JSON.stringify({ ...JSON.parse(written.toString('utf8', 0, 256).trimEnd().slice(0, -8)), ...change });
  written.fill(' ', 0, 256);
  written.write(`${head}${crc32(head).toString(16).padStart(8, '0')}`);
  await writeFile(path, written);
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
    await changeHead(path, { boot: 'another start' });
    assert.deepEqual(await opened(folder), {
      begun: 'begun',
      accepted: 'accepted',
      free: 'free',
      lost: 'begun',
      other: undefined,
      nextAttempt: undefined,
    });
  });

  for (const [what, stored] of [
    ['does not have a message', undefined],
    ['knows an earlier attempt only', row('begun', 0)],
  ] as const) {
    it(`beside a store that ${what}, it is forgotten, and a missing mark means nothing`, async () => {
      const { folder } = await left();
      const marks = await SendMarks.open(folder, 'mailbox');
      const found = await marks.compare(STORE, async (id) => (id === 'begun' ? stored : row(id)));
      assert.equal(found.isStoreBehind, true);
      assert.deepEqual(
        found.forgotten.map(({ mark, row: known }) => [mark.id, mark.is, known?.attempts]),
        [['begun', 'begun', stored?.attempts]],
      );
      assert.equal(found.isMoreForgotten, false);
      assert.equal(marks.of(row('other')), undefined);
      assert.equal((marks.of(row('accepted')) as { is: string }).is, 'accepted');
      await marks.close();
    });
  }

  it('beside the store that they are about, also one commit later, nothing is forgotten', async () => {
    for (const commits of [STORE.commits, STORE.commits + 1]) {
      const { folder } = await left();
      const marks = await SendMarks.open(folder, 'mailbox');
      // A kill between a commit's number in the marks and the commit.
      if (commits > STORE.commits) marks.committing();
      const found = await marks.compare(STORE, async (id) => row(id));
      assert.deepEqual(found, { isStoreBehind: false, forgotten: [], isMoreForgotten: false });
      assert.equal(marks.of(row('other')), 'not begun');
      await marks.close();
    }
  });

  it('of a store of another generation none is believed, and none is forgotten', async () => {
    const { folder } = await left();
    const marks = await SendMarks.open(folder, 'mailbox');
    const found = await marks.compare({ ...STORE, generation: 'G2' }, async () => undefined);
    assert.deepEqual(found, { isStoreBehind: false, forgotten: [], isMoreForgotten: false });
    for (const id of ['begun', 'accepted', 'free', 'other']) assert.equal(marks.of(row(id)), undefined);
    await marks.renew({ ...STORE, generation: 'G2' });
    assert.equal(marks.of(row('other')), 'not begun');
    await marks.close();
  });

  it('that are behind the store, because their disk was lost, do not show that nothing was begun', async () => {
    const { folder } = await left();
    const marks = await SendMarks.open(folder, 'mailbox');
    const found = await marks.compare({ ...STORE, commits: STORE.commits + 1 }, async (id) => row(id));
    assert.equal(found.isStoreBehind, false);
    assert.equal(marks.of(row('other')), undefined);
    assert.equal((marks.of(row('accepted')) as { is: string }).is, 'accepted');
    await marks.close();
  });

  it('a store that is behind by more commits than the one that was being made has forgotten something', async () => {
    const { folder } = await left();
    const marks = await SendMarks.open(folder, 'mailbox');
    const found = await marks.compare({ ...STORE, commits: STORE.commits - 2 }, async (id) => row(id));
    assert.deepEqual(found, { isStoreBehind: true, forgotten: [], isMoreForgotten: false });
    assert.equal(marks.of(row('other')), undefined);
    await marks.close();
  });

  it('more attempts than there are marks may be forgotten; those that the store knows are not', async () => {
    const folder = await emptyFolder();
    const first = await SendMarks.open(folder, 'mailbox');
    await first.renew(STORE);
    for (let count = 0; count < SLOTS + 10; count += 1) first.begun(row(`m${count}`), 1);
    await first.close();
    const compare = async (begun: number): Promise<Comparison> => {
      const marks = await SendMarks.open(folder, 'mailbox');
      const found = await marks.compare({ ...STORE, begun }, async () => undefined);
      await marks.close();
      return found;
    };
    assert.deepEqual([(await compare(0)).forgotten.length, (await compare(0)).isMoreForgotten], [SLOTS, true]);
    const known = await compare(10);
    assert.deepEqual([known.forgotten.length, known.isMoreForgotten], [SLOTS, false]);
    const all = await compare(SLOTS + 10);
    assert.deepEqual([all.forgotten.length, all.isStoreBehind], [0, false]);
  });

  it('count on when they are renewed: a store from before that has forgotten more than they know', async () => {
    const { folder } = await left();
    const marks = await SendMarks.open(folder, 'mailbox');
    await marks.compare(STORE, async (id) => row(id));
    await marks.renew({ ...STORE, commits: STORE.commits + 5 });
    await marks.close();
    const again = await SendMarks.open(folder, 'mailbox');
    const found = await again.compare(STORE, async (id) => row(id));
    assert.deepEqual([found.isStoreBehind, found.isMoreForgotten], [true, true]);
    await again.close();
  });

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
    await marks.renew(STORE);
    assert.equal(marks.of(row('one')), 'not begun');
    await marks.close();
    assert.equal((await opened(folder))['other'], 'not begun');
  });

  it('of several attempts at a message the last one counts, wherever its mark is', async () => {
    const folder = await emptyFolder();
    const marks = await SendMarks.open(folder, 'mailbox');
    await marks.renew(STORE);
    // The slots wrap around: the second attempt's mark is in a slot before the first attempt's.
    const last = SLOTS + 7;
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
    await marks.renew(STORE);
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

  it('of another form are not believed', async () => {
    const { folder, path } = await left();
    await changeHead(path, { version: 2 });
    for (const each of Object.values(await opened(folder))) assert.equal(each, undefined);
  });

  it('an ending is in the file by the next turn of the event loop, or when the next attempt begins', async () => {
    const folder = await emptyFolder();
    const marks = await SendMarks.open(folder, 'mailbox');
    await marks.renew(STORE);
    const written = async (id: string): Promise<unknown> => {
      const again = await SendMarks.open(folder, 'mailbox');
      const found = again.of(row(id));
      await again.close();
      return typeof found === 'object' ? found.is : found;
    };
    // More than there are slots, so that the marks of an ending and the next beginning are not always adjacent.
    for (let count = 0; count < SLOTS + 6; count += 1) {
      marks.begun(row(`m${count}`), 1);
      const isAtTheEdge = count < 6 || count > SLOTS - 6;
      if (isAtTheEdge && count > 0)
        assert.equal(await written(`m${count - 1}`), 'accepted', `m${count - 1}, before its turn has ended`);
      if (isAtTheEdge) assert.equal(await written(`m${count}`), 'begun');
      marks.ended(row(`m${count}`), ACCEPTED, 2);
    }
    await new Promise(setImmediate);
    assert.equal(await written(`m${SLOTS + 5}`), 'accepted');
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
    await marks.renew(STORE);
    for (let count = 0; count < SLOTS + 36; count += 1) {
      marks.begun(row(`m${count}`), 1);
      marks.settled(row(`m${count}`));
    }
    await marks.close();
    const again = await SendMarks.open(folder, 'mailbox');
    assert.equal((again.of(row(`m${SLOTS + 35}`)) as { is: string }).is, 'begun');
    assert.equal((again.of(row('m70')) as { is: string }).is, 'begun');
    await again.close();
  });
});
