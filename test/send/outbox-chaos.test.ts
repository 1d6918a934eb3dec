import assert from 'node:assert/strict';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { StorageError, type Storage } from '../../lib/index';
import type { Store } from '../../lib/store/store';
import { scaledClock, steppedClock } from '../harness/clocks';
import { mailboxAt } from '../harness/mailboxes';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { eventually } from '../harness/until';
import { size } from '../harness/size';

const MINUTE = 60_000;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The same storage, but some calls of its store fail, before or after they have taken effect. */
function failingStorage(storage: Storage, fails: (name: string) => 'before' | 'after' | undefined): Storage {
  const store = new Proxy(storage.store, {
    get(target, name: keyof Store) {
      // These do not access the disk.
      if (name === 'isShared' || name === 'id' || name === 'onRemoteChange') return target[name];
      const method = target[name] as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]): Promise<unknown> => {
        const when = fails(name);
        if (when === 'before') throw new StorageError('The disk is full.');
        const result = await method.apply(target, args);
        if (when === 'after') throw new StorageError('The disk is full.');
        return result;
      };
    },
  });
  return { ...storage, store };
}

describe('outbox: lost requests and responses, 503, a failing store', () => {
  it('many messages and restarts: each is at MESH once, or needs a decision and is not there', async function () {
    this.timeout(60_000);
    const server = await tlsSandbox();
    const storage = await storageIn();
    const clock = scaledClock(600);
    const open = () =>
      outboxAt(server, { storage, clock, maxRequestBytes: 20_000, chunkBytes: 20_000, compression: 'never' });
    let mailbox = open();
    const expected = new Map<string, string>();
    for (let count = 0; count < size(100, 300); count += 1) {
      const payload = randomBytes(count % 20 === 0 ? randomInt(20_001, 90_000) : randomInt(1, 2000));
      const { message } = await mailbox.outbox.enqueue(letter(payload));
      expected.set(message.id, sha256(payload));
    }
    for (const operation of ['send_message', 'send_chunk', 'handshake', 'tracking_by_local_id']) {
      const fault = { operation, times: Infinity, probability: 0.05 };
      server.fault({ ...fault, effect: { kind: 'drop', when: 'before' } });
      server.fault({ ...fault, effect: { kind: 'drop', when: 'after' } });
      server.fault({ ...fault, effect: { kind: 'status', status: 503 } });
    }
    for (let restarts = 0; restarts < size(7, 20); restarts += 1) {
      mailbox.start();
      await sleep(randomInt(10, 120));
      await mailbox.close();
      mailbox = open();
    }
    mailbox.start();
    await eventually(
      'every message ended',
      async () => {
        const { messages } = await storage.store.countOutgoing(mailbox.storeKey);
        const open = messages.queued + messages.sending;
        return (
          open === 0 &&
          (await mailbox.outbox.list({ states: ['unknown'] }, { limit: 1000 })).every((m) => m.needsDecision)
        );
      },
      40_000,
    );
    server.clearFaults();

    const whole = server.messages().filter(({ status }) => status !== 'uploading');
    const bob = mailboxAt(server, { mailboxId: 'X26ABC2' });
    const rows = await mailbox.outbox.list({}, { limit: 1000 });
    assert.equal(rows.length, expected.size);
    let undecided = 0;
    for (const row of rows) {
      const there = whole.filter(({ localId }) => localId === row.id);
      if (row.needsDecision) {
        undecided += 1;
        assert.equal(there.length, 0, `needs a decision, and MESH has it: ${mailbox.eventsOf(row.id).join(' ')}`);
        continue;
      }
      assert.equal(row.state, 'accepted');
      assert.deepEqual(
        there.map(({ messageId }) => messageId),
        [row.messageId],
      );
      const { payload } = await bob.receive(row.messageId ?? '');
      assert.equal(sha256(payload ?? Buffer.alloc(0)), expected.get(row.id));
    }
    // Whole messages whose request was lost before it took effect: about one in twenty.
    assert.ok(undecided < expected.size / 5, `${undecided} need a decision`);
  });

  for (const when of ['before', 'after'] as const) {
    it(`a store that fails ${when} every tenth call loses no message and sends none twice`, async function () {
      this.timeout(30_000);
      const server = await tlsSandbox();
      const storage = await storageIn();
      const clock = steppedClock();
      const reliable = outboxAt(server, { storage, clock });
      for (let count = 0; count < 100; count += 1) await reliable.outbox.enqueue(letter(`letter ${count}`));
      let calls = 0;
      const failing = outboxAt(server, {
        clock,
        storage: failingStorage(storage, () => (++calls % 10 === 0 ? when : undefined)),
      });
      failing.start();
      await eventually(
        'all sent',
        async () => {
          clock.advance(20_000);
          const left = await reliable.outbox.list({ states: ['queued', 'sending', 'unknown'] }, { limit: 1000 });
          return left.every(({ needsDecision }) => needsDecision);
        },
        25_000,
      );
      const ids = server.messages().map(({ localId }) => localId);
      assert.equal(new Set(ids).size, ids.length, 'none twice');
      // An intent that was committed and not confirmed looks like one whose sender was killed.
      const undecided = (await reliable.outbox.list({ states: ['unknown'] }, { limit: 1000 })).map(({ id }) => id);
      assert.equal(undecided.length + ids.length, 100);
      assert.ok(undecided.every((id) => !ids.includes(id)));
      assert.ok(
        when === 'before' ? undecided.length === 0 : undecided.length < 40,
        `${undecided.length} need a decision`,
      );
      assert.ok(failing.states.some(({ storeError }) => storeError?.code === 'MESH_STORAGE'));
      await eventually('no store error', () => {
        clock.advance(20_000);
        return failing.states.at(-1)?.storeError === undefined;
      });
    });
  }

  it('a message accepted while the store is full is settled once there is space, and is not sent again', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const clock = steppedClock();
    let isFull = false;
    const mailbox = outboxAt(server, {
      clock,
      storage: failingStorage(storage, () => (isFull ? 'before' : undefined)),
    });
    const { message } = await mailbox.outbox.enqueue(letter());
    server.fault({ operation: 'send_message', effect: { kind: 'delay', ms: 100 } });
    mailbox.outbox.onEvent(({ event }) => {
      if (event === 'sending') isFull = true;
    });
    mailbox.start();
    await eventually('a store error', () => mailbox.states.at(-1)?.storeError);
    assert.equal((await storage.store.getOutgoing(message.id))?.state, 'sending');
    clock.advance(MINUTE);
    isFull = false;
    clock.advance(MINUTE);
    assert.equal((await mailbox.outbox.accepted(message.id)).state, 'accepted');
    assert.equal(server.messages().length, 1);
  });
});
