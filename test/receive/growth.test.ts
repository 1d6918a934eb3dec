/** A full inbox may not become slower with each message. */
import assert from 'node:assert/strict';
import type { Mailbox } from '../../lib/index';
import { InboxBook } from '../../lib/receive/inbox-book';
import { consumer, idle, pollerOf } from '../support/consumer';

/** A mailbox that costs nothing, so that only the poller's own work is seen. */
function costless(messageIds: string[]): Mailbox {
  const never = (): never => assert.fail('not asked for');
  return {
    mailboxId: `FAKE${messageIds.length}`,
    url: 'https://fake.invalid',
    listInbox: async () => ({ messageIds }),
    head: async (messageId) => headers(messageId),
    receive: async (messageId) => ({ message: headers(messageId), payload: Buffer.alloc(1), bytes: 1, sha256: '' }),
    acknowledge: async () => undefined,
    handshake: never,
    inboxMessageIds: never,
    send: never,
    track: never,
    trackByLocalId: never,
    lookup: never,
    searchWorkflow: never,
    close: async () => undefined,
  };
}

const headers = (messageId: string): Awaited<ReturnType<Mailbox['head']>> => ({
  mailboxId: 'FAKE',
  messageId,
  messageType: 'DATA',
  from: '',
  to: '',
  workflowId: 'W',
  totalChunks: 1,
});

const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => `M${index}`);

/** Milliseconds per message. */
async function drain(count: number, workflows: string[]): Promise<number> {
  const one = consumer({ acknowledge: 'after-delivery', maxInFlight: 10, workflows });
  const poller = pollerOf({ mailbox: costless(ids(count)) });
  poller.add(one);
  const began = performance.now();
  poller.poll();
  await idle(one, 15_000);
  assert.equal(one.deliveries.length, count);
  return (performance.now() - began) / count;
}

describe('a full inbox', () => {
  for (const [how, workflows] of [
    ['to one consumer', []],
    ['split by workflow', ['W']],
  ] as const) {
    it(`of 20,000 messages, ${how}, takes about as long for each as one of 2,000`, async () => {
      await drain(500, [...workflows]);
      const few = await drain(2000, [...workflows]);
      const many = await drain(20_000, [...workflows]);
      // Ten times as long is what quadratic work would take.
      assert.ok(many < few * 5 + 0.05, `${few} ms, then ${many} ms for each`);
    });
  }

  it('of 200,000 ids takes the book about as long for each as one of 20,000', () => {
    empty(1000);
    const few = empty(20_000);
    const many = empty(200_000);
    assert.ok(many < few * 5 + 0.005, `${few} ms, then ${many} ms for each`);
  });
});

/** Keeps so many ids in a book and takes them out again; milliseconds for each. */
function empty(count: number): number {
  const book = new InboxBook();
  const one = consumer({ maxInFlight: 10 });
  const began = performance.now();
  book.listed(new Set(ids(count)));
  for (let entry = book.nextUnrouted(); entry; entry = book.nextUnrouted()) book.assign(entry, one);
  assert.equal(book.counts(one).waiting, count);
  for (let next = book.next([one]); next; next = book.next([one])) {
    book.move(next.entry, 'in-flight');
    book.acknowledged(next.entry.messageId);
  }
  assert.equal(book.size, 0);
  return (performance.now() - began) / count;
}
