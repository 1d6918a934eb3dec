import assert from 'node:assert/strict';
import { NotSentError, type DurableMailbox, type Storage } from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import { emptyFolder } from '../harness/cleanup';
import { steppedClock } from '../harness/clocks';
import { failure } from '../harness/failure';
import { gateTo, interceptingProxy } from '../harness/mesh-gate';
import { operations, type Address } from '../harness/mailboxes';
import { letter, outboxAt, storageIn, storageWith, tlsSandbox } from '../harness/outboxes';
import { eventually } from '../harness/until';

const MINUTE = 60_000;

async function queue(
  mailbox: DurableMailbox,
  count: number,
  more: object = {},
  options: object = {},
): Promise<string[]> {
  const queued = await Promise.all(
    Array.from({ length: count }, (_, index) => mailbox.outbox.enqueue(letter(`letter ${index}`, more), options)),
  );
  return queued.map(({ message }) => message.id);
}

/** Local ids (which are the outbox's ids) in the order in which MESH accepted them. */
const arrived = (server: Sandbox): string[] => server.messages().map(({ localId }) => localId ?? '');

const allAccepted = (mailbox: DurableMailbox, ids: string[]): Promise<unknown> =>
  Promise.all(ids.map((id) => mailbox.outbox.accepted(id)));

/** Lets time pass until `fact` holds, one `step` (milliseconds) at a time. */
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

  /** Returns the maximum number of `sending` messages while `count` messages go out, by way of `address`. */
  async function maxSending(server: Sandbox, storage: Storage, count: number, address: Address): Promise<number> {
    const mailbox = outboxAt(address, { storage });
    const ids = await queue(mailbox, count);
    let maximum = 0;
    const observing = (async () => {
      while (arrived(server).length < ids.length) {
        const { messages } = await storage.store.countOutgoing(mailbox.storeKey);
        maximum = Math.max(maximum, messages.sending);
      }
    })();
    mailbox.start();
    await allAccepted(mailbox, ids);
    await observing;
    assert.deepEqual(arrived(server), ids);
    return maximum;
  }

  it('where the wire is slower than the disk, at most two messages are `sending` at any time', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const count = 60;
    const { store } = storage;
    let [committed, committing] = [0, 0];
    const changeBatch: Storage['store']['changeBatch'] = async (transitions, progress) => {
      committing += 1;
      const made = await store.changeBatch(transitions, progress);
      committed += transitions.filter(({ change }) => change.state === 'sending').length;
      committing -= 1;
      return made;
    };
    let onTheWire = 0;
    // However slow the disk is, the wire is slower: MESH gets a message once the intent of the next one is committed.
    const wire = await interceptingProxy(server, async () => {
      onTheWire += 1;
      const next = Math.min(onTheWire + 1, count);
      await eventually('the next intent', () => committed >= next && committing === 0);
      return 'pass' as const;
    });
    assert.equal(await maxSending(server, { ...storage, store: { ...store, changeBatch } }, count, wire), 2);
  });

  it('where the disk is slower, several messages share a commit: more are `sending`, but few', async () => {
    const server = await tlsSandbox();
    const storage = await storageWith({ commitDelayMs: 30 });
    const maximum = await maxSending(server, storage, 150, server);
    const { commits } = await storage.store.statistics();
    assert.ok(maximum > 4 && maximum <= 34, `${maximum}`);
    assert.ok(commits < 100, `${commits} commits for 150 messages`);
  });

  for (const fast of [90, 94, 98]) {
    it(`while number ${fast + 1} takes long on the wire, those before it are settled in the store`, async () => {
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

  it('the same holds for a message accepted during a commit that did not wait for more', async () => {
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
        // Only the drop wakes the worker.
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

describe('outbox: MESH is unavailable', () => {
  it('it is tried less and less often, no message is lost, and all go out in order when it is back', async () => {
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
    assert.ok(gate.attempts() < 130, `${gate.attempts()} connections were tried in two hours`);
    assert.equal(mailbox.states.at(-1)?.waiting, 40);
    const rows = await mailbox.outbox.list({});
    assert.ok(
      rows.every(({ state, attempts }) => state === 'queued' && attempts <= 2),
      JSON.stringify(rows[0]),
    );
    gate.open();
    await passTime(clock, 'all sent', () => arrived(server).length === 40);
    assert.deepEqual(arrived(server), ids);
    await eventually('an empty backlog', () => mailbox.states.at(-1)?.waiting === 0);
    assert.equal(mailbox.states.at(-1)?.paused, undefined);
  });

  for (const status of [503, 429]) {
    it(`${status} is waited out, in order, and makes no message a poison message`, async () => {
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

  it('a wrong password pauses the sending after one attempt; with the right one it continues at once', async () => {
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

  it('the pause is reported until MESH accepts a message, also during retries, and not after that', async () => {
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

  it('responses that are lost again and again make few messages unknown, not the whole queue', async () => {
    const server = await tlsSandbox();
    const clock = steppedClock();
    const proxy = await interceptingProxy(server, () => 502);
    const mailbox = outboxAt(proxy, { storage: await storageIn(), clock });
    await queue(mailbox, 30);
    mailbox.start();
    for (let minute = 0; minute < 60; minute += 1) {
      clock.advance(MINUTE);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const { length } = await mailbox.outbox.list({ states: ['unknown'] });
    // The message on the wire, and at most the one whose intent was committed ahead.
    assert.ok(length === 1 || length === 2, String(length));
  });
});

describe('outbox: a poison message', () => {
  for (const trouble of ['break', 500] as const) {
    it(`that alone fails (${trouble}) does not hold up the rest, and is parked in the end`, async () => {
      const server = await tlsSandbox();
      const clock = steppedClock();
      let poison = '';
      const proxy = await interceptingProxy(server, ({ headers }) =>
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
      // It is parked only while other messages go out.
      await passTime(clock, 'it is parked', async () => {
        await queue(mailbox, 1);
        return (await mailbox.outbox.get(poison))?.state === 'parked';
      });
      assert.ok(((await mailbox.outbox.get(poison))?.attempts ?? 0) >= 12);
      assert.equal((await mailbox.outbox.list({ states: ['parked'] })).length, 1);
    });
  }

  it('that MESH rejects is settled, and the next one goes out', async () => {
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

  it('after a stop, the upload continues with the first chunk that was not sent', async () => {
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
    // The chunk size is different now: the plan of the first attempt holds.
    const other = outboxAt(server, { storage, maxRequestBytes: 70, chunkBytes: 70, compression: 'never' });
    other.start();
    await other.outbox.accepted(message.id);
    assert.deepEqual(chunksSeen(server), ['1', '2', '3', '4', '5']);
    assert.equal(server.messages().length, 1);
  });

  it('an upload that MESH has forgotten restarts from its first chunk', async () => {
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
    it(`a last chunk whose response is lost (${effect.kind}) is sent again: 423 means accepted`, async () => {
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

  it('an upload that MESH has forgotten at its last chunk is unknown, and does not restart', async () => {
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
