/** mesh-track that follows every change of sent messages; and the storage folder itself. */
import { strict as assert } from 'node:assert';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setClock } from '../../lib/clock';
import { openMailbox, openStorage } from '../../lib/index';
import { fastClock } from '../harness/clocks';
import { builtInSandbox, closeBuiltInSandbox, deploy, helper, logText, pause, receive, Recorder } from './support';
import { logEntries } from './support';
import { redeploy, sandboxConfig, statusesOf, stop, takeMissingTexts, until, useUserDir, type Flow } from './support';

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

/** Lets MESH report the messages that were not collected. */
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

  it('reports every change of sent messages, and those that need attention at its second output too', async () => {
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
    await until(() => statuses.some(({ fill, text }) => fill === 'red' && text === '1 need attention'), 'the status');
    assert.equal(eventsOf(changes).at(-1), 'undelivered');
    await pause(100);
    assert.equal(caught.messages.length, 1, 'of the poll with the token of the future only');

    const results = new Recorder('changes');
    receive('track', { meshTrack: { list: 'undelivered' } });
    assert.deepEqual(
      ((await results.get(1)).payload as Change[]).map((message) => message.id),
      [id],
    );
    receive('track', { meshTrack: { history: meshSent.messageId } });
    const lines = (await results.get(2)).payload as Array<{ event: string }>;
    assert.deepEqual(
      lines.map((line) => line.event),
      ['queued', 'attempt', 'accepted', 'undelivered'],
    );
    receive('track', { meshTrack: { ledger: { format: 'csv' } } });
    const [head, ...rows] = ((await results.get(3)).payload as string).trimEnd().split('\r\n');
    assert.equal(head, 'time,direction,reference,messageId,event,detail');
    assert.ok(rows.some((row) => row.includes(`,out,${id},`) && row.includes(',undelivered,')));
  });

  for (const [what, track] of [
    ['does not follow', {}],
    ['has nothing wired to its second output', { follow: true, wires: [['changes'], []] }],
  ] as const) {
    it(`leaves alarms to Catch if it ${what}`, async () => {
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

  describe('with a clock that runs 3600 times as fast, from a Monday on', () => {
    beforeEach(() => setClock({ machineStart: Date.now(), start: Date.parse('2026-11-16T09:00Z'), speed: 3600 }));

    it('reports an overdue collection, infrastructure or business acknowledgement', async () => {
      const hours = { collectWithinHours: 0.5, infrastructureWithinHours: '1', businessWithinWorkingDays: 0.1 };
      await deploy(trackFlow({ follow: true }, { asks: 'both', ...hours }));
      const [attention, sent] = [new Recorder('attention'), new Recorder('sent')];
      receive('send', { payload: 'x' });
      const { meshSent } = await sent.get(1);
      await attention.get(3);
      const reported = attention.messages.map(({ payload }) => payload as Change & { overdue: string });
      assert.deepEqual(
        reported.map(({ event, id, overdue }) => [event, id, overdue]),
        ['collection', 'infrastructure', 'business'].map((what) => ['overdue', meshSent.id, what]),
      );
    });

    it('expects the acknowledgements of msg.meshSend if the node requests none, with a clear error', async () => {
      await deploy(trackFlow({}, { businessWithinWorkingDays: 0.05 }));
      const caught = new Recorder('caught');
      receive('send', { payload: 'x', meshSend: { asks: 'business' } });
      const { error } = await caught.get(1);
      assert.equal(error.code, 'MESH_OVERDUE');
      assert.match(error.message, /its business acknowledgement has not arrived in time\. Ring the recipient/);
      receive('send', { payload: 'x', meshSend: { asks: 'everything' } });
      await until(() => caught.messages.some((each) => /none, infrastructure/.test(each.error.message)), 'the refusal');
    });
  });

  it('names the lists in the error for an unknown one', async () => {
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

describe('the storage folder', () => {
  const userDir = useUserDir();

  it('keeps queued messages over the end of the process', async () => {
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

  it('warns once about queued messages of a mailbox that no mesh-config opens any more', async () => {
    setClock(fastClock(1000, 0));
    const storage = await openStorage({ folder: join(userDir(), 'mesh') });
    const environment = 'https://localhost:1';
    const before = openMailbox({ storage, environment, mailboxId: 'X26OLD1', password: 'p', sharedKey: 's' });
    await before.outbox.enqueue({ to: 'X26ABC2', workflowId: 'WF', payload: 'x' });
    await before.close();
    await storage.close();
    await deploy(trackFlow({}));
    const warnings = (): string[] => logEntries().filter((entry) => entry.includes('X26OLD1'));
    await until(() => warnings().length > 0, 'the warning');
    assert.match(
      warnings()[0] ?? '',
      /Mailbox X26OLD1 at https:\/\/localhost:1 has queued messages \(1\), but no mesh-config opens it/,
    );
    await redeploy(trackFlow({ name: 'changed' }));
    await pause(100);
    assert.equal(warnings().length, 1);
  });

  it('is waited for while another Node-RED uses it, with a text at every node and at Catch; then work begins', async () => {
    const other = await openStorage({ folder: join(userDir(), 'mesh') });
    await deploy(trackFlow({}));
    const [statuses, caught] = [statusesOf('track'), new Recorder('caught')];
    receive('send', { payload: 'x' });
    // The mailbox reports it without an input, too.
    const isReported = (payload: unknown): boolean =>
      caught.messages.some((msg) => msg.payload === payload && msg.error.code === 'MESH_STORAGE');
    await until(() => isReported('x') && isReported(undefined), 'both errors');
    await until(() => statuses.at(-1)?.text === 'waiting for storage', 'the status');
    assert.deepEqual(statuses.at(-1), { fill: 'yellow', shape: 'ring', text: 'waiting for storage' });
    assert.match(logText(), /Another Node-RED uses the store.*tried again by itself/);
    const reports = caught.messages.length;
    await pause(2000);
    assert.equal(caught.messages.length, reports, 'reported once, not at each attempt');
    await other.close();
    // Without a deploy; mesh-poll joins as well.
    await until(() => statuses.at(-1)?.fill === 'green', 'the connection', 15_000);
    const [sent, report] = [new Recorder('sent'), new Recorder('report')];
    receive('send', { payload: 'y' });
    await sent.get(1);
    await sixDaysLater();
    await report.get(1);
  });

  it('that cannot be created is reported, with advice', async () => {
    await writeFile(join(userDir(), 'mesh'), 'a file where the folder should be');
    await deploy(trackFlow({}));
    const caught = new Recorder('caught');
    helper.getNode('send').receive({ payload: 'x' });
    const { code, message } = (await caught.get(1)).error;
    assert.equal(code, 'MESH_CONFIGURATION');
    assert.match(message, /folder .*mesh .*right to write this folder/s);
  });
});
