/** The durable inbox in normal operation: what it stores, in which order, and when it acknowledges to MESH. */
import assert from 'node:assert/strict';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ConnectionError,
  DownloadError,
  NotFoundError,
  PayloadError,
  StorageError,
  type Mailbox,
} from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import type { Store } from '../../lib/store/store';
import { emptyFolder } from '../harness/cleanup';
import { consumer, idle, pollAndWait, type TestConsumer } from '../harness/consumer';
import { failure } from '../harness/failure';
import { mailboxAt, operations } from '../harness/mailboxes';
import { until } from '../harness/until';
import {
  eventsOf,
  inboxOf,
  keyOf,
  noise,
  rowsOf,
  sha256,
  spoolFiles,
  statesOf,
  world,
  type StorageFolder,
} from './durable-support';

describe('the durable inbox', () => {
  let server: Sandbox;
  let alice: Mailbox;
  let storage: StorageFolder;
  beforeEach(async () => ({ server, alice, storage } = await world()));

  const send = async (workflowId = 'WF', payload: Buffer | string = workflowId, fileName?: string): Promise<string> =>
    (await alice.send({ to: 'X26ABC2', workflowId, payload, ...(fileName ? { fileName } : {}) })).messageId;
  const sent = async (...workflowIds: string[]): Promise<string[]> => {
    const ids: string[] = [];
    for (const workflowId of workflowIds) ids.push(await send(workflowId));
    return ids;
  };
  const many = (count: number): Promise<string[]> => sent(...Array.from({ length: count }, () => 'WF'));
  const statuses = (): string[] => server.messages().map((message) => message.status);
  const count = (operation: string): number => operations(server, operation).length;
  const counts = (one: TestConsumer): number[] => one.deliveries.map(({ deliveryCount }) => deliveryCount);

  it('stores, acknowledges and delivers in the order of the inbox; a message the flow ends is done', async () => {
    const ids = await many(12);
    const one = consumer();
    const inbox = inboxOf(server, storage);
    inbox.add(one);
    await pollAndWait(inbox, one);
    assert.deepEqual(one.ids(), ids);
    assert.deepEqual(
      counts(one),
      ids.map(() => 1),
    );
    assert.ok(one.deliveries.every(({ received, kind }) => received.payload?.toString() === 'WF' && kind === 'data'));
    assert.ok(statuses().every((status) => status === 'acknowledged'));
    assert.deepEqual(
      await statesOf(server, storage),
      ids.map(() => 'delivered'),
    );
    assert.equal(one.states.at(-1)?.leased, 12);
    for (const id of ids) await inbox.acknowledge(id);
    assert.deepEqual(
      await statesOf(server, storage),
      ids.map(() => 'done'),
    );
    assert.equal(one.states.at(-1)?.leased, 0);
    assert.deepEqual(await eventsOf(server, storage, ids[0] ?? ''), ['spooled', 'acknowledged', 'delivered', 'done']);
    assert.equal(count('acknowledge_message'), 12, 'one acknowledgement for each');
    assert.equal(count('head_message'), 0);
  });

  it('keeps payloads up to 64 KiB in the row and larger ones in the spool, byte for byte', async () => {
    const sizes = [1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 700_000];
    const bodies = sizes.map(noise);
    for (const body of bodies) await send('WF', body);
    const one = consumer();
    const inbox = inboxOf(server, storage);
    inbox.add(one);
    await pollAndWait(inbox, one);
    assert.deepEqual(
      one.deliveries.map(({ received }) => [received.bytes, received.sha256, sha256(received.payload ?? noise(1))]),
      bodies.map((body) => [body.length, sha256(body), sha256(body)]),
    );
    assert.equal((await spoolFiles(storage)).length, 2);
    const file = await stat(join(storage.folder, 'spool', (await spoolFiles(storage))[0] ?? ''));
    if (process.platform !== 'win32') assert.equal(file.mode & 0o777, 0o600);
  });

  it('stores a message of several chunks completely, even if a chunk breaks off', async () => {
    const body = noise(500_000);
    const inChunks = mailboxAt(server, { maxRequestBytes: 100_000, chunkBytes: 100_000, compression: 'never' });
    await inChunks.send({ to: 'X26ABC2', workflowId: 'WF', payload: body });
    server.fault({ operation: 'retrieve_message', effect: { kind: 'truncate', bytes: 70_000 } });
    server.fault({ operation: 'retrieve_chunk', after: 1, effect: { kind: 'truncate', bytes: 5000 } });
    const one = consumer();
    const inbox = inboxOf(server, storage, { attempts: 3 });
    inbox.add(one);
    await pollAndWait(inbox, one);
    assert.equal(sha256(one.deliveries[0]?.received.payload ?? noise(1)), sha256(body));
    assert.equal((await rowsOf(server, storage))[0]?.sha256, sha256(body));
    assert.ok(one.states.some(({ progress }) => progress?.totalChunks === 5));
    assert.equal((await spoolFiles(storage)).length, 1, 'nothing else is left in the spool');
  });

  it('delivers small messages that it has just stored without reading them back, byte for byte', async () => {
    const payloads = Array.from({ length: 30 }, () => noise(2000));
    for (const payload of payloads) await send('WF', payload);
    let read = 0;
    const store: Store = {
      ...storage.store,
      getIncoming(...args) {
        read += 1;
        return storage.store.getIncoming(...args);
      },
    };
    const one = consumer({ acknowledge: 'after-delivery' });
    const inbox = inboxOf(server, { ...storage, store });
    inbox.add(one);
    await pollAndWait(inbox, one);
    assert.deepEqual(
      one.deliveries.map(({ received }) => received.payload?.toString('hex')),
      payloads.map((payload) => payload.toString('hex')),
    );
    assert.deepEqual(
      await statesOf(server, storage),
      payloads.map(() => 'done'),
    );
    assert.equal(read, 0);
  });

  it('records the acknowledgement to MESH with the delivery; without one, in a moment, by itself', async () => {
    const ids = await many(6);
    const one = consumer({ maxLeases: 4 });
    const changes: string[] = [];
    const store: Store = {
      ...storage.store,
      changeIncoming(mailbox, messageId, from, change, ...notes) {
        changes.push(notes.map(({ event }) => event).join(' '));
        return storage.store.changeIncoming(mailbox, messageId, from, change, ...notes);
      },
    };
    const inbox = inboxOf(server, { ...storage, store });
    inbox.add(one);
    await pollAndWait(inbox, one);
    // On a loaded machine the moment may be over before the delivery of a later one.
    assert.ok(changes.includes('acknowledged delivered'), changes.join(', '));
    const rows = await rowsOf(server, storage);
    assert.ok(rows.every(({ acknowledgedAt }) => acknowledgedAt !== null));
    assert.deepEqual(
      rows.map(({ state }) => state),
      ids.map((_, n) => (n < 4 ? 'delivered' : 'acknowledged')),
    );
  });

  it('lists what waits in the store once, and after that delivers what it stores, in order', async () => {
    const one = consumer();
    let lists = 0;
    const store: Store = {
      ...storage.store,
      incomingSummaries(mailbox, states, page) {
        if (states.includes('acknowledged')) lists += 1;
        return storage.store.incomingSummaries(mailbox, states, page);
      },
    };
    const ids = await many(5);
    const inbox = inboxOf(server, { ...storage, store });
    inbox.add(one);
    await pollAndWait(inbox, one);
    const before = lists;
    for (let n = 0; n < 3; n += 1) {
      ids.push(...(await many(5)));
      await pollAndWait(inbox, one);
    }
    assert.deepEqual(one.ids(), ids);
    assert.equal(lists, before);
  });

  it('delivers in order what was stored while others were read from the store, and more than a lane lists', async () => {
    const ids = await many(120);
    const one = consumer({ maxLeases: 1 });
    const before = inboxOf(server, storage);
    before.add(one);
    await pollAndWait(before, one);
    await before.close();
    await storage.reopen();
    ids.push(...(await many(120)));
    const next = consumer({ acknowledge: 'after-delivery' });
    const inbox = inboxOf(server, storage);
    inbox.add(next);
    await pollAndWait(inbox, next, 15_000);
    assert.deepEqual(next.ids(), ids);
  });

  it('downloads each message once, however often it polls', async () => {
    await many(3);
    const one = consumer();
    const inbox = inboxOf(server, storage);
    inbox.add(one);
    for (let n = 0; n < 5; n += 1) await pollAndWait(inbox, one);
    for (let n = 0; n < 20; n += 1) inbox.poll();
    await idle(one);
    assert.equal(one.deliveries.length, 3);
    assert.equal(count('retrieve_message'), 3);
  });

  it('takes everything out of MESH, and leases no more to a consumer than its maximum', async () => {
    const ids = await many(7);
    const one = consumer({ maxLeases: 3 });
    const inbox = inboxOf(server, storage);
    inbox.add(one);
    await pollAndWait(inbox, one);
    assert.deepEqual(one.ids(), ids.slice(0, 3));
    assert.ok(
      statuses().every((status) => status === 'acknowledged'),
      'MESH does not wait for the flow',
    );
    assert.deepEqual([one.states.at(-1)?.leased, one.states.at(-1)?.pending], [3, 4]);
    for (let n = 0; n < 7; n += 1) {
      await until('the next one', () => one.deliveries.length === Math.min(7, n + 3));
      await inbox.acknowledge(ids[n] ?? '');
    }
    await idle(one);
    assert.deepEqual(one.ids(), ids);
    assert.ok(one.states.every(({ leased }) => leased <= 3));
    assert.equal(one.states.at(-1)?.pending, 0);
    assert.equal(count('list_messages'), 1);
  });

  it('ends messages after delivery for a consumer that wants it, unless it did not take them', async () => {
    const ids = await many(3);
    const one = consumer({
      acknowledge: 'after-delivery',
      deliver: async ({ received }) => {
        if (received.message.messageId === ids[1]) throw new ConnectionError('not now');
      },
    });
    const inbox = inboxOf(server, storage);
    inbox.add(one);
    await pollAndWait(inbox, one);
    assert.deepEqual(await statesOf(server, storage), ['done', 'delivered', 'done']);
    assert.equal(one.failures[0]?.messageId, ids[1]);
    assert.deepEqual([one.states.at(-1)?.leased, one.states.at(-1)?.pending], [1, 0]);
  });

  it('does not redeliver while deliver runs; a message ended before deliver has ended is done', async () => {
    const [id = ''] = await many(1);
    let release = (): void => undefined;
    const one = consumer({ deliver: () => new Promise<void>((resolve) => (release = resolve)) });
    const inbox = inboxOf(server, storage, { leaseMs: 20 });
    inbox.add(one);
    inbox.poll();
    await until('the delivery', () => one.deliveries.length === 1);
    await inbox.acknowledge(id);
    await sleep(60);
    inbox.poll();
    release();
    await idle(one);
    assert.equal(one.deliveries.length, 1);
    assert.deepEqual(await statesOf(server, storage), ['done']);
  });

  describe('acknowledging', () => {
    it('late, twice, and before the acknowledgement to MESH is harmless', async () => {
      const [id = ''] = await many(1);
      server.fault({ operation: 'acknowledge_message', effect: { kind: 'status', status: 503 } });
      const one = consumer();
      const inbox = inboxOf(server, storage, { leaseMs: 30 });
      inbox.add(one);
      await pollAndWait(inbox, one);
      await until('the second delivery', () => one.deliveries.length === 2);
      await inbox.acknowledge(id);
      await inbox.acknowledge(id);
      await sleep(80);
      assert.deepEqual(counts(one), [1, 2]);
      assert.deepEqual(await statesOf(server, storage), ['done']);
      await pollAndWait(inbox, one);
      assert.deepEqual(statuses(), ['acknowledged']);
      assert.deepEqual(counts(one), [1, 2]);
    });

    it('a message that the store does not know goes to MESH, and fails as MESH does', async () => {
      const [id = ''] = await many(1);
      const inbox = inboxOf(server, storage);
      await inbox.acknowledge(id);
      assert.deepEqual(statuses(), ['acknowledged']);
      await failure(NotFoundError, inbox.acknowledge('20990101000000000000_ABCDEF'));
    });

    it('a parked message settles it', async () => {
      const [id = ''] = await many(1);
      const one = consumer({ deliver: () => Promise.reject(new PayloadError('never')) });
      const inbox = inboxOf(server, storage);
      inbox.add(one);
      await pollAndWait(inbox, one);
      assert.deepEqual(await statesOf(server, storage), ['parked']);
      await inbox.acknowledge(id);
      assert.deepEqual(await statesOf(server, storage), ['done']);
      assert.equal(one.states.at(-1)?.pending, 0);
    });
  });

  describe('a failed acknowledgement to MESH', () => {
    it('is retried at a later poll, and the message is delivered once meanwhile', async () => {
      const [id = ''] = await many(1);
      server.fault({ operation: 'acknowledge_message', times: 2, effect: { kind: 'status', status: 503 } });
      const one = consumer();
      const inbox = inboxOf(server, storage);
      inbox.add(one);
      await pollAndWait(inbox, one);
      assert.deepEqual(one.ids(), [id]);
      assert.deepEqual(statuses(), ['accepted']);
      assert.equal((await rowsOf(server, storage))[0]?.acknowledgedAt, null);
      await inbox.acknowledge(id);
      for (let n = 0; n < 2; n += 1) await pollAndWait(inbox, one);
      assert.deepEqual(statuses(), ['acknowledged']);
      assert.notEqual((await rowsOf(server, storage))[0]?.acknowledgedAt, null);
      assert.equal(one.deliveries.length, 1);
      assert.equal(one.failures.length, 1, 'reported once');
      assert.equal(count('retrieve_message'), 1);
    });

    it('is retried once for each poll, and the other messages are stored all the same', async () => {
      await many(5);
      server.fault({ operation: 'acknowledge_message', times: Infinity, effect: { kind: 'status', status: 403 } });
      const one = consumer();
      const inbox = inboxOf(server, storage);
      inbox.add(one);
      await pollAndWait(inbox, one);
      assert.equal(one.deliveries.length, 5);
      assert.equal(count('acknowledge_message'), 1);
      await pollAndWait(inbox, one);
      assert.equal(count('acknowledge_message'), 2);
      assert.equal(one.failures.length, 1);
      server.clearFaults();
      await pollAndWait(inbox, one);
      assert.ok(statuses().every((status) => status === 'acknowledged'));
      assert.equal(one.deliveries.length, 5);
    });

    it('whose response was lost is repeated, which changes nothing', async () => {
      await many(2);
      server.fault({ operation: 'acknowledge_message', effect: { kind: 'drop', when: 'after' } });
      const one = consumer();
      const inbox = inboxOf(server, storage);
      inbox.add(one);
      for (let n = 0; n < 2; n += 1) await pollAndWait(inbox, one);
      assert.equal(one.deliveries.length, 2);
      assert.ok((await rowsOf(server, storage)).every(({ acknowledgedAt }) => acknowledgedAt !== null));
    });

    it('of a message that has left MESH counts as a success', async () => {
      await many(1);
      server.fault({ operation: 'acknowledge_message', effect: { kind: 'status', status: 410 } });
      const one = consumer();
      const inbox = inboxOf(server, storage);
      inbox.add(one);
      await pollAndWait(inbox, one);
      assert.notEqual((await rowsOf(server, storage))[0]?.acknowledgedAt, null);
      assert.deepEqual(one.failures, []);
    });
  });

  describe('with acknowledgement to MESH when the flow is done', () => {
    const whenDone = { meshAcknowledge: 'when-done' } as const;

    it('leaves the message in MESH until then', async () => {
      const ids = await many(2);
      const one = consumer();
      const inbox = inboxOf(server, storage, whenDone);
      inbox.add(one);
      for (let n = 0; n < 3; n += 1) await pollAndWait(inbox, one);
      assert.deepEqual(one.ids(), ids);
      assert.deepEqual(statuses(), ['accepted', 'accepted']);
      assert.equal(count('acknowledge_message'), 0);
      await inbox.acknowledge(ids[0] ?? '');
      await until('the acknowledgement', () => statuses()[0] === 'acknowledged');
      await idle(one);
      assert.deepEqual(statuses(), ['acknowledged', 'accepted']);
      const [first, second] = await rowsOf(server, storage);
      assert.deepEqual([first?.state, second?.state], ['done', 'delivered']);
      assert.notEqual(first?.acknowledgedAt, null);
      assert.equal(second?.acknowledgedAt, null);
      assert.equal(count('retrieve_message'), 2);
    });

    it('ends the message while MESH is unavailable, and acknowledges it later', async () => {
      const [id = ''] = await many(1);
      const one = consumer();
      const inbox = inboxOf(server, storage, { ...whenDone, leaseMs: 30 });
      inbox.add(one);
      await pollAndWait(inbox, one);
      server.fault({ operation: 'acknowledge_message', effect: { kind: 'drop', when: 'before' } });
      await inbox.acknowledge(id);
      await idle(one);
      assert.deepEqual(statuses(), ['accepted']);
      await sleep(60);
      await pollAndWait(inbox, one);
      assert.deepEqual(statuses(), ['acknowledged']);
      assert.equal(one.deliveries.length, 1);
    });

    it('acknowledges after a restart what failed before it', async () => {
      const [id = ''] = await many(1);
      const one = consumer({ acknowledge: 'after-delivery' });
      const inbox = inboxOf(server, storage, whenDone);
      server.fault({ operation: 'acknowledge_message', effect: { kind: 'drop', when: 'before' } });
      inbox.add(one);
      await pollAndWait(inbox, one);
      await inbox.close();
      await storage.reopen();
      assert.deepEqual(statuses(), ['accepted']);
      const after = consumer();
      const again = inboxOf(server, storage, whenDone);
      again.add(after);
      await pollAndWait(again, after);
      assert.deepEqual(statuses(), ['acknowledged']);
      assert.deepEqual(after.deliveries, []);
      assert.deepEqual(await eventsOf(server, storage, id), ['spooled', 'delivered', 'done', 'acknowledged']);
    });
  });

  describe('a folder', () => {
    it('holds the flow’s own copy under a safe name: the spool’s file stays as it was', async () => {
      const folder = join(await emptyFolder(), 'new');
      const small = Buffer.from('small');
      const large = noise(200_000);
      await send('WF', small, '../../etc/small.txt');
      const id = await send('WF', large, 'large.bin');
      const one = consumer({ folder });
      const inbox = inboxOf(server, storage, { leaseMs: 150 });
      inbox.add(one);
      await pollAndWait(inbox, one);
      assert.equal((await readdir(folder)).length, 2);
      const [first, second] = one.deliveries;
      assert.deepEqual(await readFile(first?.received.file ?? ''), small);
      assert.match(first?.received.file ?? '', /_small\.txt$/);
      assert.deepEqual(await readFile(second?.received.file ?? ''), large);
      assert.equal(second?.received.payload, undefined);
      // The flow may change or remove its files.
      await writeFile(second?.received.file ?? '', 'changed');
      await rm(first?.received.file ?? '');
      await until('both again', () => one.deliveries.length === 4);
      assert.deepEqual(await readFile(second?.received.file ?? ''), large);
      await inbox.acknowledge(id);
      assert.equal((await readdir(folder)).length, 2);
      assert.equal((await spoolFiles(storage)).length, 1);
    });

    it('that cannot be written is reported and tried again; the message is acknowledged all the same', async () => {
      const parent = await emptyFolder();
      const folder = join(parent, 'file');
      await writeFile(folder, 'in the way');
      const [id = ''] = await many(1);
      let now = Date.now();
      const clock = {
        now: () => now,
        sleep: (_: number, signal: AbortSignal) => sleep(5, undefined, { signal }).catch(() => undefined),
      };
      const one = consumer({ folder });
      const inbox = inboxOf(server, storage, { clock });
      inbox.add(one);
      await pollAndWait(inbox, one);
      assert.ok(one.failures[0]?.error instanceof StorageError);
      assert.deepEqual(one.ids(), []);
      assert.deepEqual(statuses(), ['acknowledged']);
      await rm(folder);
      now += 31_000;
      await until('the delivery', () => one.deliveries.length === 1);
      assert.deepEqual([one.ids(), counts(one)], [[id], [1]]);
    });
  });

  it('leaves messages in MESH while the disk is full, and reports it', async () => {
    await many(2);
    const one = consumer();
    const inbox = inboxOf(server, storage, { minFreeBytes: 1e18 });
    inbox.add(one);
    for (let n = 0; n < 2; n += 1) await pollAndWait(inbox, one);
    assert.deepEqual(statuses(), ['accepted', 'accepted']);
    assert.deepEqual(
      one.failures.map(({ error }) => error.message),
      ['The disk is nearly full: received messages stay in the MESH inbox.'],
    );
    assert.equal(count('retrieve_message'), 0);
  });

  it('parks a message too large for a Buffer or damaged in the spool, and delivers the others', async () => {
    const ids = [await send('WF', noise(90_000)), await send('WF', noise(70_000)), await send('WF', 'fine')];
    const one = consumer({ maxLeases: 0 });
    const inbox = inboxOf(server, storage, { maxBufferBytes: 80_000 });
    inbox.add(one);
    await pollAndWait(inbox, one);
    const row = await storage.store.getIncoming(keyOf(server), ids[1] ?? '');
    assert.ok(row?.payload?.kind === 'spool');
    await writeFile(storage.spool.path(row.payload.name), noise(70_000));
    inbox.remove(one);
    const two = consumer();
    inbox.add(two);
    await pollAndWait(inbox, two);
    assert.deepEqual(
      two.parkedMessages.map(({ messageId, error }) => [messageId, error?.code]),
      [
        [ids[0], 'MESH_TOO_LARGE'],
        [ids[1], 'MESH_PAYLOAD'],
      ],
    );
    assert.deepEqual(two.ids(), ids.slice(2));
    assert.deepEqual(await statesOf(server, storage), ['parked', 'parked', 'delivered']);
  });

  it('stores a REPORT’s headers, settles the message it names, acknowledges, and then delivers it', async () => {
    const bob = mailboxAt(server, { mailboxId: 'X26ABC2' });
    const failed = await bob.send({ to: 'X26ABC3', workflowId: 'TOC', payload: 'x' });
    server.clock.advance(5 * 24 * 60 * 60 * 1000 + 1000);
    server.clock.advance(-5 * 24 * 60 * 60 * 1000 - 1000);
    const steps: string[] = [];
    const one = consumer({ deliver: async ({ kind }) => void steps.push(kind) });
    const settleReport = async ({ linkedMessageId }: { linkedMessageId?: string }): Promise<void> =>
      void steps.push(`settled ${linkedMessageId}`);
    const inbox = inboxOf(server, storage, { settleReport });
    inbox.add(one);
    for (let n = 0; n < 2; n += 1) await pollAndWait(inbox, one);
    assert.deepEqual(steps, [`settled ${failed.messageId}`, 'report']);
    const [row] = await rowsOf(server, storage);
    assert.deepEqual([row?.messageType, row?.size, row?.state], ['REPORT', 0, 'delivered']);
    assert.notEqual(row?.acknowledgedAt, null);
    assert.equal(one.deliveries[0]?.received.payload, undefined);
  });

  it('settles the message that a REPORT handled elsewhere names, once, and leaves the REPORT in MESH', async () => {
    const bob = mailboxAt(server, { mailboxId: 'X26ABC2' });
    await bob.send({ to: 'X26ABC3', workflowId: 'THEIRS', payload: 'x' });
    server.clock.advance(5 * 24 * 60 * 60 * 1000 + 1000);
    server.clock.advance(-5 * 24 * 60 * 60 * 1000 - 1000);
    let settled = 0;
    const one = consumer();
    const inbox = inboxOf(server, storage, {
      workflowsHandledElsewhere: ['THEIRS'],
      settleReport: async () => (settled += 1),
    });
    inbox.add(one);
    for (let n = 0; n < 3; n += 1) await pollAndWait(inbox, one);
    assert.equal(settled, 1);
    assert.deepEqual(await rowsOf(server, storage), []);
    assert.equal(count('acknowledge_message'), 0);
  });

  describe('splitting by workflow', () => {
    it('delivers to each consumer its workflows, and one at its maximum keeps no other waiting', async () => {
      await sent(...Array.from({ length: 60 }, () => 'BUSY'), 'RARE', 'RARE_ACK');
      const busy = consumer({ workflows: ['BUSY'], maxLeases: 1 });
      const rare = consumer({ workflows: ['RARE*'] });
      const inbox = inboxOf(server, storage);
      inbox.add(busy);
      inbox.add(rare);
      // 62 downloads and acknowledgements over TLS: seconds on a loaded machine.
      await pollAndWait(inbox, busy, 15_000);
      assert.equal(busy.deliveries.length, 1);
      assert.deepEqual(
        rare.deliveries.map(({ kind }) => kind),
        ['data', 'business-acknowledgement'],
      );
      assert.deepEqual([busy.states.at(-1)?.pending, rare.states.at(-1)?.pending], [59, 0]);
      for (let n = 0; n < 60; n += 1) {
        await until('the next', () => busy.deliveries.length === n + 1);
        await inbox.acknowledge(busy.ids()[n] ?? '');
      }
      assert.deepEqual(
        busy.ids(),
        (await rowsOf(server, storage)).slice(0, 60).map(({ messageId }) => messageId),
      );
    });

    it('a slow delivery to one consumer does not hold up another', async () => {
      await sent('SLOW', 'FAST', 'FAST');
      let release = (): void => undefined;
      const slow = consumer({
        workflows: ['SLOW'],
        deliver: () => new Promise<void>((resolve) => (release = resolve)),
      });
      const fast = consumer({ workflows: ['FAST'] });
      const inbox = inboxOf(server, storage);
      inbox.add(slow);
      inbox.add(fast);
      inbox.poll();
      await until('the slow one', () => slow.deliveries.length === 1);
      await until('both of the other', () => fast.deliveries.length === 2);
      release();
    });

    it('leaves workflows handled elsewhere and unclaimed ones in MESH, and reports the latter once', async () => {
      const [, mine = ''] = await sent('THEIRS_1', 'MINE', 'STRAY', 'STRAY');
      const one = consumer({ workflows: ['MINE'] });
      const inbox = inboxOf(server, storage, { workflowsHandledElsewhere: ['THEIRS_*'] });
      inbox.add(one);
      for (let n = 0; n < 3; n += 1) await pollAndWait(inbox, one);
      assert.deepEqual(one.ids(), [mine]);
      assert.equal(one.failures.length, 1);
      assert.match(one.failures[0]?.error.message ?? '', /workflow STRAY .*no node takes this workflow/);
      assert.equal(one.states.at(-1)?.unclaimed, 2);
      assert.deepEqual(statuses(), ['accepted', 'acknowledged', 'accepted', 'accepted']);
      assert.deepEqual(
        [count('head_message'), count('retrieve_message')],
        [4, 1],
        'one HEAD for each, and no download',
      );
      const later = consumer({ workflows: ['STRAY'] });
      inbox.add(later);
      await until('the strays', () => later.deliveries.length === 2);
      await idle(later);
      assert.equal(later.states.at(-1)?.unclaimed, 0);
      assert.deepEqual(statuses(), ['accepted', 'acknowledged', 'acknowledged', 'acknowledged']);
      assert.equal(count('list_messages'), 3);
    });

    it('keeps and reports messages stored for a removed consumer, and delivers them to the next one', async () => {
      await sent('A', 'A', 'B');
      const a = consumer({ workflows: ['A'], maxLeases: 1 });
      const b = consumer({ workflows: ['B'] });
      const inbox = inboxOf(server, storage);
      inbox.add(a);
      inbox.add(b);
      await pollAndWait(inbox, a);
      inbox.remove(a);
      await pollAndWait(inbox, b);
      assert.match(b.failures[0]?.error.message ?? '', /messages of workflow A are kept/);
      assert.equal(b.states.at(-1)?.unclaimed, 1);
      const next = consumer({ workflows: ['A'] });
      inbox.add(next);
      await until('the one that waits', () => next.deliveries.length === 1);
      assert.deepEqual(counts(next), [1]);
    });

    it('takes nothing without a consumer, and delivers to the first one without another list', async () => {
      const ids = await many(2);
      const inbox = inboxOf(server, storage);
      inbox.poll();
      await until('the list', () => count('list_messages') === 1);
      await sleep(20);
      assert.equal(count('retrieve_message') + count('head_message'), 0);
      const one = consumer();
      inbox.add(one);
      await until('both', () => one.deliveries.length === 2);
      assert.deepEqual(one.ids(), ids);
      assert.equal(count('list_messages'), 1);
    });
  });

  describe('a message that cannot be downloaded', () => {
    it('is reported once, downloaded again at each list, and parked at the maximum; others are delivered', async () => {
      const ids = await many(2);
      const one = consumer();
      const inbox = inboxOf(server, storage, { maxDeliveries: 3 });
      inbox.add(one);
      for (let n = 0; n < 5; n += 1) {
        if (n < 3) server.fault({ operation: 'retrieve_message', effect: { kind: 'truncate', bytes: 5 } });
        await pollAndWait(inbox, one);
      }
      assert.deepEqual(one.ids(), ids.slice(1));
      assert.equal(one.failures.length, 1);
      assert.deepEqual(
        one.parkedMessages.map(({ messageId }) => messageId),
        ids.slice(0, 1),
      );
      assert.ok(one.parkedMessages[0]?.error instanceof DownloadError);
      assert.deepEqual(statuses(), ['accepted', 'acknowledged']);
      assert.equal(count('retrieve_message'), 4);
      assert.deepEqual(await spoolFiles(storage), []);
    });

    it('is delivered once a download succeeds', async () => {
      const ids = await many(1);
      const one = consumer();
      const inbox = inboxOf(server, storage);
      inbox.add(one);
      server.fault({ operation: 'retrieve_message', effect: { kind: 'corrupt' } });
      await pollAndWait(inbox, one);
      assert.deepEqual(one.ids(), []);
      await pollAndWait(inbox, one);
      assert.deepEqual([one.ids(), counts(one)], [ids, [1]]);
    });

    it('because MESH refuses our credentials is not parked', async () => {
      const ids = await many(2);
      const one = consumer();
      const inbox = inboxOf(server, storage);
      inbox.add(one);
      server.fault({ operation: 'retrieve_message', effect: { kind: 'status', status: 403 } });
      await pollAndWait(inbox, one);
      assert.deepEqual(one.parkedMessages, []);
      assert.equal(one.failures[0]?.error.code, 'MESH_AUTHENTICATION');
      await pollAndWait(inbox, one);
      assert.deepEqual(one.ids(), ids);
    });

    it('because another system collected it is forgotten', async () => {
      const [id = ''] = await many(1);
      const one = consumer();
      const inbox = inboxOf(server, storage);
      inbox.add(one);
      server.fault({ operation: 'retrieve_message', effect: { kind: 'status', status: 410 } });
      await pollAndWait(inbox, one);
      assert.equal(one.failures[0]?.messageId, id);
      assert.deepEqual(await rowsOf(server, storage), []);
    });
  });

  describe('while MESH is unavailable', () => {
    it('reports it once, delivers what is stored, and the rest when MESH is back', async () => {
      const ids = await many(4);
      const one = consumer({ maxLeases: 1 });
      const inbox = inboxOf(server, storage);
      inbox.add(one);
      server.fault({ operation: 'retrieve_message', after: 2, effect: { kind: 'status', status: 503 } });
      await pollAndWait(inbox, one);
      server.fault({ operation: '*', times: Infinity, effect: { kind: 'drop', when: 'before' } });
      for (let n = 0; n < 3; n += 1) await pollAndWait(inbox, one);
      await inbox.acknowledge(ids[0] ?? '');
      await until('the second', () => one.deliveries.length === 2);
      assert.deepEqual(
        one.failures.map(({ error }) => error.code),
        ['MESH_UNAVAILABLE', 'MESH_CONNECTION'],
      );
      server.clearFaults();
      await pollAndWait(inbox, one);
      for (const id of ids) {
        await until('it to be delivered', () => one.ids().includes(id));
        await inbox.acknowledge(id);
      }
      assert.deepEqual([one.ids(), counts(one)], [ids, [1, 1, 1, 1]]);
      assert.ok(statuses().every((status) => status === 'acknowledged'));
    });

    it('a message that MESH cannot return holds up the others only until its third attempt', async () => {
      const ids = await many(3);
      const one = consumer();
      const inbox = inboxOf(server, storage);
      server.fault({ operation: 'retrieve_message', times: 3, effect: { kind: 'status', status: 500 } });
      inbox.add(one);
      await pollAndWait(inbox, one);
      await pollAndWait(inbox, one);
      assert.deepEqual(one.ids(), []);
      await pollAndWait(inbox, one);
      // At the third attempt the others are taken before it; then it is received too, because MESH has recovered.
      assert.deepEqual(one.ids(), [ids[1], ids[2], ids[0]]);
      assert.ok(one.failures.some(({ messageId }) => messageId === ids[0]));
    });
  });

  it('takes 600 messages, page after page, and delivers each once, in order', async function () {
    this.timeout(60_000);
    const ids: string[] = [];
    for (let batch = 0; batch < 6; batch += 1) {
      ids.push(...(await Promise.all(Array.from({ length: 100 }, () => many(1)))).flat());
    }
    const one = consumer({ acknowledge: 'after-delivery', maxLeases: 10 });
    const inbox = inboxOf(server, storage, { minimumIntervalMs: 60_000 });
    inbox.add(one);
    const began = performance.now();
    inbox.poll();
    await until('all 600', () => one.deliveries.length === 600, 40_000);
    await idle(one, 5000);
    if (process.env['MESH_FIGURES']) console.log(`600 in ${Math.round(performance.now() - began)} ms`);
    assert.deepEqual(
      one.ids(),
      server.messages().map(({ messageId }) => messageId),
    );
    assert.equal(new Set(ids).size, 600);
    assert.ok(statuses().every((status) => status === 'acknowledged'));
    assert.equal(count('list_messages'), 2, 'two pages');
    assert.ok((await statesOf(server, storage)).every((each) => each === 'done'));
  });

  it('closing waits for the current delivery, and delivers nothing more', async () => {
    await many(3);
    let done = false;
    const one = consumer({ deliver: async () => void (await sleep(50), (done = true)) });
    const inbox = inboxOf(server, storage);
    inbox.add(one);
    inbox.poll();
    await until('the first delivery', () => one.deliveries.length === 1);
    await inbox.close();
    assert.ok(done);
    assert.equal(inbox.poll().started, true);
    await sleep(30);
    assert.equal(one.deliveries.length, 1);
  });
});
