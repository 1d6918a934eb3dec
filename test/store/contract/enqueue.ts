import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { InvalidMessageError } from '../../../lib/errors';
import type { NewOutgoing, OutgoingChange } from '../../../lib/store/store';
import { failure } from '../../harness/failure';
import { enqueued, everyPage, ids, inState, MAILBOX, note, OTHER, outgoing, T, type UseStore } from './support';

/** The payload of a message as the store returns it. */
function ownBytes({ payload }: NewOutgoing): NewOutgoing['payload'] {
  return payload.kind === 'inline' ? { ...payload, bytes: new Uint8Array(payload.bytes) } : payload;
}

export function describeEnqueue(store: UseStore): void {
  describe('enqueue', () => {
    it('stores a message with its start values and returns it as stored', async () => {
      const given = outgoing();
      const { message, isNew } = await store().enqueue(given, note('queued'));
      assert.equal(isNew, true);
      assert.deepEqual(message, {
        ...given,
        payload: { kind: 'inline', bytes: new Uint8Array(Buffer.from('hello')) },
        state: 'queued',
        plan: null,
        chunksSent: 0,
        messageId: null,
        attempts: 0,
        nextAttemptAt: 0,
        firstAttemptAt: null,
        acceptedAt: null,
        settledAt: null,
        nextTrackAt: null,
        tracked: 0,
        error: null,
        infrastructure: 'not-asked',
        business: 'not-asked',
        collectBy: null,
        infrastructureBy: null,
        businessBy: null,
        stages: null,
        replies: 'not-asked',
        repliesRevision: 0,
        repliesBy: null,
      });
      assert.deepEqual(await store().getOutgoing(given.id), message);
    });

    it('stores the awaited outcomes and their limits', async () => {
      const asked = { infrastructure: 'awaited', business: 'awaited' } as const;
      const limits = { collectBy: T + 1, infrastructureBy: T + 2, businessBy: T + 3 };
      const { message } = await store().enqueue(outgoing({ ...asked, ...limits }), note('queued'));
      const { infrastructure, business, collectBy, infrastructureBy, businessBy } = message;
      assert.deepEqual({ infrastructure, business, collectBy, infrastructureBy, businessBy }, { ...asked, ...limits });
    });

    it('keeps texts of every script, quotes, zero characters and long envelopes', async () => {
      const text = `Ünïcödé 患者 🏥 "'\\ \u0000 \u2028 ; DROP TABLE outgoing --`;
      const changes = {
        onceKey: text,
        lane: text,
        localId: text,
        workflowId: text,
        instance: text,
        envelope: { text, long: 'x'.repeat(100_000), deep: { list: [1, null, true, [text]] } },
      };
      const id = await enqueued(store(), changes);
      const message = await store().getOutgoing(id);
      assert.deepEqual({ ...message, ...changes }, message);
      assert.deepEqual(ids(await store().listOutgoing({ onceKey: text, mailbox: MAILBOX }, { limit: 9 })), [id]);
    });

    it('keeps empty payloads and payloads of 64 KiB, byte for byte', async () => {
      for (const bytes of [Buffer.alloc(0), randomBytes(65_536), Buffer.from('pooled')]) {
        const id = await enqueued(store(), { size: bytes.length, payload: { kind: 'inline', bytes } });
        const payload = (await store().getOutgoing(id))?.payload;
        assert.ok(payload?.kind === 'inline');
        assert.ok(bytes.equals(payload.bytes));
        assert.equal(payload.bytes.buffer.byteLength, bytes.length, 'no memory but its own');
      }
    });

    it('does not change the caller’s bytes', async () => {
      const bytes = Buffer.from('mine');
      await enqueued(store(), { payload: { kind: 'inline', bytes } });
      assert.equal(bytes.toString(), 'mine');
    });

    it('keeps the place of a spooled payload and of a user’s file', async () => {
      const spooled = { kind: 'spool', name: 'ab12.gz' } as const;
      const file = { kind: 'file', path: 'C:\\Brïefe\\1.pdf', size: 1e12, mtimeMs: T + 0.123, ino: 2 ** 52 } as const;
      const digest = 'ab'.repeat(32);
      for (const payload of [spooled, file, { ...spooled, digest }, { ...file, ctimeMs: T + 0.5 }]) {
        const id = await enqueued(store(), { payload });
        assert.deepEqual((await store().getOutgoing(id))?.payload, payload);
      }
    });

    it('keeps the digest of a payload with it, and removes it with it', async () => {
      const payload = { kind: 'inline', bytes: new Uint8Array(Buffer.from('hello')), digest: 'cd'.repeat(32) } as const;
      const id = await enqueued(store(), { payload });
      assert.deepEqual((await store().getOutgoing(id))?.payload, payload);
      await store().changeOutgoing(id, ['queued'], { payload: null });
      assert.equal((await store().getOutgoing(id))?.payload, null);
      await store().changeOutgoing(id, ['queued'], { payload: { kind: 'inline', bytes: payload.bytes } });
      const { bytes } = payload;
      assert.deepEqual((await store().getOutgoing(id))?.payload, { kind: 'inline', bytes });
    });

    it('refuses an id that is already there, and changes nothing', async () => {
      const id = await enqueued(store());
      await failure(InvalidMessageError, store().enqueue(outgoing({ id, workflowId: 'OTHER' }), note('queued')));
      assert.equal((await store().getOutgoing(id))?.workflowId, 'WORKFLOW_1');
      assert.equal((await store().history(MAILBOX, id)).length, 1);
    });

    it('returns the first message with a key for every repeat, and adds nothing', async () => {
      const first = await enqueued(store(), { onceKey: 'MSH-10' });
      await store().changeOutgoing(first, ['queued'], { state: 'accepted', messageId: 'M1' }, note('accepted'));
      const repeat = outgoing({ onceKey: 'MSH-10' });
      const { message, isNew } = await store().enqueue(repeat, note('queued'));
      assert.deepEqual([isNew, message.id, message.state, message.messageId], [false, first, 'accepted', 'M1']);
      assert.equal(await store().getOutgoing(repeat.id), undefined);
      assert.deepEqual(await store().history(MAILBOX, repeat.id), []);
      assert.equal((await store().listOutgoing({ mailbox: MAILBOX }, { limit: 9 })).length, 1);
    });

    it('accepts a key once in each mailbox, and any number of messages without a key', async () => {
      for (const mailbox of [MAILBOX, OTHER]) {
        assert.equal((await store().enqueue(outgoing({ mailbox, onceKey: 'K' }), note('queued'))).isNew, true);
        for (let i = 0; i < 3; i += 1) {
          assert.equal((await store().enqueue(outgoing({ mailbox }), note('queued'))).isNew, true);
        }
      }
      assert.equal((await store().listOutgoing({ onceKey: 'K' }, { limit: 9 })).length, 2);
    });

    it('writes a line about another message in the same commit, only if the message is added', async () => {
      const also = {
        direction: 'in',
        reference: 'M1',
        messageId: 'M1',
        event: 'answered',
        time: T,
        detail: {},
      } as const;
      for (const onceKey of ['A', 'A', 'B']) await store().enqueue(outgoing({ onceKey }), note('queued'), also);
      const lines = await store().history(MAILBOX, 'M1');
      assert.deepEqual(
        lines.map(({ direction, event }) => [direction, event]),
        [
          ['in', 'answered'],
          ['in', 'answered'],
        ],
      );
    });

    it('accepts a key once when a hundred calls race for it', async () => {
      const results = await Promise.all(
        Array.from({ length: 100 }, () => store().enqueue(outgoing({ onceKey: 'raced' }), note('queued'))),
      );
      assert.equal(results.filter(({ isNew }) => isNew).length, 1);
      assert.equal(new Set(results.map(({ message }) => message.id)).size, 1);
    });

    it('of many at once adds each that can be added, in the order of the calls', async () => {
      const there = await enqueued(store());
      const impossible = { localId: null } as unknown as { localId: string };
      const given = Array.from({ length: 200 }, (_, i) =>
        outgoing({
          mailbox: i % 3 === 0 ? OTHER : MAILBOX,
          onceKey: i % 10 === 7 ? 'shared' : `own ${i}`,
          payload: i % 4 === 0 ? { kind: 'spool', name: `name-${i}` } : { kind: 'inline', bytes: randomBytes(i) },
          ...(i === 20 && { id: there }),
          ...(i === 40 && impossible),
        }),
      );
      const again = given.with(101, outgoing({ id: given[100]?.id ?? '', onceKey: 'own 101' }));
      const also = { direction: 'in', messageId: null, event: 'answered', time: T, detail: {} } as const;
      const results = await Promise.allSettled(
        again.map((message, i) =>
          store().enqueue(message, note('queued'), i === 50 ? { ...also, reference: 'answered' } : undefined),
        ),
      );
      const first = (mailbox: string): string | undefined =>
        again.find((message) => message.onceKey === 'shared' && message.mailbox === mailbox)?.id;
      const added = again.filter(({ id, mailbox, onceKey }, i) => {
        const [result, isRefused] = [results[i], i === 20 || i === 40 || i === 101];
        assert.equal(result?.status, isRefused ? 'rejected' : 'fulfilled', `message ${i}`);
        if (result?.status === 'rejected') {
          if (i !== 40) assert.ok(result.reason instanceof InvalidMessageError, `message ${i}`);
          return false;
        }
        const isNew = onceKey !== 'shared' || id === first(mailbox);
        assert.deepEqual([result?.value.isNew, result?.value.message.id], [isNew, isNew ? id : first(mailbox)]);
        return isNew;
      });
      for (const mailbox of [MAILBOX, OTHER]) {
        const own = added.filter((message) => message.mailbox === mailbox);
        const before = mailbox === MAILBOX ? [there] : [];
        const listed = await store().listOutgoing({ mailbox }, { limit: 999 });
        assert.deepEqual(ids(listed), [...before, ...ids(own)]);
        const lines = await store().ledger(mailbox, { from: 0, to: T + 1 }, { limit: 999 });
        const about = own.flatMap(({ id }) => (id === again[50]?.id ? [id, 'answered'] : [id]));
        assert.deepEqual(
          lines.map(({ reference }) => reference),
          [...before, ...about],
        );
        assert.equal((await store().countOutgoing(mailbox)).messages.queued, listed.length);
      }
      for (const message of added)
        assert.deepEqual((await store().getOutgoing(message.id))?.payload, ownBytes(message));
    }).timeout(20_000);

    it('accepts 10,000 messages at once', async () => {
      const messages = Array.from({ length: 10_000 }, () => outgoing());
      await Promise.all(messages.map((message) => store().enqueue(message, note('queued'))));
      assert.equal((await store().countOutgoing(MAILBOX)).messages.queued, 10_000);
      const pages = await everyPage(
        997,
        (row: { id: string }) => row.id,
        (page) => store().listOutgoing({ mailbox: MAILBOX }, page),
      );
      assert.deepEqual(ids(pages.flat()), ids(messages));
    }).timeout(60_000);
  });

  describe('getOutgoing', () => {
    it('returns undefined for an unknown id', async () =>
      assert.equal(await store().getOutgoing('no such'), undefined));
  });

  describe('changeBatch', () => {
    const note = { event: 'changed', time: T };

    it('makes several changes, each with its line in the ledger', async () => {
      const [one, other] = [await enqueued(store()), await enqueued(store())];
      const changed = await store().changeBatch([
        { id: one, from: ['queued'], change: { state: 'accepted', messageId: 'M9' }, note },
        { id: other, from: ['queued'], change: { state: 'sending', attempts: 1 }, note },
      ]);
      assert.deepEqual(changed, [true, true]);
      const [first, second] = [await store().getOutgoing(one), await store().getOutgoing(other)];
      assert.deepEqual([first?.state, first?.messageId], ['accepted', 'M9']);
      assert.deepEqual([second?.state, second?.attempts], ['sending', 1]);
      assert.notEqual(second?.payload, null);
      const [line] = (await store().history(MAILBOX, 'M9')).slice(-1);
      assert.deepEqual([line?.event, line?.reference, line?.messageId], ['changed', one, 'M9']);
      assert.equal((await store().history(MAILBOX, other)).at(-1)?.event, 'changed');
    });

    it('returns false for a message in another state, and changes the others', async () => {
      const [one, other] = [await enqueued(store()), await enqueued(store())];
      const changed = await store().changeBatch([
        { id: one, from: ['sending'], change: { state: 'accepted' }, note },
        { id: other, from: ['queued'], change: { state: 'sending' }, note },
      ]);
      assert.deepEqual(changed, [false, true]);
      assert.equal((await store().getOutgoing(one))?.state, 'queued');
      assert.equal((await store().getOutgoing(other))?.state, 'sending');
    });

    it('changes nothing when a later attempt than the named one has begun', async () => {
      const id = await enqueued(store());
      await store().changeOutgoing(id, ['queued'], { state: 'sending', attempts: 2 });
      const change = { state: 'accepted' } as const;
      assert.deepEqual(await store().changeBatch([{ id, from: ['sending'], attempt: 1, change, note }]), [false]);
      assert.deepEqual(await store().changeBatch([{ id, from: ['sending'], attempt: 2, change, note }]), [true]);
      assert.equal((await store().getOutgoing(id))?.state, 'accepted');
    });

    it('makes no change when one fails', async () => {
      const [one, other] = [await enqueued(store()), await enqueued(store())];
      const impossible = { state: null } as unknown as OutgoingChange;
      await assert.rejects(
        store().changeBatch([
          { id: one, from: ['queued'], change: { state: 'accepted' }, note },
          { id: other, from: ['queued'], change: impossible, note },
        ]),
      );
      assert.equal((await store().getOutgoing(one))?.state, 'queued');
    });
  });

  describe('replaceOutgoing', () => {
    /** A message that needs a decision, and the change that a resend makes of it. */
    async function parked() {
      const id = await inState(store(), 'parked');
      const change = { state: 'closed', settledAt: T } as const;
      return { id, from: ['parked'] as const, change, note: note('resent') };
    }

    it('changes one message and adds the other, with a line for each', async () => {
      const replaced = await parked();
      const message = outgoing({ resendOf: replaced.id, onceKey: 'K' });
      const done = await store().replaceOutgoing(replaced, message, note('queued'));
      assert.deepEqual([done?.isNew, done?.message.id, done?.message.state], [true, message.id, 'queued']);
      assert.deepEqual(done?.message, await store().getOutgoing(message.id));
      assert.deepEqual(done?.replaced, await store().getOutgoing(replaced.id));
      assert.deepEqual([done?.replaced?.state, done?.replaced?.payload?.kind], ['closed', 'inline']);
      const events = async (id: string) => (await store().history(MAILBOX, id)).map(({ event }) => event);
      assert.deepEqual([await events(replaced.id), await events(message.id)], [['queued', 'resent'], ['queued']]);
      const { messages } = await store().countOutgoing(MAILBOX);
      assert.deepEqual([messages.queued, messages.closed, messages.parked], [1, 1, 0]);
    });

    it('does neither if the old message is in another state, has another outcome, or is not there', async () => {
      const replaced = await parked();
      const wrong = [
        { ...replaced, from: ['unknown'] as const },
        { ...replaced, from: [] },
        { ...replaced, outcomes: { business: ['negative'] as const } },
        { ...replaced, id: 'no such' },
      ];
      for (const one of wrong) {
        const message = outgoing();
        assert.equal(await store().replaceOutgoing(one, message, note('queued')), undefined);
        assert.equal(await store().getOutgoing(message.id), undefined);
        assert.deepEqual(await store().history(MAILBOX, message.id), []);
      }
      assert.equal((await store().getOutgoing(replaced.id))?.state, 'parked');
      assert.equal((await store().history(MAILBOX, replaced.id)).length, 1);
    });

    it('returns the first message with the key, and leaves the old one as it is', async () => {
      const first = await enqueued(store(), { onceKey: 'K' });
      const replaced = await parked();
      const done = await store().replaceOutgoing(replaced, outgoing({ onceKey: 'K' }), note('queued'));
      assert.deepEqual([done?.isNew, done?.message.id, done?.replaced], [false, first, undefined]);
      assert.equal((await store().getOutgoing(replaced.id))?.state, 'parked');
    });

    it('beside a change of the old message, one of the two wins', async () => {
      for (let round = 0; round < 20; round += 1) {
        const replaced = await parked();
        const message = outgoing();
        const adopt = () => store().changeOutgoing(replaced.id, ['parked'], { state: 'accepted' });
        const replace = () => store().replaceOutgoing(replaced, message, note('queued'));
        const done = await Promise.all(round % 2 === 0 ? [adopt(), replace()] : [replace(), adopt()]);
        assert.equal(done.filter(Boolean).length, 1);
        const isAdded = (await store().getOutgoing(message.id)) !== undefined;
        assert.equal((await store().getOutgoing(replaced.id))?.state, isAdded ? 'closed' : 'accepted');
      }
    });

    it('with strict order, the message behind the old one waits for the one that takes its place', async () => {
      const strict = { strictOrder: true, lane: 'L' };
      const id = await enqueued(store(), strict);
      await store().changeOutgoing(id, ['queued'], { state: 'parked' });
      const message = outgoing(strict);
      const change = { state: 'closed' } as const;
      await store().replaceOutgoing({ id, from: ['parked'], change, note: note('resent') }, message, note('queued'));
      const behind = await enqueued(store(), strict);
      assert.deepEqual(ids(await store().nextToSend(MAILBOX, T, 9)), [message.id]);
      await store().changeOutgoing(message.id, ['queued'], { state: 'accepted' });
      assert.deepEqual(ids(await store().nextToSend(MAILBOX, T, 9)), [behind]);
    });
  });

  describe('changeOutgoing', () => {
    it('changes every changeable field', async () => {
      const id = await enqueued(store());
      const change: OutgoingChange = {
        state: 'accepted',
        payload: { kind: 'spool', name: 'n' },
        plan: { encoding: 'gzip', level: 3, chunkBytes: 1000, totalChunks: 3, checksum: 'ab' },
        chunksSent: 3,
        messageId: 'M1',
        attempts: 2,
        nextAttemptAt: T + 1,
        firstAttemptAt: T + 2,
        acceptedAt: T + 3,
        settledAt: T + 4,
        nextTrackAt: T + 5,
        tracked: 7,
        error: { code: 'C', message: 'm', advice: 'a', meshCode: '12', event: 'SEND', description: 'd' },
        infrastructure: 'positive',
        business: 'partial',
        collectBy: T + 6,
        infrastructureBy: T + 7,
        businessBy: T + 8,
      };
      const changed = await store().changeOutgoing(id, ['queued'], change, note('accepted'));
      assert.deepEqual({ ...changed, ...change }, changed);
      assert.deepEqual(await store().getOutgoing(id), changed);
    });

    it('keeps every field that the change does not name, the payload too', async () => {
      const id = await inState(store(), 'sending', { attempts: 1, messageId: 'M1' });
      const changed = await store().changeOutgoing(id, ['sending'], { state: 'accepted' });
      assert.deepEqual([changed?.attempts, changed?.messageId, changed?.payload?.kind], [1, 'M1', 'inline']);
    });

    it('sets fields to null', async () => {
      const id = await inState(store(), 'sending', { messageId: 'M1', error: { code: 'C', message: 'm' } });
      const changed = await store().changeOutgoing(id, ['sending'], { messageId: null, error: null, payload: null });
      assert.deepEqual([changed?.messageId, changed?.error, changed?.payload], [null, null, null]);
    });

    it('replaces a payload with one of any kind', async () => {
      const id = await enqueued(store());
      for (const payload of [
        { kind: 'inline', bytes: new Uint8Array([1, 2]) },
        { kind: 'spool', name: 'n' },
        { kind: 'inline', bytes: new Uint8Array([3]) },
        null,
      ] as const) {
        assert.deepEqual((await store().changeOutgoing(id, ['queued'], { payload }))?.payload, payload);
        assert.deepEqual((await store().getOutgoing(id))?.payload, payload);
      }
    });

    it('changes nothing, in the ledger neither, in a state that is not named, or for an unknown id', async () => {
      const id = await inState(store(), 'accepted');
      const before = await store().getOutgoing(id);
      const change = { state: 'rejected' } as const;
      assert.equal(await store().changeOutgoing(id, ['queued', 'sending'], change, note('rejected')), undefined);
      assert.equal(await store().changeOutgoing(id, [], change, note('rejected')), undefined);
      assert.equal(await store().changeOutgoing('no such', ['queued'], change, note('rejected')), undefined);
      assert.deepEqual(await store().getOutgoing(id), before);
      assert.deepEqual(
        (await store().history(MAILBOX, id)).map(({ event }) => event),
        ['queued'],
      );
    });

    it('lets one of fifty racing transitions win, with one ledger line', async () => {
      const id = await enqueued(store());
      const results = await Promise.all(
        Array.from({ length: 50 }, () =>
          store().changeOutgoing(id, ['queued'], { state: 'sending' }, note('attempt', T + 1)),
        ),
      );
      assert.equal(results.filter((row) => row !== undefined).length, 1);
      assert.equal((await store().history(MAILBOX, id)).length, 2);
    });

    it('sees the effect of earlier calls, awaited or not', async () => {
      const message = outgoing();
      const results = await Promise.all([
        store().enqueue(message, note('queued')),
        store().changeOutgoing(message.id, ['queued'], { state: 'sending' }),
        store().getOutgoing(message.id),
        store().changeOutgoing(message.id, ['sending'], { state: 'accepted' }),
        store().getOutgoing(message.id),
      ]);
      assert.deepEqual(
        results.slice(1).map((row) => (row && 'state' in row ? row.state : undefined)),
        ['sending', 'sending', 'accepted', 'accepted'],
      );
    });
  });
}
