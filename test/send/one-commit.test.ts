/** What belongs together is one commit: a kill or another change in between leaves both or neither. */
import assert from 'node:assert/strict';
import { InvalidMessageError, UnknownCommitError, type Storage } from '../../lib/index';
import { settleAcknowledgements } from '../../lib/send/settle-acknowledgement';
import type { OutgoingChange, Store } from '../../lib/store/store';
import { steppedClock } from '../harness/clocks';
import { failure } from '../harness/failure';
import { mailboxAt } from '../harness/mailboxes';
import { eventually } from '../harness/until';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';

/** The storage, whose store calls `before` with the name of each operation, first. */
function watched(storage: Storage, before: (name: keyof Store) => Promise<unknown>): Storage {
  const store = new Proxy(storage.store, {
    get(target, name: keyof Store) {
      const value: unknown = target[name];
      if (typeof value !== 'function') return value;
      return name === 'onRemoteChange' || name === 'close'
        ? value.bind(target)
        : async (...args: unknown[]) => {
            await before(name);
            return value.apply(target, args) as unknown;
          };
    },
  });
  return { ...storage, store };
}

/** An outbox that has one message in this state, and which does not send. */
async function holding(change: OutgoingChange) {
  const server = await tlsSandbox();
  const storage = await storageIn();
  const quiet = outboxAt(server, { storage });
  const { message } = await quiet.outbox.enqueue(letter());
  await storage.store.changeOutgoing(message.id, ['queued'], change);
  return { server, storage, id: message.id };
}

const ADOPTED: OutgoingChange = { state: 'accepted', messageId: 'M1', acceptedAt: 1 };

describe('two truths at once', () => {
  for (const name of ['listOutgoing', 'replaceOutgoing', 'countOutgoing'] as const) {
    it(`a message that is adopted while it is being resent (before ${name}) is not sent again`, async () => {
      const { server, storage, id } = await holding({ state: 'unknown' });
      let isAdopted = false;
      const adopt = async (called: keyof Store): Promise<void> => {
        if (called !== name || isAdopted) return;
        isAdopted = true;
        assert.ok(await storage.store.changeOutgoing(id, ['unknown'], ADOPTED));
      };
      const mailbox = outboxAt(server, { storage: watched(storage, adopt) });
      await failure(InvalidMessageError, mailbox.outbox.resend(id));
      assert.ok(isAdopted);
      assert.deepEqual(
        (await mailbox.outbox.list({})).map((each) => [each.id, each.state]),
        [[id, 'accepted']],
      );
      assert.deepEqual(mailbox.events, []);
    });
  }

  it('a resend that wins is the only one: the look-up that finds the message then changes nothing', async () => {
    const { server, storage, id } = await holding({ state: 'unknown' });
    const mailbox = outboxAt(server, { storage });
    const again = await mailbox.outbox.resend(id);
    assert.equal(await storage.store.changeOutgoing(id, ['unknown'], ADOPTED), undefined);
    const seen = (await mailbox.outbox.list({})).map((each) => [each.id, each.state]);
    assert.deepEqual(seen, [
      [id, 'closed'],
      [again.id, 'queued'],
    ]);
    const line = (await mailbox.outbox.history(id)).find(({ event }) => event === 'resent');
    assert.equal(line?.detail['by'], again.id);
  });

  it('a large payload that a hindered resend has spooled is removed again', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const { message } = await outboxAt(server, { storage }).outbox.enqueue(letter(Buffer.alloc(100_000, 'x')));
    await storage.store.changeOutgoing(message.id, ['queued'], { state: 'unknown' });
    const names: string[][] = [];
    const remove = storage.spool.remove.bind(storage.spool);
    storage.spool.remove = (removed) => {
      names.push([...removed]);
      return remove(removed);
    };
    const adopt = async (called: keyof Store): Promise<void> => {
      if (called === 'replaceOutgoing') await storage.store.changeOutgoing(message.id, ['unknown'], ADOPTED);
    };
    const mailbox = outboxAt(server, { storage: watched(storage, adopt) });
    await failure(InvalidMessageError, mailbox.outbox.resend(message.id));
    assert.equal(names.flat().length, 1);
  });

  it('an acknowledgement read again after a kill settles the same copy, not the next one', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const clock = steppedClock();
    const mailbox = outboxAt(server, { storage, clock });
    const hl7 = 'MSH|^~\\&|A|B|C|D|20260101||ADT^A01|C1|P|2.4\rPID|1\r';
    const requestedAcknowledgements = { business: true };
    const sent = [];
    for (let copy = 0; copy < 2; copy += 1) {
      const { message } = await mailbox.outbox.enqueue(letter(hl7), { requestedAcknowledgements });
      await storage.store.changeOutgoing(message.id, ['queued'], { state: 'accepted', messageId: `M${copy}` });
      sent.push(message.id);
    }
    const parts = { store: storage.store, outbox: mailbox.outbox, clock, mailbox: mailbox.storeKey };
    const ack = { form: 'hl7v2', acknowledges: 'C1', level: 'business', result: 'positive', code: 'AA' } as const;
    const settle = async (messageId: string) =>
      (await settleAcknowledgements(parts, [{ ...ack, meaning: 'accepted' }], { from: 'X26ABC2', messageId }))[0];
    const first = await settle('ACK1');
    assert.deepEqual(await settle('ACK1'), first);
    const outcomes = async () => (await mailbox.outbox.list({})).map(({ business }) => business).sort();
    assert.deepEqual(await outcomes(), ['awaited', 'positive']);
    // Another acknowledgement is for the other copy.
    assert.notDeepEqual(await settle('ACK2'), first);
    assert.deepEqual(await outcomes(), ['positive', 'positive']);
    assert.ok(sent.includes(first?.id ?? ''));
  });
});

describe('a commit of which nobody knows whether it was made', () => {
  for (const isMade of [true, false]) {
    it(`keeps the payload of a message that is ${isMade ? '' : 'not '}there, and says so`, async () => {
      const server = await tlsSandbox();
      const storage = await storageIn();
      const store = new Proxy(storage.store, {
        get(target, name: keyof Store) {
          const value: unknown = target[name];
          if (typeof value !== 'function') return value;
          if (name !== 'enqueue') return value.bind(target) as unknown;
          return async (...args: Parameters<Store['enqueue']>) => {
            if (isMade) await target.enqueue(...args);
            throw new UnknownCommitError('It is not known.');
          };
        },
      });
      const rough = outboxAt(server, { storage: { ...storage, store } });
      const payload = Buffer.alloc(100_000, 'x');
      const error = await failure(UnknownCommitError, rough.outbox.enqueue(letter(payload)));
      assert.deepEqual([error.code, error.retry], ['MESH_UNKNOWN_COMMIT', 'unsafe']);
      const id = /message (\S+) is in the outbox/.exec(error.message)?.[1] ?? '';
      assert.deepEqual(rough.events, []);
      const next = outboxAt(server, { storage });
      assert.equal((await next.outbox.get(id)) !== undefined, isMade);
      if (!isMade) return;
      // As after a restart: whole, although its enqueue failed.
      next.start();
      await next.outbox.accepted(id);
      const [sent] = server.messages();
      const bob = mailboxAt(server, { mailboxId: 'X26ABC2' });
      assert.ok((await bob.receive(sent?.messageId ?? '')).payload?.equals(payload));
    });
  }

  it('of MESH’s response, that was made, is reported once, and whoever waits for it is told', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    let failures = 2;
    const store = new Proxy(storage.store, {
      get(target, name: keyof Store) {
        const value: unknown = target[name];
        if (typeof value !== 'function') return value;
        if (name !== 'changeBatch') return value.bind(target) as unknown;
        return async (...args: Parameters<Store['changeBatch']>) => {
          const made = await target.changeBatch(...args);
          const isEnding = args[0].some(({ from }) => from.includes('sending'));
          if (isEnding && failures-- > 0) throw new UnknownCommitError('It is not known.');
          return made;
        };
      },
    });
    const clock = steppedClock();
    const mailbox = outboxAt(server, { storage: { ...storage, store }, clock });
    const { message } = await mailbox.outbox.enqueue(letter());
    mailbox.start();
    let isAccepted = false;
    const accepted = mailbox.outbox.accepted(message.id).then((now) => ((isAccepted = true), now));
    await eventually('it is told', async () => {
      clock.advance(10_000);
      return isAccepted;
    });
    assert.equal((await accepted).messageId, server.messages()[0]?.messageId);
    assert.deepEqual(mailbox.eventsOf(message.id), ['queued', 'sending', 'accepted']);
    assert.equal(server.messages().length, 1);
  });
});
