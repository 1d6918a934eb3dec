/** mesh-status in a Node-RED runtime: mailboxes that work, stop, recover, and expire. */
import { strict as assert } from 'node:assert';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setClock } from '../../lib/clock';
import type { MailboxAlert, ObservedMailbox } from '../../nodes/monitor/condition-reporter';
import type { PemPair } from '../../lib/sandbox/index';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { listenOn, stopServer } from '../harness/ports';
import { hostileMesh } from '../harness/hostile-mesh';
import { gateTo } from '../harness/mesh-gate';
import { builtInSandbox, change, closeBuiltInSandbox, deploy, logText, receive, Recorder, redeploy } from './support';
import { pause, sandboxConfig, statusesOf, stop, takeMissingTexts, until, type Flow } from './support';

const DAY = 24 * 60 * 60 * 1000;
const TLS = { id: 'tls', type: 'tls-config', cert: '', key: '', ca: '', verifyservercert: true };

/** Monitors `box` every second, with an alert at the first failure and no minimum of disk space. */
const watcher = (settings: object = {}): Flow => [
  {
    id: 'status',
    type: 'mesh-status',
    all: 'one',
    mailbox: 'box',
    wires: [['changes'], ['state']],
    ...FAST,
    ...settings,
  },
  { id: 'changes', type: 'helper' },
  { id: 'state', type: 'helper' },
];
const FAST = { stoppedMinutes: 0, minFreeGb: 0, everySeconds: 1 };

/** A mailbox of the built-in sandbox at another address, with its certificates. */
async function boxAt(
  url: string,
  tls: { ca: string; cert?: string; key?: string },
): Promise<{ flow: Flow; credentials: Record<string, Record<string, string>> }> {
  const sandbox = await builtInSandbox();
  const password = sandbox.mailboxes.find(({ mailboxId }) => mailboxId === 'X26ABC1')?.password ?? '';
  return {
    flow: [TLS, { id: 'box', type: 'mesh-config', environment: url, mailboxId: 'X26ABC1', tls: 'tls', version: 1 }],
    credentials: {
      box: { password, sharedKey: sandbox.sharedKey },
      tls: { cadata: tls.ca, certdata: tls.cert ?? '', keydata: tls.key ?? '' },
    },
  };
}

const alertsOf = (recorder: Recorder): MailboxAlert[] =>
  recorder.messages.map(({ payload }) => payload as MailboxAlert);
const eventsOf = (recorder: Recorder): string[] =>
  alertsOf(recorder).map(({ event, kind, stage }) => `${event} ${kind} ${stage}`);

async function currentState(): Promise<{ status: string; mailboxes: ObservedMailbox[] }> {
  const state = new Recorder('state');
  receive('status', {});
  return (await state.get(1)).payload as never;
}

describe('mesh-status', () => {
  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(closeBuiltInSandbox);

  it('is green and silent while all is well, and returns the health on request', async () => {
    await deploy([sandboxConfig('box', 'X26ABC1'), ...watcher()]);
    const [changes, statuses] = [new Recorder('changes'), statusesOf('status')];
    await until(() => statuses.some(({ fill, text }) => fill === 'green' && text === 'healthy'), 'the status');
    const { status, mailboxes } = await currentState();
    assert.equal(status, 'green');
    const [box] = mailboxes;
    assert.ok(box && 'health' in box);
    assert.deepEqual([box.mailboxId, box.status, box.conditions], ['X26ABC1', 'green', []]);
    assert.ok(box.health.handshake.lastSucceeded !== null && (box.freeBytes ?? 0) > 0);
    assert.deepEqual(JSON.parse(JSON.stringify(mailboxes)), mailboxes);
    assert.equal(changes.messages.length, 0);
  });

  it('reports once that polling has stopped when MESH is cut off, and once that it has recovered', async () => {
    const gate = await gateTo(await sandboxWithCa());
    const { flow, credentials } = await boxAt(gate.url, gate);
    const poll = { id: 'poll', type: 'mesh-poll', mailbox: 'box', interval: 0, wires: [[], [], [], []] };
    await deploy([...flow, poll, ...watcher()], credentials);
    const [changes, statuses] = [new Recorder('changes'), statusesOf('status')];
    await until(() => statuses.some(({ fill }) => fill === 'green'), 'the first look');

    gate.shut();
    receive('poll', {});
    const { payload, topic } = await changes.get(1, 20_000);
    const { mailboxId, id, severity, text, advice } = payload as MailboxAlert;
    assert.deepEqual([topic, mailboxId, id, severity], ['X26ABC1', 'X26ABC1', 'box', 'critical']);
    assert.ok(text && advice);
    await until(() => statuses.some(({ fill, text }) => fill === 'red' && text === 'polling stopped'), 'red');
    // Two more looks, whose status is the same and not shown again.
    await pause(2500);
    assert.deepEqual(eventsOf(changes), ['raised polling stopped']);

    gate.open();
    receive('poll', {});
    await changes.get(2, 20_000);
    assert.deepEqual(eventsOf(changes), ['raised polling stopped', 'recovered polling stopped']);
    await until(() => statuses.at(-1)?.fill === 'green', 'green again');
  });

  it('reports handshakes that fail from the start', async () => {
    const gate = await gateTo(await sandboxWithCa());
    gate.shut();
    const { flow, credentials } = await boxAt(gate.url, gate);
    await deploy([...flow, ...watcher()], credentials);
    const changes = new Recorder('changes');
    await changes.get(1, 20_000);
    assert.deepEqual(eventsOf(changes), ['raised handshake stopped']);
  });

  for (const [days, stage] of [
    [59, '60'],
    [29, '30'],
    [6, '7'],
  ] as const) {
    it(`warns about a client certificate that expires in ${days} days, and again after a deploy`, async () => {
      const sandbox = await sandboxWithCa();
      const pair = await sandbox.clientCertificate({ notAfter: new Date(Date.now() + days * DAY + DAY / 2) });
      const { flow, credentials } = await boxAt(sandbox.url, { ca: sandbox.ca, ...pair });
      const all = [...flow, ...watcher()];
      await deploy(all, credentials);
      const changes = new Recorder('changes');
      await changes.get(1);
      assert.deepEqual(eventsOf(changes), [`raised certificate ${stage}`]);
      assert.match(alertsOf(changes)[0]?.text ?? '', new RegExp(`in ${days} days`));
      await redeploy(all, 'full', credentials);
      const again = new Recorder('changes');
      await again.get(1);
      assert.deepEqual(eventsOf(again), [`raised certificate ${stage}`]);
    });
  }

  it('follows certificate files that are renewed on disk, without a deploy, and warns about half a renewal', async () => {
    const sandbox = await sandboxWithCa();
    const folder = await emptyFolder();
    const pairOf = (days: number): Promise<PemPair> =>
      sandbox.clientCertificate({ notAfter: new Date(Date.now() + days * DAY) });
    const write = async ({ cert, key }: PemPair): Promise<void> => {
      await writeFile(join(folder, 'cert.pem'), cert);
      await writeFile(join(folder, 'key.pem'), key);
    };
    const old = await pairOf(6.5);
    const renewed = await pairOf(300);
    await write(old);
    await writeFile(join(folder, 'ca.pem'), sandbox.ca);
    process.env['MESH_TEST_KEY_FILE'] = join(folder, 'key.pem');
    afterThisTest(() => delete process.env['MESH_TEST_KEY_FILE']);
    const { flow, credentials } = await boxAt(sandbox.url, sandbox);
    const paths = { cert: ` ${join(folder, 'cert.pem')}`, key: '${MESH_TEST_KEY_FILE}', ca: join(folder, 'ca.pem') };
    await deploy([...change(flow, 'tls', paths), ...watcher()], {
      box: credentials['box'] ?? {},
    });
    const changes = new Recorder('changes');
    await changes.get(1);
    await write({ cert: renewed.cert, key: old.key });
    await changes.get(2);
    await write(renewed);
    await changes.get(3);
    assert.deepEqual(eventsOf(changes), [
      'raised certificate 7',
      'changed certificate 7, files unusable',
      'recovered certificate 7, files unusable',
    ]);
    assert.match(alertsOf(changes)[1]?.text ?? '', /private key does not belong to the certificate/);
    const log = logText();
    assert.equal(log.split('The certificate files on disk cannot be used').length - 1, 1, 'one warning');
    assert.match(log, /certificate files have changed on disk and were read again/);
    assert.ok(!log.includes(folder), 'no path in the log');
  });

  it('warns about a clock that differs from MESH’s', async () => {
    const date = new Date(Date.now() - 3 * 60 * 60 * 1000).toUTCString();
    const mesh = await hostileMesh(() => ({ status: 200, headers: { date }, body: Buffer.from('{}') }));
    const { flow, credentials } = await boxAt(mesh.url, mesh);
    await deploy([...flow, ...watcher()], credentials);
    const changes = new Recorder('changes');
    await until(() => eventsOf(changes).includes('raised clock refused'), 'the alert');
    assert.match(alertsOf(changes).find(({ kind }) => kind === 'clock')?.text ?? '', /180 minutes ahead of MESH’s/);
  });

  it('warns about a disk below its minimum free space, for all mailboxes in use', async () => {
    const send = { type: 'mesh-send', to: 'X26ABC2', toType: 'str', workflowId: 'WF', workflowIdType: 'str' };
    await deploy([
      sandboxConfig('box', 'X26ABC1'),
      sandboxConfig('other', 'X26ABC2'),
      sandboxConfig('unused', 'X26ABC3'),
      { id: 'one', mailbox: 'box', ...send },
      { id: 'two', mailbox: 'other', ...send },
      ...watcher({ all: 'all', mailbox: '', minFreeGb: 1e6 }),
    ]);
    const changes = new Recorder('changes');
    await changes.get(2);
    const found = alertsOf(changes).map(({ mailboxId, kind }) => `${mailboxId} ${kind}`);
    assert.deepEqual(new Set(found), new Set(['X26ABC1 disk', 'X26ABC2 disk']));
    assert.equal((await currentState()).mailboxes.length, 2);
  });

  it('reports unclaimed messages in the inbox', async () => {
    const send = { to: 'X26ABC1', toType: 'str', workflowId: 'WF', workflowIdType: 'str' };
    await deploy([
      sandboxConfig('box', 'X26ABC1'),
      { id: 'send', type: 'mesh-send', mailbox: 'box', wires: [['sent']], ...send },
      { id: 'sent', type: 'helper' },
      { id: 'poll', type: 'mesh-poll', mailbox: 'box', interval: 0, workflows: 'OTHER', wires: [[], [], [], []] },
      ...watcher(),
    ]);
    const [sent, changes] = [new Recorder('sent'), new Recorder('changes')];
    receive('send', { payload: 'x' });
    await sent.get(1);
    receive('poll', {});
    await changes.get(1);
    assert.deepEqual(eventsOf(changes), ['raised unclaimed some']);
    assert.equal(alertsOf(changes)[0]?.count, 1);
  });

  it('reports parked messages that take as much space as they may, until they are ended', async () => {
    const send = { to: 'X26ABC1', toType: 'str', workflowId: 'WF', workflowIdType: 'str' };
    const poll = {
      mailbox: 'box',
      interval: 0,
      workflows: '',
      payloadAs: 'json',
      wires: [['data'], [], [], ['parked']],
    };
    await deploy([
      sandboxConfig('box', 'X26ABC1', { maxParkedGb: 0.001 }),
      { id: 'send', type: 'mesh-send', mailbox: 'box', wires: [['sent']], ...send },
      { id: 'sent', type: 'helper' },
      { id: 'poll', type: 'mesh-poll', ...poll },
      { id: 'data', type: 'helper' },
      { id: 'parked', type: 'helper' },
      { id: 'ack', type: 'mesh-ack', mailbox: 'box', wires: [[]] },
      ...watcher(),
    ]);
    const [sent, parked, changes] = [new Recorder('sent'), new Recorder('parked'), new Recorder('changes')];
    for (let n = 1; n <= 2; n += 1) {
      receive('send', { payload: 'no JSON '.repeat(70_000) });
      await sent.get(n);
      receive('poll', {});
      await parked.get(n);
    }
    receive('send', { payload: '{}' });
    await sent.get(3);
    receive('poll', {});
    await until(() => eventsOf(changes).includes('raised inbox-full full'), 'the condition');
    const condition = alertsOf(changes).find(({ kind }) => kind === 'inbox-full');
    assert.deepEqual([condition?.severity, condition?.count], ['critical', 2]);
    receive('ack', parked.messages[0] ?? {});
    await until(() => {
      receive('poll', {});
      return eventsOf(changes).includes('recovered inbox-full full');
    }, 'the recovery');
  });

  it('reports an unacknowledged message near its fifth day', async () => {
    const send = { to: 'X26ABC1', toType: 'str', workflowId: 'WF', workflowIdType: 'str' };
    const flow = [
      sandboxConfig('box', 'X26ABC1', { meshAcknowledge: 'when-done' }),
      { id: 'send', type: 'mesh-send', mailbox: 'box', wires: [['sent']], ...send },
      { id: 'sent', type: 'helper' },
      { id: 'poll', type: 'mesh-poll', mailbox: 'box', interval: 0, wires: [['data'], [], [], []] },
      { id: 'data', type: 'helper' },
      ...watcher(),
    ];
    await deploy(flow);
    const [sent, data] = [new Recorder('sent'), new Recorder('data')];
    receive('send', { payload: 'x' });
    await sent.get(1);
    receive('poll', {});
    const { mesh } = await data.get(1);
    assert.deepEqual((await currentState()).mailboxes[0]?.conditions, []);

    const now = Date.now();
    setClock({ machineStart: now, start: now + 4 * DAY + DAY / 10, speed: 1 });
    await redeploy(flow);
    const changes = new Recorder('changes');
    await until(() => eventsOf(changes).includes(`raised unacknowledged ${mesh.messageId}`), 'the alert');
  });

  it('reports a wrong configuration of a mailbox, without a secret', async () => {
    const credentials = { box: { password: 'marked-password', sharedKey: '' } };
    const box = { id: 'box', type: 'mesh-config', environment: 'integration', mailboxId: 'X26ABC1', version: 1 };
    await deploy([box, ...watcher()], credentials);
    const changes = new Recorder('changes');
    await changes.get(1);
    assert.deepEqual(eventsOf(changes), ['raised configuration failed']);
    assert.doesNotMatch(JSON.stringify(changes.messages) + logText(), /marked-password/);
  });

  it('reports which of its own settings is wrong, and does nothing else', async () => {
    await deploy([sandboxConfig('box', 'X26ABC1'), ...watcher({ everySeconds: 0 })]);
    await until(() => /Check every.*1.*86400/.test(logText()), 'the error');
  });

  it('beats at the address of a dead man’s switch while nothing has stopped, and sends it nothing else', async () => {
    const beats: string[] = [];
    let isRefused = false;
    const server = createServer((request, response) => {
      beats.push(`${request.method} ${request.url} ${request.headers['content-length'] ?? 0}`);
      response.writeHead(isRefused ? 500 : 200).end();
    });
    const heartbeat = `http://127.0.0.1:${await listenOn(server)}/MARKED-UUID?key=MARKED-KEY`;
    afterThisTest(() => stopServer(server));
    await deploy([sandboxConfig('box', 'X26ABC1'), ...watcher()], { status: { heartbeat } });
    await until(() => beats.length >= 2, 'two beats');
    assert.deepEqual(new Set(beats), new Set(['GET /MARKED-UUID?key=MARKED-KEY 0']));
    isRefused = true;
    await until(() => logText().includes('answered the heartbeat with 500'), 'the log');
    assert.doesNotMatch(logText(), /MARKED/);
    isRefused = false;
    await stop();
    // A mailbox that cannot be opened is a critical condition.
    await deploy([sandboxConfig('box', ''), ...watcher()], { status: { heartbeat } });
    await until(() => statusesOf('status').length > 0 || logText() !== '', 'a check');
    beats.length = 0;
    await pause(2500);
    assert.deepEqual(beats, []);
  });
});

async function sandboxWithCa(): Promise<Awaited<ReturnType<typeof builtInSandbox>> & { ca: string }> {
  const sandbox = await builtInSandbox();
  assert.ok(sandbox.ca !== undefined);
  return sandbox as typeof sandbox & { ca: string };
}
