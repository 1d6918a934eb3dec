/** What becomes of what was sent, told without being asked; and the state folder itself. */
import { strict as assert } from 'node:assert';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMailbox, openStorage } from '../../lib/index';
import { builtInSandbox, closeBuiltInSandbox, deploy, helper, logText, pause, receive, Recorder } from './support';
import { logEntries } from './support';
import { redeploy, sandboxConfig, statusesOf, stop, takeMissingTexts, until, withUserDir, type Flow } from './support';

const TO = { to: 'X26ABC2', toType: 'str', workflowId: 'WF', workflowIdType: 'str' };

/** mesh-send and mesh-track at X26ABC1, which also polls for its reports. */
function trackFlow(track: object, send: object = {}): Flow {
  return [
    sandboxConfig('from', 'X26ABC1'),
    { id: 'send', type: 'mesh-send', mailbox: 'from', wires: [['sent']], ...TO, ...send },
    { id: 'track', type: 'mesh-track', mailbox: 'from', wires: [['changes'], ['attention']], ...track },
    { id: 'poll', type: 'mesh-poll', mailbox: 'from', interval: 0, wires: [['sent'], ['report'], [], []] },
    ...['sent', 'changes', 'attention', 'report', 'caught'].map((id) => ({ id, type: 'helper' })),
    { id: 'catcher', type: 'catch', wires: [['caught']] },
  ];
}

interface Change {
  event: string;
  id: string;
  messageId?: string;
  state: string;
}

const eventsOf = (recorder: Recorder): string[] => recorder.messages.map(({ payload }) => (payload as Change).event);

/** Nobody collects what was sent; MESH makes a report of it. */
async function sixDaysLater(): Promise<void> {
  const sandbox = await builtInSandbox();
  const days = 6 * 24 * 3600 * 1000;
  sandbox.clock.advance(days);
  const requests = sandbox.requests().length;
  receive('poll', {});
  await until(() => sandbox.requests().length > requests, 'a request');
  sandbox.clock.advance(-days);
  receive('poll', {});
}

describe('mesh-track that follows', () => {
  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(closeBuiltInSandbox);

  it('tells each change of what was sent, and what needs attention at its second output too', async () => {
    await deploy(trackFlow({ follow: true }));
    const [changes, attention, sent] = [new Recorder('changes'), new Recorder('attention'), new Recorder('sent')];
    const [caught, statuses] = [new Recorder('caught'), statusesOf('track')];
    receive('send', { payload: 'x' });
    const { meshSent } = await sent.get(1);
    await changes.get(3);
    assert.deepEqual(eventsOf(changes), ['queued', 'sending', 'accepted']);
    const last = changes.messages.at(-1);
    assert.equal(last?.topic, 'WF');
    assert.equal((last?.payload as Change | undefined)?.messageId, meshSent.messageId);
    assert.deepEqual(JSON.parse(JSON.stringify(last?.payload)), last?.payload);
    assert.equal(attention.messages.length, 0);

    await sixDaysLater();
    const report = await new Recorder('report').get(1);
    assert.equal((report.payload as { linkedMessageId: string }).linkedMessageId, meshSent.messageId);
    const { event, id, state } = (await attention.get(1)).payload as Change;
    assert.deepEqual([event, id, state], ['undelivered', meshSent.id, 'undelivered']);
    await until(() => statuses.some(({ fill, text }) => fill === 'red' && text === '1 need a look'), 'the status');
    assert.equal(eventsOf(changes).at(-1), 'undelivered');
    await pause(100);
    assert.equal(caught.messages.length, 1, 'of the poll with the token of the future only');

    const answer = new Recorder('changes');
    receive('track', { meshTrack: { list: 'undelivered' } });
    assert.deepEqual(
      ((await answer.get(1)).payload as Change[]).map((message) => message.id),
      [id],
    );
    receive('track', { meshTrack: { history: meshSent.messageId } });
    const lines = (await answer.get(2)).payload as Array<{ event: string }>;
    assert.deepEqual(
      lines.map((line) => line.event),
      ['queued', 'attempt', 'accepted', 'undelivered'],
    );
    receive('track', { meshTrack: { ledger: { format: 'csv' } } });
    const [head, ...rows] = ((await answer.get(3)).payload as string).trimEnd().split('\r\n');
    assert.equal(head, 'time,direction,reference,messageId,event,detail');
    assert.ok(rows.some((row) => row.includes(`,out,${id},`) && row.includes(',undelivered,')));
  });

  for (const [what, track] of [
    ['does not follow', {}],
    ['has nothing wired to its second output', { follow: true, wires: [['changes'], []] }],
  ] as const) {
    it(`leaves it to Catch where it ${what}`, async () => {
      await deploy(trackFlow(track));
      const sent = new Recorder('sent');
      receive('send', { payload: 'x' });
      const { meshSent } = await sent.get(1);
      const caught = new Recorder('caught');
      await sixDaysLater();
      await until(() => caught.messages.some(({ error }) => error.code === 'MESH_UNDELIVERED'), 'the alarm');
      const alarms = caught.messages.filter(({ error }) => error.code === 'MESH_UNDELIVERED');
      assert.equal(alarms.length, 1);
      assert.equal(alarms[0]?.meshSent.id, meshSent.id);
      assert.equal(alarms[0]?.meshSent.messageId, meshSent.messageId);
      assert.match(alarms[0]?.error.message ?? '', /did not arrive/);
    });
  }

  describe('by a clock that is 3600 times as fast, from a Monday on', () => {
    beforeEach(() => (process.env['MESH_TEST_CLOCK'] = `${Date.now()},${Date.parse('2026-11-16T09:00Z')},3600`));
    afterEach(() => delete process.env['MESH_TEST_CLOCK']);

    it('says what is overdue: collection, infrastructure or business acknowledgement', async () => {
      const hours = { collectWithinHours: 0.5, infrastructureWithinHours: '1', businessWithinWorkingDays: 0.1 };
      await deploy(trackFlow({ follow: true }, { asks: 'both', ...hours }));
      const [attention, sent] = [new Recorder('attention'), new Recorder('sent')];
      receive('send', { payload: 'x' });
      const { meshSent } = await sent.get(1);
      await attention.get(3);
      const told = attention.messages.map(({ payload }) => payload as Change & { overdue: string });
      assert.deepEqual(
        told.map(({ event, id, overdue }) => [event, id, overdue]),
        ['collection', 'infrastructure', 'business'].map((what) => ['overdue', meshSent.id, what]),
      );
    });

    it('expects of a message what msg.meshSend says where the node expects nothing, and tells Catch in words', async () => {
      await deploy(trackFlow({}, { businessWithinWorkingDays: 0.05 }));
      const caught = new Recorder('caught');
      receive('send', { payload: 'x', meshSend: { asks: 'business' } });
      const { error } = await caught.get(1);
      assert.equal(error.code, 'MESH_OVERDUE');
      assert.match(error.message, /its business acknowledgement has not come in time\. Ring the recipient/);
      receive('send', { payload: 'x', meshSend: { asks: 'everything' } });
      await until(() => caught.messages.some((each) => /none, infrastructure/.test(each.error.message)), 'the refusal');
    });
  });

  it('says which lists there are', async () => {
    await deploy(trackFlow({}));
    const caught = new Recorder('caught');
    receive('track', { meshTrack: { list: 'lost' } });
    assert.match((await caught.get(1)).error.message, /held, waiting, queued/);
    receive('track', { meshTrack: 'held' });
    assert.match((await caught.get(2)).error.message, /must be an object/);
    receive('track', { meshTrack: { list: 'constructor' } });
    assert.match((await caught.get(3)).error.message, /held, waiting, queued/);
  });
});

describe('the state folder', () => {
  let userDir = '';
  beforeEach(async () => {
    userDir = await mkdtemp(join(tmpdir(), 'mesh-user-dir-'));
  });
  afterEach(async () => {
    await stop();
    withUserDir(undefined);
    await rm(userDir, { recursive: true });
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(closeBuiltInSandbox);

  it('keeps what waits over the end of the process', async () => {
    withUserDir(userDir);
    const sandbox = await builtInSandbox();
    sandbox.setMailboxActive('X26ABC1', false);
    await deploy(trackFlow({}, { confirm: 'queued' }));
    const sent = new Recorder('sent');
    for (const payload of ['1', '2', '3']) receive('send', { payload });
    await sent.get(3);
    await stop();
    sandbox.setMailboxActive('X26ABC1', true);
    await deploy(trackFlow({}));
    await until(() => sandbox.messages().length === 3, 'all three');
    assert.deepEqual(
      sandbox.messages().map(({ localId }) => localId),
      sent.messages.map(({ meshSent }) => meshSent.localId),
    );
  });

  it('tells once of messages that wait for a mailbox which no mesh-config opens any more', async () => {
    process.env['MESH_TEST_CLOCK'] = `${Date.now()},${Date.now()},1000`;
    try {
      const storage = await openStorage({ folder: join(userDir, 'mesh') });
      const environment = 'https://localhost:1';
      const before = openMailbox({ storage, environment, mailboxId: 'X26OLD1', password: 'p', sharedKey: 's' });
      await before.outbox.enqueue({ to: 'X26ABC2', workflowId: 'WF', payload: 'x' });
      await before.close();
      await storage.close();
      withUserDir(userDir);
      await deploy(trackFlow({}));
      const warnings = (): string[] => logEntries().filter((entry) => entry.includes('X26OLD1'));
      await until(() => warnings().length > 0, 'the warning');
      assert.match(
        warnings()[0] ?? '',
        /\(1\) for mailbox X26OLD1 at https:\/\/localhost:1, which no mesh-config opens/,
      );
      await redeploy(trackFlow({ name: 'changed' }));
      await pause(100);
      assert.equal(warnings().length, 1);
    } finally {
      delete process.env['MESH_TEST_CLOCK'];
    }
  });

  it('of another Node-RED is refused in words, at every node and at Catch, until it is free', async () => {
    withUserDir(userDir);
    const other = await openStorage({ folder: join(userDir, 'mesh') });
    await deploy(trackFlow({}));
    const [statuses, caught] = [statusesOf('track'), new Recorder('caught')];
    receive('send', { payload: 'x' });
    // mesh-poll tells it by itself, too: nobody has to press a button to hear that nothing is received.
    const told = (payload: unknown): boolean =>
      caught.messages.some((msg) => msg.payload === payload && msg.error.code === 'MESH_CONFIGURATION');
    await until(() => told('x') && told(undefined), 'both errors');
    await until(() => statuses.at(-1)?.text === 'check settings', 'the status');
    assert.deepEqual(statuses.at(-1), { fill: 'red', shape: 'ring', text: 'check settings' });
    assert.match(logText(), /"mesh-config"/);
    await other.close();
    await redeploy(trackFlow({}));
    const sent = new Recorder('sent');
    receive('send', { payload: 'y' });
    await sent.get(1);
  });

  it('that cannot be made is told, with what to do', async () => {
    await writeFile(join(userDir, 'mesh'), 'a file where the folder should be');
    withUserDir(userDir);
    await deploy(trackFlow({}));
    const caught = new Recorder('caught');
    helper.getNode('send').receive({ payload: 'x' });
    const { code, message } = (await caught.get(1)).error;
    assert.equal(code, 'MESH_CONFIGURATION');
    assert.match(message, /folder .*mesh .*right to write this folder/s);
  });
});
