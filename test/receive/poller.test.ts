import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AuthenticationError,
  ConfigurationError,
  ConnectionError,
  DownloadError,
  GoneError,
  InvalidMessageError,
  PayloadError,
  UnavailableError,
  type Mailbox,
} from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import { emptyFolder } from '../support/cleanup';
import { consumer, idle, pollAndWait, pollerOf } from '../support/consumer';
import { failure } from '../support/failure';
import { hostileMesh } from '../support/hostile-mesh';
import { mailboxAt, operations, sandbox, twoMailboxesAt, until } from '../support/mailboxes';

describe('the poller', () => {
  let server: Sandbox;
  let alice: Mailbox;
  let bob: Mailbox;
  beforeEach(async () => {
    server = await sandbox();
    ({ alice, bob } = twoMailboxesAt(server, { retry: { attempts: 1 } }));
  });

  /** Sends one message of each workflow to Bob. */
  async function sent(...workflowIds: string[]): Promise<string[]> {
    const ids: string[] = [];
    for (const workflowId of workflowIds) {
      ids.push((await alice.send({ to: 'X26ABC2', workflowId, payload: workflowId })).messageId);
    }
    return ids;
  }
  const many = (count: number): Promise<string[]> => sent(...Array.from({ length: count }, () => 'WF'));
  const statuses = (): string[] => server.messages().map((message) => message.status);
  const count = (operation: string): number => operations(server, operation).length;

  it('delivers what is in the inbox, in its order', async () => {
    const ids = await many(12);
    const one = consumer();
    const poller = pollerOf({ mailbox: bob });
    poller.add(one);
    await pollAndWait(poller, one);
    assert.deepEqual(one.ids(), ids);
    assert.deepEqual(
      one.deliveries.map(({ kind, deliveryCount, received }) => [kind, deliveryCount, received.payload?.toString()]),
      ids.map(() => ['data', 1, 'WF']),
    );
    assert.equal(one.states.at(-1)?.inFlight, 12);
    assert.equal(count('acknowledge_message'), 0);
  });

  it('has no message twice in flight, however often it polls', async () => {
    const ids = await many(3);
    const one = consumer();
    const poller = pollerOf({ mailbox: bob });
    poller.add(one);
    for (let n = 0; n < 5; n += 1) await pollAndWait(poller, one);
    const late = await many(1);
    for (let n = 0; n < 20; n += 1) poller.poll();
    await until('all four', () => one.deliveries.length === 4);
    await idle(one);
    assert.deepEqual(one.ids(), [...ids, ...late]);
    assert.equal(count('retrieve_message'), 4);
  });

  it('has no message twice in flight while deliver runs', async () => {
    await many(1);
    let release = (): void => undefined;
    const one = consumer({ deliver: () => new Promise<void>((resolve) => (release = resolve)) });
    const poller = pollerOf({ mailbox: bob });
    poller.add(one);
    poller.poll();
    await until('the delivery', () => one.deliveries.length === 1);
    for (let n = 0; n < 5; n += 1) poller.poll();
    await sleep(30);
    release();
    await idle(one);
    assert.equal(one.deliveries.length, 1);
  });

  it('has no more in flight than the consumer takes; an acknowledgement makes room for the next', async () => {
    const ids = await many(7);
    const one = consumer({ maxInFlight: 3 });
    const poller = pollerOf({ mailbox: bob });
    poller.add(one);
    await pollAndWait(poller, one);
    assert.deepEqual(one.ids(), ids.slice(0, 3));
    assert.equal(count('retrieve_message'), 3, 'the others are not downloaded either');
    assert.equal(one.states.at(-1)?.inFlight, 3);
    for (let n = 0; n < 7; n += 1) {
      await until('the next one', () => one.deliveries.length === Math.min(7, n + 3));
      await poller.acknowledge(ids[n] ?? '');
    }
    await idle(one);
    assert.deepEqual(one.ids(), ids);
    assert.ok(Math.max(...one.states.map((state) => state.inFlight)) <= 3);
    assert.deepEqual([...new Set(statuses())], ['acknowledged']);
    assert.equal(count('list_messages'), 1, 'and the inbox is not listed again for that');
  });

  it('saves into the consumer’s folder', async () => {
    await many(1);
    const folder = await emptyFolder();
    const one = consumer({ folder });
    const poller = pollerOf({ mailbox: bob });
    poller.add(one);
    await pollAndWait(poller, one);
    assert.equal((await readdir(folder)).length, 1);
    assert.equal(one.deliveries[0]?.received.payload, undefined);
  });

  it('acknowledges by itself after delivery where that is wanted', async () => {
    await many(3);
    const one = consumer({ acknowledge: 'after-delivery' });
    const poller = pollerOf({ mailbox: bob });
    poller.add(one);
    await pollAndWait(poller, one);
    assert.deepEqual(statuses(), ['acknowledged', 'acknowledged', 'acknowledged']);
    assert.equal(one.deliveries.length, 3);
    assert.equal(one.states.at(-1)?.inFlight, 0);
  });

  it('does not acknowledge by itself what was not taken', async () => {
    await many(1);
    const one = consumer({ acknowledge: 'after-delivery', deliver: () => Promise.reject(new ConnectionError('no')) });
    const poller = pollerOf({ mailbox: bob });
    poller.add(one);
    await pollAndWait(poller, one);
    assert.deepEqual(statuses(), ['accepted']);
    assert.equal(one.failures.length, 1);
  });

  describe('a lease', () => {
    it('that ends brings the message again, with its count, and after so many times it is parked', async () => {
      const [id = ''] = await many(1);
      const one = consumer();
      const poller = pollerOf({ mailbox: bob, leaseMs: 30, maxDeliveries: 3 });
      poller.add(one);
      poller.poll();
      await until('it to be parked', () => one.parkedOnes.length === 1);
      assert.deepEqual(
        one.deliveries.map((delivery) => delivery.deliveryCount),
        [1, 2, 3],
      );
      assert.deepEqual(one.parkedOnes, [{ messageId: id, error: undefined, deliveryCount: 3 }]);
      await pollAndWait(poller, one);
      await sleep(60);
      assert.equal(one.deliveries.length, 3, 'and is not delivered any more');
      assert.equal(one.parkedOnes.length, 1);
      assert.equal(one.states.at(-1)?.inFlight, 0);
      await poller.acknowledge(id);
      assert.deepEqual(statuses(), ['acknowledged']);
    });

    it('does not end for what is acknowledged in time', async () => {
      const [id = ''] = await many(1);
      const one = consumer();
      const poller = pollerOf({ mailbox: bob, leaseMs: 40 });
      poller.add(one);
      await pollAndWait(poller, one);
      await poller.acknowledge(id);
      await sleep(80);
      assert.equal(one.deliveries.length, 1);
    });

    it('ends nothing while deliver is still running', async () => {
      await many(1);
      const one = consumer({ deliver: () => sleep(100) });
      const poller = pollerOf({ mailbox: bob, leaseMs: 20, maxDeliveries: 100 });
      poller.add(one);
      poller.poll();
      await sleep(90);
      assert.equal(one.deliveries.length, 1);
    });
  });

  describe('a delivery that is not taken', () => {
    it('for now stays in flight until its lease ends, and is told', async () => {
      const [id = ''] = await many(1);
      let refuse = true;
      const one = consumer({
        deliver: async () => (refuse ? Promise.reject(new ConnectionError('later')) : undefined),
      });
      const poller = pollerOf({ mailbox: bob, leaseMs: 50 });
      poller.add(one);
      await pollAndWait(poller, one);
      await pollAndWait(poller, one);
      assert.equal(one.deliveries.length, 1);
      assert.equal(one.failures[0]?.messageId, id);
      assert.ok(one.failures[0]?.error instanceof ConnectionError);
      refuse = false;
      await until('the second delivery', () => one.deliveries.length === 2);
      assert.equal(one.deliveries[1]?.deliveryCount, 2);
      assert.deepEqual(one.parkedOnes, []);
    });

    for (const [what, error, kind] of [
      ['for good', new PayloadError('never'), PayloadError],
      ['because the code that takes it fails', new TypeError('oops'), InvalidMessageError],
    ] as const) {
      it(`${what} is parked at once, and the next one comes`, async () => {
        const ids = await many(2);
        const one = consumer({
          deliver: async ({ received }) => {
            if (received.message.messageId === ids[0]) throw error;
          },
        });
        const poller = pollerOf({ mailbox: bob });
        poller.add(one);
        await pollAndWait(poller, one);
        assert.deepEqual(one.ids(), ids);
        assert.equal(one.parkedOnes.length, 1);
        assert.equal(one.parkedOnes[0]?.messageId, ids[0]);
        assert.ok(one.parkedOnes[0]?.error instanceof kind);
        assert.deepEqual(statuses(), ['accepted', 'accepted']);
      });
    }
  });

  describe('splitting by workflow', () => {
    it('gives each consumer its own, reports and acknowledgements too', async () => {
      const failed = await bob.send({ to: 'X26ABC3', workflowId: 'TOC_1', payload: 'x' });
      server.clock.advance(5 * 24 * 60 * 60 * 1000 + 1000);
      server.clock.advance(-5 * 24 * 60 * 60 * 1000 - 1000);
      await sent('TOC_1', 'TOC_1_ACK', 'GP_1', 'ELSE');
      const toc = consumer({ workflows: ['TOC_*'] });
      const gp = consumer({ workflows: ['GP_1', ' GP_2 '] });
      const rest = consumer();
      const poller = pollerOf({ mailbox: bob });
      for (const each of [toc, gp, rest]) poller.add(each);
      await pollAndWait(poller, toc);
      const kinds = (one: typeof toc): string[] =>
        one.deliveries.map(({ kind, received }) => `${kind} ${received.message.workflowId}`);
      assert.deepEqual(kinds(toc), ['report TOC_1', 'data TOC_1', 'business-acknowledgement TOC_1_ACK']);
      assert.deepEqual(kinds(gp), ['data GP_1']);
      assert.deepEqual(kinds(rest), ['data ELSE']);
      assert.equal(toc.deliveries[0]?.received.message.linkedMessageId, failed.messageId);
    });

    it('asks for the headers of each message once, and only then', async () => {
      await sent('A', 'B', 'A');
      const all = consumer();
      const poller = pollerOf({ mailbox: bob });
      poller.add(all);
      await pollAndWait(poller, all);
      assert.equal(all.deliveries.length, 3);
      assert.equal(count('head_message'), 0);

      const split = pollerOf({ mailbox: bob });
      const [a, b] = [consumer({ workflows: ['A'] }), consumer({ workflows: ['!A'] })];
      split.add(a);
      split.add(b);
      for (let n = 0; n < 3; n += 1) await pollAndWait(split, a);
      assert.equal(count('head_message'), 3);
      assert.deepEqual([a.deliveries.length, b.deliveries.length], [2, 1]);
    });

    it('leaves to others what is marked so', async () => {
      const [, mine = ''] = await sent('THEIRS_1', 'MINE', 'THEIRS_2');
      const one = consumer();
      const poller = pollerOf({ mailbox: bob, leftToOthers: ['THEIRS_*'] });
      poller.add(one);
      await pollAndWait(poller, one);
      await pollAndWait(poller, one);
      assert.deepEqual(one.ids(), [mine]);
      assert.deepEqual(one.failures, []);
      assert.equal(one.states.at(-1)?.unclaimed, 0);
      assert.equal(count('head_message'), 3);
    });

    it('raises once for each workflow that nobody takes, and gives it to who takes it later', async () => {
      const ids = await sent('MINE', 'STRAY', 'STRAY', 'OTHER');
      const one = consumer({ workflows: ['MINE'] });
      const poller = pollerOf({ mailbox: bob });
      poller.add(one);
      for (let n = 0; n < 3; n += 1) await pollAndWait(poller, one);
      assert.deepEqual(one.ids(), ids.slice(0, 1));
      assert.deepEqual(
        one.failures.map(({ messageId }) => messageId),
        [ids[1], ids[3]],
      );
      const { error } = one.failures[0] ?? {};
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, /workflow STRAY .*no node takes this workflow.*expire/);
      assert.equal(error.messageId, ids[1]);
      assert.match(error.advice ?? '', /mesh-poll/);
      assert.equal(one.states.at(-1)?.unclaimed, 3);

      const later = consumer();
      poller.add(later);
      await until('the strays', () => later.deliveries.length === 3);
      assert.deepEqual(later.ids(), ids.slice(1));
      assert.equal(later.states.at(-1)?.unclaimed, 0);
    });

    it('a REPORT that nobody claims goes to the first consumer all the same', async () => {
      await bob.send({ to: 'X26ABC3', workflowId: 'STRAY', payload: 'x' });
      server.clock.advance(5 * 24 * 60 * 60 * 1000 + 1000);
      server.clock.advance(-5 * 24 * 60 * 60 * 1000 - 1000);
      const one = consumer({ workflows: ['MINE'] });
      const poller = pollerOf({ mailbox: bob });
      poller.add(one);
      await pollAndWait(poller, one);
      assert.equal(one.deliveries[0]?.kind, 'report');
      assert.deepEqual(one.failures, []);
    });

    it('which workflows are acknowledgements can be said', async () => {
      await sent('A_ACK', 'NHAIS_RECEP');
      const one = consumer();
      const poller = pollerOf({ mailbox: bob, businessAcknowledgementWorkflows: ['NHAIS_RECEP'] });
      poller.add(one);
      await pollAndWait(poller, one);
      assert.deepEqual(
        one.deliveries.map(({ kind }) => kind),
        ['data', 'business-acknowledgement'],
      );
    });

    it('a busy consumer does not keep the others waiting', async () => {
      await sent(...Array.from({ length: 10 }, () => 'BUSY'), 'RARE');
      const busy = consumer({ workflows: ['BUSY'], maxInFlight: 1 });
      const rare = consumer({ workflows: ['RARE'] });
      const poller = pollerOf({ mailbox: bob });
      poller.add(busy);
      poller.add(rare);
      await pollAndWait(poller, busy);
      assert.equal(busy.deliveries.length, 1);
      assert.equal(rare.deliveries.length, 1);
      assert.equal(busy.states.at(-1)?.waiting, 9);
    });

    it('two that take everything are an error for the second', async () => {
      await many(2);
      const [first, second] = [consumer(), consumer({ workflows: ['', ' '] })];
      const poller = pollerOf({ mailbox: bob });
      poller.add(first);
      poller.add(second);
      await pollAndWait(poller, first);
      assert.deepEqual(first.failures, []);
      assert.ok(second.failures[0]?.error instanceof ConfigurationError);
      assert.match(second.failures[0].error.message, /Another node takes everything/);
      assert.equal(first.deliveries.length, 2);
      assert.equal(second.deliveries.length, 0);
    });
  });

  describe('how often it lists', () => {
    it('is limited: a second poll is refused, and says when the next one is', async () => {
      const one = consumer();
      const poller = pollerOf({ mailbox: bob, minimumIntervalMs: 60_000 });
      poller.add(one);
      const before = Date.now();
      assert.deepEqual(poller.poll(), { started: true });
      await idle(one);
      const answer = poller.poll();
      assert.ok(!answer.started);
      const wait = answer.nextPoll.getTime() - before;
      assert.ok(wait >= 59_900 && wait <= 62_000, `${wait}`);
      await idle(one);
      assert.equal(count('list_messages'), 1);
      assert.equal(one.states.at(-1)?.nextPoll, answer.nextPoll.toISOString());
    });

    it('is limited for a new poller of the same mailbox too, and not for another mailbox', async () => {
      const one = consumer();
      const poller = pollerOf({ mailbox: bob, minimumIntervalMs: 60_000 });
      poller.add(one);
      await pollAndWait(poller, one);
      await poller.close();
      const again = pollerOf({ mailbox: mailboxAt(server, { mailboxId: 'X26ABC2' }), minimumIntervalMs: 60_000 });
      again.add(consumer());
      assert.equal(again.poll().started, false);
      const other = pollerOf({ mailbox: alice, minimumIntervalMs: 60_000 });
      other.add(consumer());
      assert.equal(other.poll().started, true);
    });

    it('a poll that was refused is made up for at the next allowed time', async () => {
      const one = consumer();
      const poller = pollerOf({ mailbox: bob, minimumIntervalMs: 80 });
      poller.add(one);
      await pollAndWait(poller, one);
      await many(1);
      assert.equal(poller.poll().started, false);
      await until('the delivery', () => one.deliveries.length === 1);
      assert.equal(count('list_messages'), 2);
    });

    it('is the shortest interval of its consumers, and begins at once', async () => {
      const one = consumer({ intervalMs: 40 });
      const poller = pollerOf({ mailbox: bob });
      poller.add(consumer({ workflows: ['OTHER'], intervalMs: 100_000 }));
      poller.add(one);
      await until('four lists', () => count('list_messages') >= 4);
      await many(1);
      await until('the delivery', () => one.deliveries.length === 1);
      await poller.close();
      const lists = count('list_messages');
      await sleep(100);
      assert.equal(count('list_messages'), lists, 'a closed poller lists no more');
    });

    it('without an interval it lists only when it is told to', async () => {
      const poller = pollerOf({ mailbox: bob });
      poller.add(consumer());
      await sleep(50);
      assert.equal(count('list_messages'), 0);
    });

    it('nobody’s inbox is not listed any more when the last consumer is gone', async () => {
      const one = consumer({ intervalMs: 40 });
      const poller = pollerOf({ mailbox: bob });
      poller.add(one);
      await until('a list', () => count('list_messages') >= 1);
      await idle(one);
      poller.remove(one);
      const lists = count('list_messages');
      await sleep(120);
      assert.equal(count('list_messages'), lists);
    });
  });

  it('drains 600 messages at one go', async function () {
    this.timeout(30_000);
    const { bob: quick } = twoMailboxesAt(server);
    for (let batch = 0; batch < 6; batch += 1) await Promise.all(Array.from({ length: 100 }, () => many(1)));
    const one = consumer({ acknowledge: 'after-delivery', maxInFlight: 10 });
    const poller = pollerOf({ mailbox: quick, minimumIntervalMs: 60_000 });
    poller.add(one);
    poller.poll();
    await until('all 600', () => one.deliveries.length === 600, 20_000);
    await idle(one);
    assert.equal(new Set(one.ids()).size, 600);
    assert.ok(statuses().every((status) => status === 'acknowledged'));
    assert.equal(count('list_messages'), 2, 'two pages');
  });

  describe('an acknowledgement that fails', () => {
    it('is told, and made up for at the next poll, without delivering the message again', async () => {
      const [id = ''] = await many(1);
      const one = consumer();
      const poller = pollerOf({ mailbox: bob, leaseMs: 20 });
      poller.add(one);
      await pollAndWait(poller, one);
      server.fault({ operation: 'acknowledge_message', effect: { kind: 'status', status: 503 } });
      await failure(UnavailableError, poller.acknowledge(id));
      assert.deepEqual(statuses(), ['accepted']);
      await sleep(60);
      await pollAndWait(poller, one);
      assert.deepEqual(statuses(), ['acknowledged']);
      await pollAndWait(poller, one);
      assert.equal(one.deliveries.length, 1);
    });

    it('after delivery is made up for too', async () => {
      await many(2);
      const one = consumer({ acknowledge: 'after-delivery' });
      const poller = pollerOf({ mailbox: bob });
      poller.add(one);
      server.fault({ operation: 'acknowledge_message', effect: { kind: 'status', status: 503 } });
      await pollAndWait(poller, one);
      assert.equal(one.failures.length, 1);
      await pollAndWait(poller, one);
      assert.deepEqual(statuses(), ['acknowledged', 'acknowledged']);
      assert.equal(one.deliveries.length, 2);
    });

    it('again and again does not hammer MESH, nor keep other messages away', async () => {
      const [id = ''] = await many(1);
      const one = consumer();
      const poller = pollerOf({ mailbox: bob });
      poller.add(one);
      await pollAndWait(poller, one);
      server.fault({ operation: 'acknowledge_message', times: Infinity, effect: { kind: 'status', status: 403 } });
      await failure(AuthenticationError, poller.acknowledge(id));
      await many(1);
      const before = operations(server).length;
      poller.poll();
      await sleep(150);
      assert.ok(operations(server).length - before <= 4, `${operations(server).length - before} requests`);
      assert.equal(one.deliveries.length, 2);
      await pollAndWait(poller, one);
      assert.equal(one.failures.length, 1, 'told once');
      server.clearFaults();
      await pollAndWait(poller, one);
      assert.equal(server.messages()[0]?.status, 'acknowledged');
    });

    it('because the message is gone leaves nothing to be made up for', async () => {
      const [id = ''] = await many(1);
      const one = consumer();
      const poller = pollerOf({ mailbox: bob });
      poller.add(one);
      await pollAndWait(poller, one);
      server.fault({ operation: 'acknowledge_message', effect: { kind: 'status', status: 410 } });
      await failure(GoneError, poller.acknowledge(id));
      await bob.acknowledge(id);
      const acknowledgements = count('acknowledge_message');
      await pollAndWait(poller, one);
      assert.equal(count('acknowledge_message'), acknowledgements);
      assert.equal(one.states.at(-1)?.inFlight, 0);
    });

    it('acknowledging twice, or what the poller does not know, is no error', async () => {
      const [id = ''] = await many(1);
      const poller = pollerOf({ mailbox: bob });
      await poller.acknowledge(id);
      await poller.acknowledge(id);
      assert.deepEqual(statuses(), ['acknowledged']);
    });
  });

  describe('MESH that is away', () => {
    it('is told once, and what waits comes when it is back', async () => {
      const ids = await many(2);
      const one = consumer({ intervalMs: 30 });
      const poller = pollerOf({ mailbox: bob });
      server.fault({ operation: 'list_messages', times: 4, effect: { kind: 'drop', when: 'before' } });
      poller.add(one);
      await until('the deliveries', () => one.deliveries.length === 2);
      assert.deepEqual(one.ids(), ids);
      assert.equal(one.failures.length, 1);
      assert.ok(one.failures[0]?.error instanceof ConnectionError);
      assert.ok(count('list_messages') >= 5);
    });

    it('in the middle of draining leaves the rest for later, each delivered once', async () => {
      const ids = await many(3);
      const one = consumer();
      const poller = pollerOf({ mailbox: bob });
      poller.add(one);
      server.fault({ operation: 'retrieve_message', after: 1, effect: { kind: 'status', status: 503 } });
      await pollAndWait(poller, one);
      assert.deepEqual(one.ids(), ids.slice(0, 1));
      assert.ok(one.failures[0]?.error instanceof UnavailableError);
      await pollAndWait(poller, one);
      assert.deepEqual(one.ids(), ids);
      assert.deepEqual(
        one.deliveries.map((delivery) => delivery.deliveryCount),
        [1, 1, 1],
      );
    });

    it('again after it was back is told again', async () => {
      const one = consumer();
      const poller = pollerOf({ mailbox: bob });
      poller.add(one);
      for (let n = 0; n < 2; n += 1) {
        server.fault({ operation: 'list_messages', times: 2, effect: { kind: 'status', status: 500 } });
        for (let poll = 0; poll < 3; poll += 1) await pollAndWait(poller, one);
      }
      assert.equal(one.failures.length, 2);
    });
  });

  describe('a message that cannot be downloaded', () => {
    it('is told once, fetched again at each poll, and parked after so many times', async () => {
      const ids = await many(2);
      const one = consumer();
      const poller = pollerOf({ mailbox: bob, maxDeliveries: 3 });
      poller.add(one);
      for (let n = 0; n < 3; n += 1) {
        server.fault({ operation: 'retrieve_message', effect: { kind: 'truncate', bytes: 5 } });
        await pollAndWait(poller, one);
      }
      assert.deepEqual(one.ids(), ids.slice(1), 'the other one is delivered');
      assert.equal(one.failures.length, 1);
      assert.equal(one.failures[0]?.messageId, ids[0]);
      assert.equal(one.parkedOnes.length, 1);
      assert.ok(one.parkedOnes[0]?.error instanceof DownloadError);
      assert.deepEqual(statuses(), ['accepted', 'accepted']);
    });

    it('is delivered when it can be', async () => {
      const ids = await many(1);
      const one = consumer();
      const poller = pollerOf({ mailbox: bob });
      poller.add(one);
      server.fault({ operation: 'retrieve_message', effect: { kind: 'corrupt' } });
      await pollAndWait(poller, one);
      assert.deepEqual(one.ids(), []);
      await pollAndWait(poller, one);
      assert.deepEqual(one.ids(), ids);
      assert.equal(one.deliveries[0]?.deliveryCount, 1);
    });

    it('because it is too large is parked at once', async () => {
      await many(1);
      const one = consumer();
      const poller = pollerOf({ mailbox: mailboxAt(server, { mailboxId: 'X26ABC2', maxBufferBytes: 1 }) });
      poller.add(one);
      await pollAndWait(poller, one);
      assert.equal(one.parkedOnes[0]?.error?.code, 'MESH_TOO_LARGE');
    });

    it('because somebody else took it meanwhile is forgotten', async () => {
      const [id = ''] = await many(1);
      const one = consumer();
      const poller = pollerOf({ mailbox: bob });
      poller.add(one);
      server.fault({ operation: 'retrieve_message', effect: { kind: 'status', status: 410 } });
      await pollAndWait(poller, one);
      assert.equal(one.failures[0]?.messageId, id);
      await bob.acknowledge(id);
      await pollAndWait(poller, one);
      assert.equal(one.deliveries.length, 0);
      assert.equal(one.states.at(-1)?.waiting, 0);
    });
  });

  describe('consumers that come and go', () => {
    it('a redeploy does not deliver again what is in flight, until its lease ends', async () => {
      const ids = await many(2);
      const before = consumer();
      const poller = pollerOf({ mailbox: bob, leaseMs: 150 });
      poller.add(before);
      await pollAndWait(poller, before);
      poller.remove(before);
      const after = consumer();
      poller.add(after);
      for (let n = 0; n < 3; n += 1) await pollAndWait(poller, after);
      assert.deepEqual(after.ids(), []);
      await poller.acknowledge(ids[0] ?? '');
      await until('the other one', () => after.deliveries.length === 1);
      assert.deepEqual(after.ids(), ids.slice(1));
      assert.equal(after.deliveries[0]?.deliveryCount, 2);
      assert.equal(before.deliveries.length, 2);
    });

    it('what waits for one that goes is the next one’s', async () => {
      const ids = await many(3);
      const before = consumer({ maxInFlight: 1 });
      const poller = pollerOf({ mailbox: bob });
      poller.add(before);
      await pollAndWait(poller, before);
      poller.remove(before);
      const after = consumer();
      poller.add(after);
      await until('the others', () => after.deliveries.length === 2);
      assert.deepEqual(after.ids(), ids.slice(1));
    });

    it('what is parked for one that goes comes again for the next one', async () => {
      await many(1);
      const before = consumer({ deliver: () => Promise.reject(new PayloadError('no')) });
      const poller = pollerOf({ mailbox: bob });
      poller.add(before);
      await pollAndWait(poller, before);
      assert.equal(before.parkedOnes.length, 1);
      poller.remove(before);
      const after = consumer();
      poller.add(after);
      await until('it to come', () => after.deliveries.length === 1);
    });

    it('one that goes during a download gets nothing more: the next one does', async () => {
      await many(1);
      server.fault({ operation: 'retrieve_message', effect: { kind: 'delay', ms: 60 } });
      const before = consumer();
      const poller = pollerOf({ mailbox: bob });
      poller.add(before);
      poller.poll();
      await until('the download', () => before.states.some((state) => state.inFlight === 1));
      poller.remove(before);
      const after = consumer();
      poller.add(after);
      await until('the delivery', () => after.deliveries.length + before.deliveries.length > 0);
      assert.deepEqual([before.deliveries.length, after.deliveries.length], [0, 1]);
      assert.equal(after.deliveries[0]?.deliveryCount, 1);
    });

    it('without any the inbox is listed and left alone', async () => {
      await many(1);
      const poller = pollerOf({ mailbox: bob });
      poller.poll();
      await until('the list', () => count('list_messages') === 1);
      await sleep(20);
      assert.equal(count('retrieve_message') + count('head_message'), 0);
    });

    it('closing waits for the delivery under way, and delivers nothing more', async () => {
      await many(3);
      let done = false;
      const one = consumer({
        deliver: async () => {
          await sleep(50);
          done = true;
        },
      });
      const poller = pollerOf({ mailbox: bob });
      poller.add(one);
      poller.poll();
      await until('the first delivery', () => one.deliveries.length === 1);
      await poller.close();
      assert.ok(done);
      await sleep(30);
      assert.equal(one.deliveries.length, 1);
    });
  });
});

describe('the poller at a server that', () => {
  /** Serves `ids`, at most `page` of them, without links as version 1 does. */
  async function oldServer(
    ids: string[],
    page: number,
    forget: boolean,
  ): Promise<Awaited<ReturnType<typeof hostileMesh>>> {
    const inbox = new Set(ids);
    return hostileMesh(({ method, path }) => {
      const id = path.split('/')[4] ?? '';
      if (method === 'PUT') {
        if (!inbox.has(id)) return { status: 410 };
        if (forget) inbox.delete(id);
        return {};
      }
      if (path.endsWith('/inbox'))
        return { body: Buffer.from(JSON.stringify({ messages: [...inbox].slice(0, page) })) };
      return { body: Buffer.from('x'), headers: { 'mex-workflowid': 'W' } };
    });
  }

  it('has no links lists again at once after a full page, without regard to the interval', async () => {
    const ids = Array.from({ length: 600 }, (_, n) => `M${n}`);
    const server = await oldServer(ids, 500, true);
    const one = consumer({ acknowledge: 'after-delivery' });
    const poller = pollerOf({ mailbox: mailboxAt(server), minimumIntervalMs: 60_000 });
    poller.add(one);
    poller.poll();
    await until('all', () => one.deliveries.length === 600, 15_000);
    await idle(one);
    assert.deepEqual(one.ids(), ids);
    assert.equal(server.seen.filter(({ path }) => path.endsWith('/inbox')).length, 2);
  });

  it('has pages is asked for all of them before anything is delivered', async () => {
    const server = await hostileMesh(({ path }) => {
      if (!/\/inbox(\?|$)/.test(path)) return { body: Buffer.from('x') };
      const page = Number(new URLSearchParams(path.split('?')[1]).get('continue_from') ?? 1);
      const links = page < 3 ? { next: `/inbox?continue_from=${page + 1}` } : {};
      return { body: Buffer.from(JSON.stringify({ messages: [`M${page}a`, `M${page}b`], links })) };
    });
    const one = consumer();
    const poller = pollerOf({ mailbox: mailboxAt(server), minimumIntervalMs: 60_000 });
    poller.add(one);
    await pollAndWait(poller, one);
    assert.deepEqual(one.ids(), ['M1a', 'M1b', 'M2a', 'M2b', 'M3a', 'M3b']);
    assert.equal(
      server.seen.findIndex(({ path }) => path.endsWith('/M1a')),
      3,
    );
  });

  it('lists what was acknowledged is told again, and nothing is delivered again', async () => {
    const server = await oldServer(['M1', 'M2'], 500, false);
    const one = consumer({ acknowledge: 'after-delivery' });
    const poller = pollerOf({ mailbox: mailboxAt(server) });
    poller.add(one);
    await pollAndWait(poller, one);
    await pollAndWait(poller, one);
    assert.deepEqual(one.ids(), ['M1', 'M2']);
    assert.equal(server.count('PUT'), 4);
    assert.deepEqual(one.failures, []);
  });

  it('lists what was acknowledged, and says that it is gone when it is told again, is no error', async () => {
    let acknowledged = 0;
    const server = await hostileMesh(({ method, path }) => {
      if (method === 'PUT') return { status: (acknowledged += 1) === 1 ? 200 : 410 };
      if (path.endsWith('/inbox')) {
        return { body: Buffer.from(JSON.stringify({ messages: acknowledged > 0 ? ['M1', 'M2'] : ['M1'] })) };
      }
      return { body: Buffer.from('x') };
    });
    const one = consumer();
    const poller = pollerOf({ mailbox: mailboxAt(server) });
    poller.add(one);
    await pollAndWait(poller, one);
    await poller.acknowledge('M1');
    await pollAndWait(poller, one);
    assert.deepEqual(one.failures, []);
    assert.equal(one.deliveries.length, 2, 'the new one is delivered');
  });

  it('gives the same next page for ever does not keep it for ever', async () => {
    const server = await hostileMesh(({ path }) =>
      path.includes('/inbox?') || path.endsWith('/inbox')
        ? { body: Buffer.from('{"messages":["M1"],"links":{"next":"/x?continue_from=same"}}') }
        : { body: Buffer.from('x') },
    );
    const one = consumer();
    const poller = pollerOf({ mailbox: mailboxAt(server) });
    poller.add(one);
    await pollAndWait(poller, one);
    assert.deepEqual(one.deliveries.length, 1);
  });
});
