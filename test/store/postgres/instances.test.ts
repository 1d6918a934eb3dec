/**
 * Several stores on one database, as several processes have them: the part of the contract that only PostgreSQL has.
 */
import assert from 'node:assert/strict';
import { ConfigurationError, StorageError } from '../../../lib/errors';
import { openPostgresStore, type PostgresStore } from '../../../lib/store/postgres/open-postgres-store';
import type { RemoteChange } from '../../../lib/store/store';
import { afterThisTest } from '../../harness/cleanup';
import { failure } from '../../harness/failure';
import { eventually } from '../../harness/until';
import { dropSchema, newSchema, onServer, postgresUrl, startPostgres } from '../../harness/postgres';
import {
  enqueued,
  ids,
  incoming,
  inState,
  MAILBOX,
  newId,
  note,
  OTHER,
  outgoing,
  received,
  T,
} from '../contract/support';

async function instances(
  count: number,
  { schema = newSchema(), ...options }: { schema?: string; patienceMs?: number } = {},
): Promise<PostgresStore[]> {
  afterThisTest(() => dropSchema(schema));
  const url = await postgresUrl();
  const open = async (): Promise<PostgresStore> => {
    const store = await openPostgresStore({ url, schema, ...options });
    afterThisTest(() => store.close());
    return store;
  };
  return Promise.all(Array.from({ length: count }, open));
}

async function two(): Promise<[PostgresStore, PostgresStore]> {
  const [one, other] = await instances(2);
  assert.ok(one && other);
  return [one, other];
}

describe('instances that share PostgreSQL', () => {
  it('see at once what another instance has committed', async () => {
    const [one, other] = await two();
    const id = await enqueued(one);
    assert.equal((await other.getOutgoing(id))?.state, 'queued');
    await other.changeOutgoing(id, ['queued'], { state: 'sending' }, note('attempt'));
    assert.equal((await one.getOutgoing(id))?.state, 'sending');
  });

  it('leave another instance’s delivery alone until its lease ends, unless that instance is gone', async () => {
    const [one, other] = await two();
    const message = incoming();
    await one.addIncoming(message, note('spooled'));
    const change = { state: 'delivered', deliveryCount: 1, leaseUntil: T + 1000 } as const;
    await one.changeIncoming(MAILBOX, message.messageId, ['spooled'], change);
    assert.deepEqual(await other.endLostDeliveries(MAILBOX, T), []);
    await one.close();
    assert.deepEqual(await other.endLostDeliveries(MAILBOX, T), [message.messageId]);
    assert.equal((await other.getIncoming(MAILBOX, message.messageId))?.leaseUntil, T);
    assert.deepEqual(await other.endLostDeliveries(MAILBOX, T), [], 'once');
  });

  it('let one instance win each of 200 raced claims, with one ledger line each', async () => {
    const stores = await instances(3);
    const [first] = stores;
    assert.ok(first);
    const raced = await Promise.all(Array.from({ length: 200 }, () => enqueued(first)));
    const claims = stores.flatMap((store) =>
      raced.map((id) => store.changeOutgoing(id, ['queued'], { state: 'sending' }, note('attempt'))),
    );
    const won = (await Promise.all(claims)).filter((row) => row !== undefined);
    assert.deepEqual(ids(won).sort(), raced.toSorted());
    assert.equal((await first.countOutgoing(MAILBOX)).messages.sending, 200);
    for (const id of raced.slice(0, 20)) assert.equal((await first.history(MAILBOX, id)).length, 2);
  });

  it('accept a key once when three race for it', async () => {
    const stores = await instances(3);
    const all = stores.flatMap((store) =>
      Array.from({ length: 30 }, () => store.enqueue(outgoing({ onceKey: 'K' }), note('queued'))),
    );
    const results = await Promise.all(all);
    assert.equal(results.filter(({ isNew }) => isNew).length, 1);
    assert.equal(new Set(results.map(({ message }) => message.id)).size, 1);
  });

  it('keep strict order and counts correct while one enqueues and another finishes', async () => {
    const [one, other] = await two();
    const messages = Array.from({ length: 150 }, () => outgoing({ strictOrder: true, id: newId() }));
    // One adds in order, the other finishes messages as they may go: one that stayed blocked would let this time out.
    const adding = (async () => {
      for (const message of messages) await one.enqueue(message, note('queued'));
    })();
    const sent: string[] = [];
    await eventually(
      'all are sent',
      async () => {
        const due = await other.nextToSend(MAILBOX, T, 2);
        assert.ok(due.length <= 1, 'strict order: one at a time');
        for (const { id } of due) {
          await other.changeOutgoing(id, ['queued'], { state: 'accepted' });
          sent.push(id);
        }
        return sent.length === messages.length;
      },
      60_000,
    );
    await adding;
    assert.deepEqual(sent, ids(messages));
    const { messages: counted } = await one.countOutgoing(MAILBOX);
    assert.deepEqual([counted.queued, counted.accepted], [0, 150]);
  }).timeout(90_000);

  it('never show a ledger line before one with a lower number', async () => {
    const stores = await instances(3);
    const [reader, ...writers] = stores;
    assert.ok(reader);
    const written = { all: false };
    const line = { time: T, mailbox: MAILBOX, direction: 'in', reference: 'R', messageId: null, detail: {} } as const;
    const writing = Promise.all(
      writers.map(async (store) => {
        for (let i = 0; i < 150; i += 1) await store.note({ ...line, event: String(i) });
      }),
    ).finally(() => (written.all = true));
    const seen: number[] = [];
    let after: string | undefined;
    do {
      const page = after === undefined ? { limit: 1000 } : { limit: 1000, after };
      const lines = await reader.ledger(MAILBOX, { from: T, to: T + 1 }, page);
      seen.push(...lines.map(({ sequence }) => sequence));
      if (lines.length > 0) after = String(seen.at(-1));
    } while (!written.all);
    await writing;
    const rest = await reader.ledger(MAILBOX, { from: T, to: T + 1 }, { limit: 1000, after: after ?? '0' });
    assert.equal(seen.length + rest.length, 300);
  }).timeout(60_000);
});

describe('leases of mailboxes', () => {
  it('belong to one instance for each mailbox and role', async () => {
    const [one, other] = await two();
    assert.equal(await one.lease(MAILBOX, 'sender', 60_000), true);
    assert.equal(await other.lease(MAILBOX, 'sender', 60_000), false);
    assert.equal(await other.lease(MAILBOX, 'poller', 60_000), true);
    assert.equal(await other.lease(OTHER, 'sender', 60_000), true);
    assert.equal(await one.lease(MAILBOX, 'sender', 60_000), true, 'extended');
  });

  it('pass to another instance once they end by the database’s clock, or when their owner closes', async () => {
    const [one, other] = await two();
    await one.lease(MAILBOX, 'sender', 300);
    assert.equal(await other.lease(MAILBOX, 'sender', 60_000), false);
    await eventually('the lease has ended', () => other.lease(MAILBOX, 'sender', 60_000));
    assert.equal(await one.lease(MAILBOX, 'sender', 60_000), false);
    await other.close();
    assert.equal(await one.lease(MAILBOX, 'sender', 60_000), true);
  });

  it('of an instance that is gone end in their time, although the database’s clock was set back by hours', async () => {
    const schema = newSchema();
    const [gone, other] = await instances(2, { schema });
    assert.ok(gone && other);
    await gone.lease(MAILBOX, 'sender', 300);
    await onServer(`UPDATE "${schema}".mailbox_lease SET until = until + interval '3 hours'`);
    assert.equal(await other.lease(MAILBOX, 'sender', 300), false, 'its owner may still count on it');
    await eventually('the lease has ended', () => other.lease(MAILBOX, 'sender', 300));
  });

  it('stay with their owner, although the database’s clock was set back by hours', async () => {
    const schema = newSchema();
    const [one, other] = await instances(2, { schema });
    assert.ok(one && other);
    await one.lease(MAILBOX, 'sender', 60_000);
    await onServer(`UPDATE "${schema}".mailbox_lease SET until = until + interval '3 hours'`);
    assert.equal(await other.lease(MAILBOX, 'sender', 60_000), false);
    assert.equal(await one.lease(MAILBOX, 'sender', 60_000), true, 'extended');
    assert.equal(await other.lease(MAILBOX, 'sender', 60_000), false);
  });

  it('are won by one of three instances that race', async () => {
    const stores = await instances(3);
    const won = await Promise.all(stores.map((store) => store.lease(MAILBOX, 'poller', 60_000)));
    assert.equal(won.filter(Boolean).length, 1);
  });
});

describe('changes of other instances', () => {
  it('are notified: enqueued, changed, done, a lease released; its own changes are not', async () => {
    const [one, other] = await two();
    const notified: RemoteChange[] = [];
    const own: RemoteChange[] = [];
    one.onRemoteChange(MAILBOX, (change) => notified.push(change));
    other.onRemoteChange(MAILBOX, (change) => own.push(change));
    const id = await enqueued(other);
    await enqueued(other, { mailbox: OTHER });
    await other.changeOutgoing(id, ['queued'], { attempts: 1 });
    await other.changeOutgoing(id, ['queued'], { state: 'accepted' });
    const messageId = await received(other, 'delivered');
    await other.changeIncoming(MAILBOX, messageId, ['delivered'], { state: 'done' });
    await other.lease(MAILBOX, 'sender', 60_000);
    await other.close();
    await eventually('all are notified', () => notified.length >= 4);
    assert.deepEqual(notified, [
      { kind: 'out', id },
      { kind: 'out', id },
      { kind: 'in', messageId },
      { kind: 'lease' },
    ]);
    assert.deepEqual(own, []);
  });

  it('are notified again after the connection broke, first that some may have been missed', async () => {
    const [one, other] = await two();
    const notified: RemoteChange[] = [];
    one.onRemoteChange(MAILBOX, (change) => notified.push(change));
    await onServer(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'nhs-mesh'`);
    await eventually('the break is notified', () => notified.some(({ kind }) => kind === 'missed'));
    const id = await enqueued(other);
    await eventually('the change is notified', () =>
      notified.some((change) => change.kind === 'out' && change.id === id),
    );
  });
});

describe('a database that cannot be reached', () => {
  const own = async (patienceMs: number) => {
    const server = await startPostgres();
    afterThisTest(() => server.remove());
    const store = await openPostgresStore({ url: server.url, patienceMs });
    afterThisTest(() => store.close());
    return { server, store };
  };

  it('fails operations with a StorageError, and work resumes by itself when it is back', async () => {
    const { server, store } = await own(300);
    const id = await enqueued(store);
    await server.end('SIGKILL');
    // Sessions of a killed server survive for a moment.
    await eventually('the database is gone', () =>
      store.countOutgoing(MAILBOX).then(
        () => false,
        () => true,
      ),
    );
    const error = await failure(StorageError, store.getOutgoing(id));
    assert.match(error.message, /database of the store cannot be reached/);
    assert.equal(error.retry, 'safe');
    await failure(StorageError, store.enqueue(outgoing(), note('queued')));
    await failure(StorageError, store.lease(MAILBOX, 'sender', 1000));
    await server.start();
    assert.equal((await store.getOutgoing(id))?.state, 'queued');
    assert.equal((await store.enqueue(outgoing(), note('queued'))).isNew, true);
  }).timeout(60_000);

  it('may restart within the patience: operations wait, and each message is stored once', async () => {
    const { server, store } = await own(30_000);
    const messages = Array.from({ length: 3000 }, () => outgoing());
    let done = 0;
    const all = Promise.all(
      messages.map(async (message, index) => {
        await new Promise((resolve) => setTimeout(resolve, Math.floor(index / 3)));
        const result = await store.enqueue(message, note('queued'));
        done += 1;
        return result.isNew;
      }),
    );
    for (const signal of ['SIGKILL', 'SIGINT', 'SIGKILL'] as const) {
      const before = done;
      await eventually('some more are stored', () => done > before + 100);
      await server.end(signal);
      await server.start();
    }
    assert.equal((await all).filter(Boolean).length, 3000, 'each is new');
    assert.equal((await store.countOutgoing(MAILBOX)).messages.queued, 3000);
    assert.equal((await store.ledger(MAILBOX, { from: 0, to: T * 2 }, { limit: 9999 })).length, 3000);
  }).timeout(120_000);

  it('fails the opening with a StorageError', async () => {
    const server = await startPostgres();
    await server.remove();
    await failure(StorageError, openPostgresStore({ url: server.url, patienceMs: 100 }));
  }).timeout(60_000);
});

describe('the URL of the store', () => {
  for (const [why, url] of [
    ['is not a PostgreSQL URL', 'mysql://user:secret-word@localhost/db'],
    ['is no URL', 'secret-word'],
    ['verifies nothing', 'postgres://user:secret-word@db.example/db?sslmode=no-verify'],
    ['may fall back to plain text', 'postgres://user:secret-word@db.example/db?sslmode=prefer'],
  ] as const) {
    it(`is refused when it ${why}, and never shown`, async () => {
      const error = await failure(ConfigurationError, openPostgresStore({ url }));
      assert.doesNotMatch(JSON.stringify([error.message, error.advice, String(error.cause)]), /secret-word/);
    });
  }
});

it('each change of a message is one commit, and many changes at once share one', async () => {
  const [store] = await instances(1);
  assert.ok(store);
  await inState(store, 'sending');
  assert.deepEqual(await store.statistics(), { commits: 2, writes: 2 });
  await Promise.all(Array.from({ length: 1000 }, () => enqueued(store)));
  const { commits, writes } = await store.statistics();
  assert.equal(writes, 1002);
  assert.ok(commits <= 12, `${commits} commits`);
});
