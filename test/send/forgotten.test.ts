/**
 * Stores and send marks that do not belong together any more: a lost write-ahead log, a backup or older marks put back,
 * a store copied away and back. Nothing is sent twice, and what only the marks know needs a decision.
 */
import assert from 'node:assert/strict';
import { copyFile, cp, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock';
import type { DurableMailbox, Storage } from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import { InterruptedMessages } from '../../lib/send/interrupted-messages';
import { openSqliteStore } from '../../lib/store/sqlite/open-sqlite-store';
import type { SendPlan } from '../../lib/store/store';
import { openPostgresStore } from '../../lib/store/postgres/open-postgres-store';
import { copyStore } from '../../lib/store/tools/copy-store';
import { postgresSide, type Side, sqliteSide } from '../../lib/store/tools/side';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { steppedClock } from '../harness/clocks';
import { mailboxAt } from '../harness/mailboxes';
import { dropSchema, newSchema, postgresUrl } from '../harness/postgres';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { eventually } from '../harness/until';
import { inState, MAILBOX } from '../store/contract/support';

const DATABASE = ['mesh.db', 'mesh.db-wal'];

/** Copies a store as a kill would leave it: the files of a process that has not closed them. */
async function copyOf(folder: string, names: readonly string[] = [...DATABASE, 'sending']): Promise<string> {
  const to = await emptyFolder();
  for (const name of names) await cp(join(folder, name), join(to, name), { recursive: true });
  return to;
}

/** Sends this many letters one after the other; returns their ids. */
async function send(mailbox: DurableMailbox, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i += 1) ids.push((await mailbox.outbox.enqueue(letter(`letter ${i}`))).message.id);
  await Promise.all(ids.map((id) => mailbox.outbox.accepted(id)));
  return ids;
}

/** Starts an outbox on the storage of a folder, with a clock that the test moves on until every message is settled. */
async function startOn(server: Sandbox & { ca: string }, folder: string, setBackMs = 0) {
  const clock = steppedClock((ms) => server.clock.advance(ms));
  clock.step(-setBackMs);
  const storage: Storage = await storageIn(folder);
  const mailbox = outboxAt(server, { storage, clock });
  mailbox.start();
  const settled = (): Promise<unknown> =>
    eventually('every message accepted, or in need of a decision', async (): Promise<boolean> => {
      clock.advance(60_000);
      await clock.settled();
      const all = await mailbox.outbox.list({}, { limit: 10_000 });
      const isSettled = all.every(({ state, needsDecision }) => state === 'accepted' || needsDecision);
      // The marks are renewed when the messages of before are settled.
      return isSettled && mailbox.states.length > 0;
    });
  return { storage, mailbox, clock, settled };
}

/** A store with messages of each mailbox that were queued when its backup was made, and how to put that back. */
async function backedUp(mailboxIds: readonly string[] = ['X26ABC1']) {
  const server = await tlsSandbox();
  const folder = await emptyFolder();
  /** Starts the mailboxes, after these calls, while MESH is away. */
  const tryInVain = async (first = async (_mailbox: DurableMailbox): Promise<void> => undefined): Promise<void> => {
    server.fault({ operation: '*', times: Infinity, effect: { kind: 'status', status: 503 } });
    const storage = await storageIn(folder);
    for (const mailboxId of mailboxIds) {
      const mailbox = outboxAt(server, { storage, mailboxId });
      await first(mailbox);
      mailbox.start();
      await eventually('paused', () => mailbox.states.some(({ paused }) => paused !== undefined));
      await mailbox.close();
    }
    await storage.close();
    server.clearFaults();
  };
  const ids: string[] = [];
  // The marks are made, and nothing is sent before the backup.
  await tryInVain(async (mailbox) => {
    for (let i = 0; i < 5; i += 1) ids.push((await mailbox.outbox.enqueue(letter(`letter ${i}`))).message.id);
  });
  const backup = await copyOf(folder, ['mesh.db']);
  const putBack = async (): Promise<void> => {
    await rm(join(folder, 'mesh.db-wal'), { force: true });
    await copyFile(join(backup, 'mesh.db'), join(folder, 'mesh.db'));
  };
  return { server, folder, ids, putBack, tryInVain };
}

/** Runs until everything is sent, and this many more letters. */
async function sendAll(server: Sandbox & { ca: string }, folder: string, more: number, mailboxIds = ['X26ABC1']) {
  const storage = await storageIn(folder);
  for (const mailboxId of mailboxIds) {
    const clock = steppedClock((ms) => server.clock.advance(ms));
    const mailbox = outboxAt(server, { storage, clock, mailboxId });
    mailbox.start();
    await eventually('all sent', async () => {
      clock.advance(60_000);
      const all = await mailbox.outbox.list({}, { limit: 1000 });
      return all.every(({ state, needsDecision }) => state === 'accepted' || needsDecision);
    });
    await send(mailbox, more);
    await mailbox.close();
  }
  await storage.close();
}

const sentIds = (server: Sandbox): string[] => server.messages().map(({ localId }) => localId ?? '');

function assertOnce(server: Sandbox): void {
  const sent = sentIds(server);
  assert.deepEqual(
    sent.filter((id, at) => sent.indexOf(id) !== at),
    [],
    'sent twice',
  );
}

describe('a store that has forgotten what its send marks remember', () => {
  for (const loss of ['lost', 'truncated', 'cut off in the middle'] as const) {
    it(`its write-ahead log is ${loss}: nothing is sent twice, and each lost message needs a decision`, async () => {
      const server = await tlsSandbox();
      const folder = await emptyFolder();
      const first = await startOn(server, folder);
      const ids = await send(first.mailbox, 30);
      // As a kill leaves it, with messages on their way.
      server.fault({ operation: 'send_message', times: 1, effect: { kind: 'delay', ms: 60_000 } });
      const { message } = await first.mailbox.outbox.enqueue(letter('on the wire'));
      await eventually('on its way', () => first.mailbox.eventsOf(message.id).includes('sending'));
      const killed = await copyOf(folder);
      const log = join(killed, 'mesh.db-wal');
      if (loss === 'lost') await rm(log);
      else if (loss === 'truncated') await truncate(log, 0);
      else await truncate(log, Math.floor((await stat(log)).size / 2));
      server.clearFaults();

      const before = sentIds(server);
      const { storage, mailbox, settled } = await startOn(server, killed);
      const seen = async () => await mailbox.outbox.list({}, { limit: 1000 });
      await eventually('every message that was begun is shown', async () => (await seen()).length >= ids.length);
      await settled();
      assert.deepEqual(
        sentIds(server).filter((id) => id !== message.id),
        before.filter((id) => id !== message.id),
      );
      assertOnce(server);
      const shown = await seen();
      for (const id of ids) {
        const one = shown.find((each) => each.id === id);
        const at = server.messages().find(({ localId }) => localId === id);
        assert.equal(one?.messageId, at?.messageId, 'MESH’s id is known');
        assert.ok(one?.state === 'accepted' || one?.needsDecision, `${one?.state}`);
      }
      const lost = shown.find(({ id }) => id === ids.at(-1));
      assert.equal(lost?.error?.code, 'MESH_FORGOTTEN');
      assert.match(lost.error.message, /lost this message.*had accepted it as .* \(\d{4}-/);
      assert.ok(mailbox.eventsOf(lost.id).includes('held'));
      const { forgotten } = mailbox.traffic();
      assert.ok(forgotten > 0);
      assert.equal(mailbox.health().storeBehind?.messages, forgotten, 'a condition for a day');
      const [line] = await mailbox.outbox.history(lost.id);
      assert.deepEqual([line?.event, line?.detail], ['held', { forgotten: true }]);
      // A person may close it; there is nothing left to send.
      await assert.rejects(mailbox.outbox.resend(lost.id), { code: 'MESH_PAYLOAD' });
      assert.equal((await mailbox.outbox.drop(lost.id)).state, 'closed');
      await mailbox.close();
      await storage.close();
      // Its marks and the store agree now; that they did not is shown until the day is over.
      const { mailbox: restarted } = await startOn(server, killed);
      await eventually('it is shown again', () => restarted.health().storeBehind?.messages === forgotten);
    }).timeout(60_000);
  }

  it('a backup from before some restarts: what was queued in it may have been sent, and is looked up', async () => {
    const { server, folder, ids, putBack } = await backedUp();
    for (let restart = 0; restart < 3; restart += 1) await sendAll(server, folder, restart < 2 ? 3 : 0);
    await putBack();
    const before = sentIds(server);
    const { mailbox, settled } = await startOn(server, folder);
    await settled();
    assert.deepEqual(sentIds(server), before);
    for (const id of ids) assert.equal((await mailbox.outbox.get(id))?.state, 'accepted');
    assert.ok(ids.every((id) => mailbox.eventsOf(id).includes('adopted')));
    // From now on it is a store of its own, whose new messages are sent.
    await send(mailbox, 1);
    assertOnce(server);
  }).timeout(60_000);

  it('the same backup put back once more: nothing is sent twice, whatever the store did in between', async () => {
    const { server, folder, ids, putBack } = await backedUp();
    for (let time = 0; time < 3; time += 1) {
      await sendAll(server, folder, 1);
      await putBack();
    }
    const { mailbox, settled } = await startOn(server, folder);
    await settled();
    assertOnce(server);
    for (const id of ids) assert.equal((await mailbox.outbox.get(id))?.state, 'accepted');
  }).timeout(60_000);

  it('the store that a backup had replaced, put back after all: what the backup has sent is looked up', async () => {
    const { server, folder, ids, putBack, tryInVain } = await backedUp();
    for (let restart = 0; restart < 6; restart += 1) await tryInVain();
    const replaced = await copyOf(folder, ['mesh.db']);
    await putBack();
    await sendAll(server, folder, 0);
    await rm(join(folder, 'mesh.db-wal'), { force: true });
    await copyFile(join(replaced, 'mesh.db'), join(folder, 'mesh.db'));
    const { mailbox, settled } = await startOn(server, folder);
    await settled();
    assertOnce(server);
    for (const id of ids) assert.equal((await mailbox.outbox.get(id))?.state, 'accepted');
  }).timeout(60_000);

  it('a message that was being sent in chunks when a backup was made: MESH may have all of it, and it is looked up', async () => {
    const store = await openSqliteStore({ folder: await emptyFolder() });
    afterThisTest(() => store.close());
    const plan: SendPlan = { encoding: 'identity', level: 0, chunkBytes: 100, totalChunks: 3 };
    const id = await inState(store, 'sending', { attempts: 1, plan });
    const interrupted = new InterruptedMessages({ store, mailbox: MAILBOX, clock: systemClock }, 0);
    for (const [isStoreBehind, state] of [
      [true, 'unknown'],
      [false, 'queued'],
    ] as const) {
      for await (const { row, ending } of interrupted.due(undefined, isStoreBehind))
        assert.deepEqual([row.id, ending.change.state], [id, state]);
    }
  });

  it('a backup of a store with two mailboxes: neither sends a message twice', async () => {
    const mailboxIds = ['X26ABC1', 'X26ABC2'];
    const { server, folder, ids, putBack } = await backedUp(mailboxIds);
    await sendAll(server, folder, 0, mailboxIds);
    await putBack();
    const { storage, mailbox, clock, settled } = await startOn(server, folder);
    await settled();
    // It comes second, when the first one has dealt with its own.
    const other = outboxAt(server, { storage, clock, mailboxId: 'X26ABC2' });
    other.start();
    const isAccepted = async (id: string): Promise<boolean> => {
      clock.advance(60_000);
      return ((await mailbox.outbox.get(id)) ?? (await other.outbox.get(id)))?.state === 'accepted';
    };
    for (const id of ids) await eventually('accepted', () => isAccepted(id));
    assertOnce(server);
  }).timeout(60_000);
});

describe('send marks that are not about this store', () => {
  /** A message that is `sending` in the store of a folder, and marks that know nothing of it. */
  async function interrupted() {
    const server = await tlsSandbox();
    const folder = await emptyFolder();
    const { mailbox } = await startOn(server, folder);
    await send(mailbox, 2);
    const marks = await copyOf(folder, ['sending']);
    server.fault({ operation: 'send_message', times: 1, effect: { kind: 'delay', ms: 2000 } });
    const { message } = await mailbox.outbox.enqueue(letter('on the wire'));
    await eventually('on its way', () => mailbox.eventsOf(message.id).includes('sending'));
    const killed = await copyOf(folder);
    await mailbox.outbox.accepted(message.id);
    return { server, killed, marks, id: message.id };
  }

  it('a backup made before the start that looked up the message on the wire: it is not sent again, whatever the clock', async () => {
    const { server, killed, id } = await interrupted();
    const backup = await copyOf(killed, DATABASE);
    // As a power cut leaves it.
    await rm(join(killed, 'sending'), { recursive: true });
    const first = await startOn(server, killed, 60 * 60_000);
    await first.settled();
    await first.mailbox.close();
    await first.storage.close();
    await rm(join(killed, 'mesh.db-wal'), { force: true });
    await cp(backup, killed, { recursive: true });
    const { mailbox, settled } = await startOn(server, killed, 60 * 60_000);
    await settled();
    assert.equal((await mailbox.outbox.get(id))?.state, 'accepted');
    assertOnce(server);
  }).timeout(60_000);

  it('older marks, as a lost volume leaves them: the message on the wire is unknown, and not sent again', async () => {
    const { server, killed, marks, id } = await interrupted();
    await cp(join(marks, 'sending'), join(killed, 'sending'), { recursive: true, force: true });
    const { mailbox, settled } = await startOn(server, killed);
    await settled();
    assertOnce(server);
    assert.ok(!mailbox.eventsOf(id).includes('not begun'));
    assert.equal((await mailbox.outbox.get(id))?.state, 'accepted');
  }).timeout(60_000);

  it('a store copied to PostgreSQL and back beside its old marks: what was being sent there is unknown', async () => {
    const server = await tlsSandbox();
    const folder = await emptyFolder();
    const first = await startOn(server, folder);
    await send(first.mailbox, 2);
    await first.mailbox.close();
    const { message } = await outboxAt(server, { storage: first.storage }).outbox.enqueue(letter());
    await first.storage.close();
    const schema = newSchema();
    afterThisTest(() => dropSchema(schema));
    const url = await postgresUrl();
    const copy = async (from: Side, to: Side): Promise<void> => {
      await copyStore({ from, to, fromSpool: undefined, toSpool: undefined, report: () => undefined });
      await from.close();
      await to.close();
    };
    await copy(await sqliteSide(folder), await postgresSide(url, schema));
    // Only its marks are left behind.
    for (const name of [...DATABASE, 'spool']) await rm(join(folder, name), { recursive: true, force: true });
    // Sent from there, and killed before MESH's response: the marks of the first store know nothing of it.
    const there = await openPostgresStore({ url, schema });
    const intent = { state: 'sending', attempts: 1, firstAttemptAt: Date.now() } as const;
    assert.ok(await there.changeOutgoing(message.id, ['queued'], intent));
    await there.close();
    await mailboxAt(server).send(letter('letter', { localId: message.id }));
    await copy(await postgresSide(url, schema), await sqliteSide(folder));
    const { mailbox, settled, storage } = await startOn(server, folder);
    await eventually('recovered', () => mailbox.eventsOf(message.id).length > 0);
    await settled();
    assertOnce(server);
    assert.deepEqual(mailbox.eventsOf(message.id), ['unknown', 'adopted']);
    // Nor is the copy taken for a store that has forgotten something.
    assert.deepEqual(await storage.store.history(mailbox.storeKey, 'store'), []);
  }).timeout(60_000);

  it('a copy has another generation than its original, and an empty store that was opened before it too', async () => {
    const server = await tlsSandbox();
    const [from, to] = [await emptyFolder(), await emptyFolder()];
    const generations: string[] = [];
    for (const folder of [from, to]) {
      const { mailbox, storage } = await startOn(server, folder);
      await eventually('started', () => mailbox.states.length > 0);
      generations.push(await storage.store.generation());
      await mailbox.close();
      await storage.close();
    }
    const [one, other] = [await sqliteSide(from), await sqliteSide(to)];
    await copyStore({ from: one, to: other, fromSpool: undefined, toSpool: undefined, report: () => undefined });
    await one.close();
    await other.close();
    const storage = await storageIn(to);
    generations.push(await storage.store.generation());
    assert.equal(new Set(generations).size, 3);
  });
});
