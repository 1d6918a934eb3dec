/** One workflow cut over from a MESH Client and handed back: each message once, through kills at any point. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock';
import { cutOver } from '../../lib/cutover/cut-over';
import { handBack } from '../../lib/cutover/hand-back';
import { InvalidMessageError, openMailbox, openStorage, type DurableMailbox, type Storage } from '../../lib/index';
import { readControlFile } from '../../lib/folders/control-file';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { dropSchema, newSchema, postgresUrl } from '../harness/postgres';
import { clientRoot, clientSends, fields, putPair } from './client';
import { OFFLINE } from './offline';

const CHILD = join(__dirname, 'kill-child.ts');

async function opened(options: Parameters<typeof openStorage>[0]) {
  const storage = await openStorage(options);
  const mailbox = openMailbox({ ...OFFLINE, storage });
  const close = async (): Promise<void> => {
    await mailbox.close();
    await storage.close();
  };
  afterThisTest(close);
  return { storage, mailbox, close };
}

function back({ storage: { store, spool }, mailbox }: { storage: Storage; mailbox: DurableMailbox }, root: string) {
  const { storeKey, mailboxId } = mailbox;
  return handBack({ store, spool, clock: systemClock, mailbox: storeKey, mailboxId }, root, 'TEST_WORKFLOW');
}

const over = ({ mailbox: { outbox, mailboxId } }: { mailbox: DurableMailbox }, root: string) =>
  cutOver({ outbox, mailboxId, clock: systemClock }, root, 'TEST_WORKFLOW');

/** Writes pairs into the client's `OUT` that are old enough to be taken. */
async function waiting(root: string, names: readonly string[], more: Record<string, string> = {}): Promise<void> {
  for (const [n, name] of names.entries()) {
    await putPair(join(root, 'OUT'), name, { control: fields({ LocalId: name, ...more }), payload: `letter ${name}` });
    const then = new Date(Date.now() - 60_000 + n * 1000);
    await utimes(join(root, 'OUT', `${name}.ctl`), then, then);
  }
}

/** Runs a child that kills itself there. */
async function killed(direction: string, folder: string, root: string, at: string, nth: number): Promise<void> {
  const args = ['--require', 'tsx/cjs', CHILD, direction, folder, root, at, String(nth)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  assert.deepEqual([code, signal], [null, 'SIGKILL'], 'the point of the kill was not reached');
}

async function enqueue(
  mailbox: DurableMailbox,
  names: readonly string[],
  workflowId = 'TEST_WORKFLOW',
): Promise<string[]> {
  const ids: string[] = [];
  for (const name of names) {
    const message = { to: 'X26ABC2', workflowId, localId: name, subject: 'A letter', payload: `letter ${name}` };
    ids.push((await mailbox.outbox.enqueue(message)).message.id);
  }
  return ids;
}

describe('a workflow that is handed back', function () {
  this.timeout(240_000);

  for (const [name, place] of [
    ['SQLite', async () => ({ folder: await emptyFolder() })],
    [
      'PostgreSQL',
      async () => {
        const schema = newSchema();
        afterThisTest(() => dropSchema(schema));
        return { folder: await emptyFolder(), url: await postgresUrl(), schema };
      },
    ],
  ] as const) {
    it(`is in the client’s out as pairs, in order, and closed here, on ${name}`, async () => {
      const root = await clientRoot();
      const at = await opened(await place());
      const large = 'x'.repeat(100_000);
      const [first = '', second = ''] = await enqueue(at.mailbox, ['one', 'two']);
      await at.mailbox.outbox.enqueue({ to: 'X26ABC2', workflowId: 'TEST_WORKFLOW', localId: 'large', payload: large });
      const [other = ''] = await enqueue(at.mailbox, ['other'], 'OTHER_WORKFLOW');
      const result = await back(at, root);
      assert.deepEqual(result, { handedBack: 3, completed: 0, listed: [] });
      assert.deepEqual(
        [await at.mailbox.outbox.get(first), await at.mailbox.outbox.get(other)].map((row) => row?.state),
        ['closed', 'queued'],
      );
      const control = readControlFile(await readFile(join(root, 'OUT', `${second}.ctl`)));
      assert.deepEqual(
        ['To_DTS', 'From_DTS', 'WorkflowId', 'LocalId', 'Subject'].map((field) => control[field]),
        ['X26ABC2', 'X26ABC1', 'TEST_WORKFLOW', 'two', 'A letter'],
      );
      assert.equal(await readFile(join(root, 'OUT', `${second}.dat`), 'utf8'), 'letter two');
      assert.deepEqual((await clientSends(root)).toSorted(), ['large', 'one', 'two']);
      assert.deepEqual(await back(at, root), { handedBack: 0, completed: 0, listed: [] });
      assert.deepEqual(await readdir(join(root, 'TEMP')), []);
      await at.close();
    });
  }

  it('is sent by the client once, through a kill before each rename and around each commit', async () => {
    const points: Array<[string, number]> = [
      ...[1, 4, 5, 6, 7, 8, 9, 12].map((nth): [string, number] => ['rename', nth]),
      ['before', 1],
      ['after', 1],
      ['before', 2],
      ['after', 2],
    ];
    for (const [at, nth] of points) {
      const root = await clientRoot();
      const folder = await emptyFolder();
      const first = await opened({ folder });
      await enqueue(first.mailbox, ['one', 'two', 'three']);
      await first.close();
      await killed('handback', folder, root, at, nth);
      const sent = await clientSends(root);
      const again = await opened({ folder });
      await back(again, root);
      sent.push(...(await clientSends(root)));
      assert.deepEqual(sent.toSorted(), ['one', 'three', 'two'], `${at} ${nth}`);
      const states = (await again.mailbox.outbox.list({})).map(({ state }) => state);
      assert.deepEqual(states, ['closed', 'closed', 'closed'], `${at} ${nth}`);
      await again.close();
    }
  });

  it('leaves here, by name, what MESH may have or has in part, and what needs a decision', async () => {
    const root = await clientRoot();
    const at = await opened({ folder: await emptyFolder() });
    const ids = await enqueue(at.mailbox, ['unknown', 'parked', 'half', 'queued']);
    const { store } = at.storage;
    const [unknown = '', parked = '', half = ''] = ids;
    await store.changeOutgoing(unknown, ['queued'], { state: 'unknown' });
    await store.changeOutgoing(parked, ['queued'], { state: 'parked' });
    await store.changeOutgoing(half, ['queued'], { chunksSent: 1 });
    const { handedBack, listed } = await back(at, root);
    assert.equal(handedBack, 1);
    assert.deepEqual(
      listed.map(({ id }) => id),
      [unknown, parked, half],
    );
    assert.deepEqual(await clientSends(root), ['queued']);
  });

  it('is never sent from here, neither resent nor dropped, not even half-way', async () => {
    const root = await clientRoot();
    const folder = await emptyFolder();
    const first = await opened({ folder });
    const [id = ''] = await enqueue(first.mailbox, ['one']);
    await first.close();
    await killed('handback', folder, root, 'after', 1);
    const { mailbox, storage } = await opened({ folder });
    for (let n = 0; n < 2; n += 1) {
      for (const act of [mailbox.outbox.resend(id), mailbox.outbox.drop(id)]) {
        assert.match((await failure(InvalidMessageError, act)).message, /handed back to another client/);
      }
      const view = await mailbox.operator.message('out', id);
      assert.deepEqual(view?.message.actions, []);
      await back({ mailbox, storage }, root);
    }
  });
});

describe('a workflow that is cut over', function () {
  this.timeout(240_000);

  it('goes from the client’s out into the outbox, oldest first; other workflows stay', async () => {
    const root = await clientRoot();
    await waiting(root, ['b', 'a']);
    await waiting(root, ['other'], { WorkflowId: 'OTHER_WORKFLOW' });
    await waiting(root, ['foreign'], { From_DTS: 'Y99ABC1' });
    await writeFile(join(root, 'OUT', 'alone.ctl'), await readFile(join(root, 'OUT', 'a.ctl')));
    const at = await opened({ folder: await emptyFolder() });
    const { taken, left, exceptions } = await over(at, root);
    assert.deepEqual([taken, left], [2, 1]);
    assert.deepEqual(exceptions.map(({ name }) => name).toSorted(), ['alone', 'foreign']);
    const { store } = at.storage;
    const rows = await store.listOutgoing({ mailbox: at.mailbox.storeKey }, { limit: 9 });
    assert.deepEqual(
      rows.map(({ localId, state }) => [localId, state]),
      [
        ['b', 'queued'],
        ['a', 'queued'],
      ],
    );
    assert.deepEqual((await readdir(join(root, 'taken'))).toSorted(), ['a.ctl', 'a.dat', 'b.ctl', 'b.dat']);
  });

  it('is in the outbox once, through a kill before each rename', async () => {
    for (const nth of [1, 2, 3, 4, 5, 6, 7]) {
      const root = await clientRoot();
      const folder = await emptyFolder();
      await (await opened({ folder })).close();
      await waiting(root, ['one', 'two']);
      await killed('cutover', folder, root, 'rename', nth);
      const again = await opened({ folder });
      await over(again, root);
      const rows = await again.storage.store.listOutgoing({ mailbox: again.mailbox.storeKey }, { limit: 9 });
      assert.deepEqual(rows.map(({ localId }) => localId).toSorted(), ['one', 'two'], `rename ${nth}`);
      assert.deepEqual(await clientSends(root), []);
      await again.close();
    }
  });

  it('and handed back and cut over again is in the outbox once', async () => {
    const root = await clientRoot();
    await waiting(root, ['one', 'two']);
    const at = await opened({ folder: await emptyFolder() });
    await over(at, root);
    await back(at, root);
    const then = new Date(Date.now() - 60_000);
    for (const name of await readdir(join(root, 'OUT'))) await utimes(join(root, 'OUT', name), then, then);
    assert.equal((await over(at, root)).taken, 2);
    const queued = await at.mailbox.outbox.list({ states: ['queued'] });
    assert.equal(queued.length, 2);
  });
});
