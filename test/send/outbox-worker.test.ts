import assert from 'node:assert/strict';
import { NotSentError, type DurableMailbox, type Storage } from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import { emptyFolder } from '../harness/cleanup';
import { steppedClock } from '../harness/clocks';
import { failure } from '../harness/failure';
import { gateTo, decideBefore } from '../harness/mesh-gate';
import { operations } from '../harness/mailboxes';
import { eventually, letter, outboxAt, storageIn, storageWith, tlsSandbox } from '../harness/outboxes';

const MINUTE = 60_000;

async function queue(
  mailbox: DurableMailbox,
  count: number,
  more: object = {},
  options: object = {},
): Promise<string[]> {
  const taken = await Promise.all(
    Array.from({ length: count }, (_, index) => mailbox.outbox.enqueue(letter(`letter ${index}`, more), options)),
  );
  return taken.map(({ message }) => message.id);
}

/** Local ids, which are our ids, in the order in which MESH accepted them. */
const arrived = (server: Sandbox): string[] => server.messages().map(({ localId }) => localId ?? '');

const allAccepted = (mailbox: DurableMailbox, ids: string[]): Promise<unknown> =>
  Promise.all(ids.map((id) => mailbox.outbox.accepted(id)));

/** Lets time pass until `fact` holds, a minute at a time. */
async function passTime(clock: { advance(ms: number): void }, what: string, fact: () => unknown, step = MINUTE) {
  await eventually(what, async () => {
    if (await fact()) return true;
    clock.advance(step);
    return false;
  });
}

describe('outbox: order', () => {
  it('500 messages of one recipient and workflow arrive in the order in which they were enqueued', async () => {
    const server = await tlsSandbox();
    const mailbox = outboxAt(server, { storage: await storageIn() });
    mailbox.start();
    const ids = await queue(mailbox, 500);
    await allAccepted(mailbox, ids);
    assert.deepEqual(arrived(server), ids);
  });

  /** The most that the store calls `sending` at any time, while so many messages go out. */
  async function mostSending(server: Sandbox & { ca: string }, storage: Storage, count: number): Promise<number> {
    const mailbox = outboxAt(server, { storage });
    const ids = await queue(mailbox, count);
    let most = 0;
    const looking = (async () => {
      while (arrived(server).length < ids.length) {
        const { messages } = await storage.store.countOutgoing(mailbox.storeKey);
        most = Math.max(most, messages.sending);
      }
    })();
    mailbox.start();
    await allAccepted(mailbox, ids);
    await looking;
    assert.deepEqual(arrived(server), ids);
    return most;
  }

  it('where the wire is slower than the disk, at most two messages are being sent at any time', async () => {
    const server = await tlsSandbox();
    server.fault({ operation: 'send_message', times: Infinity, effect: { kind: 'delay', ms: 60 } });
    assert.equal(await mostSending(server, await storageIn(), 60), 2);
  });

  it('where the disk is slower, several share a commit: more are being sent, and still few', async () => {
    const server = await tlsSandbox();
    const storage = await storageWith({ commitDelayMs: 30 });
    const most = await mostSending(server, storage, 150);
    const { commits } = await storage.store.statistics();
    assert.ok(most > 4 && most <= 34, `${most}`);
    assert.ok(commits < 100, `${commits} commits for 150 messages`);
  });

  for (const fast of [90, 94, 98]) {
    it(`and while number ${fast + 1} of them is long on the wire, the store hears that MESH has accepted those before it`, async () => {
      const server = await tlsSandbox();
      const storage = await storageWith({ commitDelayMs: 30 });
      server.fault({ operation: 'send_message', after: fast, times: 1, effect: { kind: 'delay', ms: 3000 } });
      const mailbox = outboxAt(server, { storage });
      await queue(mailbox, 130);
      mailbox.start();
      await eventually('all before it', () => arrived(server).length === fast);
      const accepted = async () => (await storage.store.countOutgoing(mailbox.storeKey)).messages.accepted;
      await eventually(`${fast} accepted`, async () => (await accepted()) === fast, 1500);
    });
  }

  it('also of one that was accepted while a commit was made that waited for no more', async () => {
    const server = await tlsSandbox();
    const storage = await storageWith({ commitDelayMs: 30 });
    server.fault({ operation: 'send_message', after: 90, times: 4, effect: { kind: 'delay', ms: 22 } });
    server.fault({ operation: 'send_message', after: 90, times: 1, effect: { kind: 'delay', ms: 3000 } });
    const mailbox = outboxAt(server, { storage });
    await queue(mailbox, 130);
    mailbox.start();
    await eventually('all before it', () => arrived(server).length === 94);
    const accepted = async () => (await storage.store.countOutgoing(mailbox.storeKey)).messages.accepted;
    await eventually('94 accepted', async () => (await accepted()) === 94, 1500);
  });

  for (const strictOrder of [false, true]) {
    it(`a parked message is ${strictOrder ? 'waited for' : 'overtaken'} with strictOrder ${strictOrder}`, async () => {
      const server = await tlsSandbox();
      const mailbox = outboxAt(server, { storage: await storageIn() });
      const file = `${await emptyFolder()}/letter`;
      const { writeFile, appendFile } = await import('node:fs/promises');
      await writeFile(file, 'x'.repeat(100_000));
      const first = await mailbox.outbox.enqueue(letter('', { payload: { file } }), { strictOrder });
      const [second = ''] = await queue(mailbox, 1, {}, { strictOrder });
      const [other = ''] = await queue(mailbox, 1, { to: 'X26ABC3' }, { strictOrder });
      await appendFile(file, 'changed');
      mailbox.start();
      await failure(NotSentError, mailbox.outbox.accepted(first.message.id));
      await mailbox.outbox.accepted(other);
      if (strictOrder) {
        assert.equal((await mailbox.outbox.get(second))?.state, 'queued');
        // Nobody but the drop itself wakes the worker.
        await mailbox.outbox.drop(first.message.id);
      }
      await mailbox.outbox.accepted(second);
    });
  }

  it('with strict order 50 messages go out one by one, without a pause', async () => {
    const server = await tlsSandbox();
    const mailbox = outboxAt(server, { storage: await storageIn() });
    const ids = await queue(mailbox, 50, {}, { strictOrder: true });
    mailbox.start();
    await allAccepted(mailbox, ids);
    assert.deepEqual(arrived(server), ids);
  });
});

describe('outbox: MESH is away', () => {
  it('it is knocked at ever more seldom, no message is spent, and all go in order when it is back', async () => {
    const server = await tlsSandbox();
    const gate = await gateTo(server);
    const clock = steppedClock();
    const mailbox = outboxAt(gate, { storage: await storageIn(), clock });
    gate.shut();
    const ids = await queue(mailbox, 40);
    mailbox.start();
    await eventually('a pause', () => mailbox.states.at(-1)?.paused);
    for (let minute = 0; minute < 120; minute += 1) {
      clock.advance(MINUTE);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.ok(gate.knocks() < 130, `knocked ${gate.knocks()} times in two hours`);
    assert.equal(mailbox.states.at(-1)?.waiting, 40);
    const rows = await mailbox.outbox.list({});
    assert.ok(
      rows.every(({ state, attempts }) => state === 'queued' && attempts <= 2),
      JSON.stringify(rows[0]),
    );
    gate.open();
    await passTime(clock, 'all sent', () => arrived(server).length === 40);
    assert.deepEqual(arrived(server), ids);
    await eventually('the backlog to be told', () => mailbox.states.at(-1)?.waiting === 0);
    assert.equal(mailbox.states.at(-1)?.paused, undefined);
  });

  for (const status of [503, 429]) {
    it(`${status} is waited out, in order, and blamed on no message`, async () => {
      const server = await tlsSandbox();
      const clock = steppedClock();
      const mailbox = outboxAt(server, { storage: await storageIn(), clock });
      server.fault({ operation: 'send_message', times: 10, effect: { kind: 'status', status } });
      const ids = await queue(mailbox, 10);
      mailbox.start();
      await passTime(clock, 'all sent', () => arrived(server).length === 10);
      assert.deepEqual(arrived(server), ids);
      assert.ok(!mailbox.events.some(({ event }) => event === 'set aside'));
    });
  }

  it('a wrong password pauses without spending messages; the right one goes on at once', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const wrong = outboxAt(server, { storage, password: 'wrong' });
    const ids = await queue(wrong, 5);
    wrong.start();
    await eventually('a pause', () => wrong.states.at(-1)?.paused);
    assert.equal(wrong.states.at(-1)?.paused?.error.code, 'MESH_AUTHENTICATION');
    assert.equal(operations(server).length, 1);
    await wrong.close();
    const right = outboxAt(server, { storage });
    right.start();
    await allAccepted(right, ids);
    assert.deepEqual(arrived(server), ids);
  });

  it('the pause is told until MESH takes something, also while it is tried again, and then no more', async () => {
    const server = await tlsSandbox();
    const clock = steppedClock();
    server.fault({ operation: '*', times: Infinity, effect: { kind: 'status', status: 503 } });
    const mailbox = outboxAt(server, { storage: await storageIn(), clock });
    const ids = await queue(mailbox, 2);
    mailbox.start();
    await eventually('a pause', () => mailbox.states.at(-1)?.paused);
    const from = mailbox.states.findIndex(({ paused }) => paused);
    for (let minute = 0; minute < 30; minute += 1) {
      clock.advance(MINUTE);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const since = mailbox.states.slice(from);
    assert.ok(since.length > 3 && since.every(({ paused }) => paused?.error.code === 'MESH_UNAVAILABLE'));
    server.clearFaults();
    mailbox.resumeSending();
    await allAccepted(mailbox, ids);
    await eventually('no pause', () => mailbox.states.at(-1)?.waiting === 0);
    assert.equal(mailbox.states.at(-1)?.paused, undefined);
  });

  it('an answer that is lost again and again makes few messages unknown, not the whole queue', async () => {
    const server = await tlsSandbox();
    const clock = steppedClock();
    const proxy = await decideBefore(server, () => 502);
    const mailbox = outboxAt(proxy, { storage: await storageIn(), clock });
    await queue(mailbox, 30);
    mailbox.start();
    for (let minute = 0; minute < 60; minute += 1) {
      clock.advance(MINUTE);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const { length } = await mailbox.outbox.list({ states: ['unknown'] });
    // What was on the wire, and at the most the one that was committed ahead.
    assert.ok(length === 1 || length === 2, String(length));
  });
});

describe('outbox: one message is the trouble', () => {
  for (const trouble of ['break', 500] as const) {
    it(`what only it brings about (${trouble}) does not hold up the rest, and parks it in the end`, async () => {
      const server = await tlsSandbox();
      const clock = steppedClock();
      let poison = '';
      const proxy = await decideBefore(server, ({ headers }) =>
        headers['mex-localid'] === poison && headers['mex-chunk-range'] ? trouble : 'pass',
      );
      const mailbox = outboxAt(proxy, {
        storage: await storageIn(),
        clock,
        maxRequestBytes: 50,
        chunkBytes: 50,
        compression: 'never',
      });
      const { message } = await mailbox.outbox.enqueue(letter('p'.repeat(100)));
      poison = message.id;
      const ids = await queue(mailbox, 20);
      mailbox.start();
      await passTime(clock, 'the rest', () => arrived(server).length === 20, 1000);
      assert.deepEqual(arrived(server), ids);
      // Only what others prove parks it.
      await passTime(clock, 'it is parked', async () => {
        await queue(mailbox, 1);
        return (await mailbox.outbox.get(poison))?.state === 'parked';
      });
      assert.ok(((await mailbox.outbox.get(poison))?.attempts ?? 0) >= 12);
      assert.equal((await mailbox.outbox.list({ states: ['parked'] })).length, 1);
    });
  }

  it('a rejected one is settled, and the next one goes', async () => {
    const server = await tlsSandbox();
    const mailbox = outboxAt(server, { storage: await storageIn() });
    const [bad = ''] = await queue(mailbox, 1, { to: 'X26NOBODY' });
    const [good = ''] = await queue(mailbox, 1);
    mailbox.start();
    const error = await failure(NotSentError, mailbox.outbox.accepted(bad));
    assert.equal(error.meshCode, '12');
    assert.equal((await mailbox.outbox.get(bad))?.state, 'rejected');
    await mailbox.outbox.accepted(good);
  });
});

describe('outbox: chunks', () => {
  const big = Buffer.from(Array.from({ length: 500 }, (_, index) => index % 251));
  const chunksSeen = (server: Sandbox): string[] =>
    server
      .requests()
      .flatMap(({ operation, path }) =>
        operation === 'send_message' ? ['1'] : operation === 'send_chunk' ? [path.split('/').at(-1) ?? ''] : [],
      );

  it('stopped in between, it goes on with the first chunk that was not sent', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const one = outboxAt(server, { storage, maxRequestBytes: 100, chunkBytes: 100, compression: 'never' });
    const { message } = await one.outbox.enqueue(letter(big));
    const stopped = new Promise<void>((resolve) => {
      one.outbox.onEvent(({ event, message: { chunksSent } }) => {
        if (event === 'chunk' && chunksSent === 2) resolve(one.close());
      });
    });
    one.start();
    await stopped;
    // Another size now: the plan of the first attempt holds.
    const other = outboxAt(server, { storage, maxRequestBytes: 70, chunkBytes: 70, compression: 'never' });
    other.start();
    await other.outbox.accepted(message.id);
    assert.deepEqual(chunksSeen(server), ['1', '2', '3', '4', '5']);
    assert.equal(server.messages().length, 1);
  });

  it('an upload that MESH has forgotten starts again from its first chunk', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const clock = steppedClock();
    const one = outboxAt(server, { storage, maxRequestBytes: 100, chunkBytes: 100, compression: 'never', clock });
    const { message } = await one.outbox.enqueue(letter(big));
    server.fault({ operation: 'send_chunk', effect: { kind: 'status', status: 404 } });
    one.start();
    await passTime(clock, 'accepted', async () => (await one.outbox.get(message.id))?.state === 'accepted', 1000);
    assert.deepEqual(chunksSeen(server), ['1', '2', '1', '2', '3', '4', '5']);
    assert.ok(one.eventsOf(message.id).includes('restarted'));
    assert.deepEqual(
      server.messages().map(({ status }) => status),
      ['uploading', 'accepted'],
    );
  });

  for (const effect of [
    { kind: 'drop', when: 'after' },
    { kind: 'status', status: 504, after: true },
  ] as const) {
    it(`the lost answer to the last chunk (${effect.kind}) is asked for again: 423 means accepted`, async () => {
      const server = await tlsSandbox();
      const clock = steppedClock();
      const mailbox = outboxAt(server, {
        storage: await storageIn(),
        maxRequestBytes: 100,
        chunkBytes: 100,
        compression: 'never',
        clock,
      });
      const { message } = await mailbox.outbox.enqueue(letter(big));
      server.fault({ operation: 'send_chunk', after: 3, effect });
      mailbox.start();
      await passTime(clock, 'accepted', async () => (await mailbox.outbox.get(message.id))?.state === 'accepted', 1000);
      assert.deepEqual(chunksSeen(server), ['1', '2', '3', '4', '5', '5']);
      assert.equal(server.requests().at(-1)?.status, 423);
      assert.equal(server.messages().length, 1);
    });
  }

  it('a last chunk that MESH knows nothing of any more is unknown, not sent from the start', async () => {
    const server = await tlsSandbox();
    const clock = steppedClock();
    const mailbox = outboxAt(server, {
      storage: await storageIn(),
      maxRequestBytes: 100,
      chunkBytes: 100,
      compression: 'never',
      clock,
    });
    const { message } = await mailbox.outbox.enqueue(letter(big));
    server.fault({ operation: 'send_chunk', after: 3, effect: { kind: 'drop', when: 'after' } });
    server.fault({ operation: 'send_chunk', after: 3, effect: { kind: 'status', status: 410 } });
    mailbox.start();
    await passTime(clock, 'adopted', async () => (await mailbox.outbox.get(message.id))?.state === 'accepted', 1000);
    assert.ok(mailbox.eventsOf(message.id).includes('adopted'));
    assert.equal(server.messages().length, 1);
  });
});
