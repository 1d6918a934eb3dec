/** A message that MESH lists again after its acknowledgement, as after the service desk has put it back. */
import assert from 'node:assert/strict';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { steppedClock } from '../harness/clocks';
import { consumer, pollAndWait, type TestConsumer } from '../harness/consumer';
import { hostileMesh, type HostileMesh } from '../harness/hostile-mesh';
import { outboxAt, storageIn as wholeStorageIn } from '../harness/outboxes';
import { eventually } from '../harness/until';
import type { InboxPoller } from '../../lib/index';
import { eventsOf, inboxOf, keyOf, rowsOf, storageIn, type StorageFolder } from './durable-support';

interface World {
  server: HostileMesh;
  storage: StorageFolder;
  one: TestConsumer;
  inbox: InboxPoller;
  /** Lists the message again. */
  putBack: () => void;
  /** The headers that MESH has for it. */
  headers: Record<string, string>;
}

/** Lists M1 until it is acknowledged. */
async function world(acknowledge: 'flow' | 'after-delivery' = 'after-delivery'): Promise<World> {
  const left = new Set(['M1']);
  const headers = { 'mex-from': 'X26ABC1', 'mex-workflowid': 'WF', 'mex-localid': 'L1' };
  const server = await hostileMesh(({ method, path }) => {
    const [, id = ''] = /\/inbox\/(\w+)/.exec(path) ?? [];
    if (path.endsWith('/inbox')) return { body: Buffer.from(JSON.stringify({ messages: [...left] })) };
    if (method === 'PUT') left.delete(id);
    if (method === 'PUT') return {};
    return { headers, body: Buffer.from(method === 'HEAD' ? '' : 'letter') };
  });
  const storage = await storageIn(await emptyFolder());
  const one = consumer({ acknowledge });
  const inbox = inboxOf(server, storage);
  inbox.add(one);
  await pollAndWait(inbox, one);
  return { server, storage, one, inbox, headers, putBack: () => void left.add('M1') };
}

describe('a message that MESH offers again', () => {
  it('is acknowledged only after a line in the ledger, is not delivered twice, and a person is told', async () => {
    const { server, storage, one, inbox, putBack } = await world();
    putBack();
    await pollAndWait(inbox, one);
    assert.deepEqual(one.ids(), ['M1']);
    assert.equal(server.count('PUT'), 2);
    const events = await eventsOf(server, storage, 'M1');
    assert.equal(events.filter((event) => event === 'offered again').length, 1);
    assert.deepEqual(
      one.failures.map(({ error, messageId }) => [error.code, messageId]),
      [['MESH_OFFERED_AGAIN', 'M1']],
    );
    assert.match(one.failures[0]?.error.advice ?? '', /service desk may have put it back/);
    assert.deepEqual(
      (await rowsOf(server, storage)).map(({ state }) => state),
      ['done'],
    );
  });

  it('stays unacknowledged if the line cannot be written', async () => {
    const { server, storage, one, inbox, putBack } = await world();
    putBack();
    const note = storage.store.note.bind(storage.store);
    storage.store.note = () => Promise.reject(new Error('the disk is full'));
    await pollAndWait(inbox, one);
    assert.equal(server.count('PUT'), 1);
    storage.store.note = note;
    await pollAndWait(inbox, one);
    assert.equal(server.count('PUT'), 2);
    assert.ok((await eventsOf(server, storage, 'M1')).includes('offered again'));
  });

  it('in any state but the first is recorded too', async () => {
    const { server, storage, one, inbox, putBack } = await world('flow');
    assert.deepEqual(
      (await rowsOf(server, storage)).map(({ state }) => state),
      ['delivered'],
    );
    putBack();
    await pollAndWait(inbox, one);
    assert.ok((await eventsOf(server, storage, 'M1')).includes('offered again'));
    assert.deepEqual([one.ids(), server.count('PUT')], [['M1'], 2]);
  });

  it('has one line and one error however often it is listed, and new ones when it is put back once more', async () => {
    const { server, storage, one, inbox, putBack } = await world();
    const lines = async (): Promise<number> =>
      (await eventsOf(server, storage, 'M1')).filter((event) => event === 'offered again').length;
    for (let poll = 0; poll < 4; poll += 1) {
      putBack();
      await pollAndWait(inbox, one);
    }
    assert.deepEqual([await lines(), one.failures.length], [1, 1]);
    for (let poll = 0; poll < 2; poll += 1) await pollAndWait(inbox, one);
    putBack();
    await pollAndWait(inbox, one);
    assert.deepEqual([await lines(), one.failures.length], [2, 2]);
  });

  for (const [name, value] of [
    ['mex-from', 'X26ABC3'],
    ['mex-workflowid', 'OTHER'],
    ['mex-localid', 'L2'],
    ['mex-messagetype', 'REPORT'],
  ] as const) {
    it(`with another ${name} is another message: it is not acknowledged, and a person is told`, async () => {
      const { server, storage, one, inbox, putBack, headers } = await world();
      headers[name] = value;
      putBack();
      for (let poll = 0; poll < 3; poll += 1) await pollAndWait(inbox, one);
      assert.equal(server.count('PUT'), 1);
      assert.match(one.failures[0]?.error.message ?? '', /another message under the id M1/);
      assert.equal(one.failures.length, 1);
      const history = await storage.store.history(keyOf(server), 'M1');
      const line = history.find(({ event }) => event === 'offered again');
      assert.equal(typeof line?.detail['different'], 'string');
    });
  }

  it('is counted, and shown in the mailbox’s health for a day, over a restart', async () => {
    const left = new Set(['M1']);
    const server = await hostileMesh(({ method, path }) => {
      if (path.endsWith('/inbox')) return { body: Buffer.from(JSON.stringify({ messages: [...left] })) };
      if (method === 'PUT') left.clear();
      return method === 'PUT' ? {} : { body: Buffer.from(method === 'HEAD' ? '' : 'letter') };
    });
    const clock = steppedClock();
    const folder = await emptyFolder();
    const storage = await wholeStorageIn(folder);
    const mailbox = outboxAt(server, { storage, clock });
    const inbox = mailbox.inbox({ minimumIntervalMs: 0 });
    afterThisTest(() => inbox.close());
    const one = consumer({ acknowledge: 'after-delivery' });
    inbox.add(one);
    await pollAndWait(inbox, one);
    assert.deepEqual([mailbox.health().offeredAgain, mailbox.traffic().offeredAgain], [null, 0]);
    left.add('M1');
    await pollAndWait(inbox, one);
    const { at, ...offered } = mailbox.health().offeredAgain ?? {};
    assert.deepEqual(offered, { messages: 1, different: 0, messageId: 'M1' });
    assert.ok(Math.abs(Date.parse(at ?? '') - clock.now()) < 60_000);
    await inbox.close();
    await mailbox.close();
    await storage.close();
    // A restart two hours later; a deploy opens the mailbox again, too.
    clock.advance(2 * 60 * 60 * 1000);
    const again = outboxAt(server, { storage: await wholeStorageIn(folder), clock });
    again.start();
    await eventually('it is shown again', () => again.health().offeredAgain !== null);
    const { at: shownAt = '', ...shown } = again.health().offeredAgain ?? {};
    assert.deepEqual(shown, offered);
    assert.ok(Math.abs(Date.parse(shownAt) - Date.parse(at ?? '')) < 1000, `${shownAt} instead of ${at}`);
    clock.advance(24 * 60 * 60 * 1000);
    assert.deepEqual([again.health().offeredAgain, mailbox.traffic().offeredAgain], [null, 1]);
  });

  it('only because our acknowledgement was lost is acknowledged without a word', async () => {
    let isLost = true;
    const left = new Set(['M1']);
    const server = await hostileMesh(({ method, path }) => {
      if (path.endsWith('/inbox')) return { body: Buffer.from(JSON.stringify({ messages: [...left] })) };
      if (method !== 'PUT') return { body: Buffer.from('letter') };
      if (isLost) return 'break';
      left.clear();
      return {};
    });
    const storage = await storageIn(await emptyFolder());
    const one = consumer({ acknowledge: 'after-delivery' });
    const inbox = inboxOf(server, storage);
    inbox.add(one);
    await pollAndWait(inbox, one);
    isLost = false;
    await pollAndWait(inbox, one);
    assert.ok(!(await eventsOf(server, storage, 'M1')).includes('offered again'));
    assert.equal(left.size, 0);
  });
});
