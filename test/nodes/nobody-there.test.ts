/** Outputs behind which no node runs: nothing that must not get lost is handed to Node-RED, which would lose it. */
import { strict as assert } from 'node:assert';
import { mkdtemp, readdir, rm, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../harness/ports';
import { MllpClient, openMailbox, openStorage } from '../../lib/index';
import { builtInSandbox, closeBuiltInSandbox, deploy, helper, pause, receive, Recorder } from './support';
import {
  change,
  redeploy,
  sandboxConfig,
  statusesOf,
  stop,
  takeMissingTexts,
  until,
  withUserDir,
  type Flow,
} from './support';

/** mesh-send at X26ABC1 fills the inbox of X26ABC2, whose mesh-poll marks as done right after delivery. */
function pollFlow(wire: string, behind: Flow = [], more: object = {}): Flow {
  return [
    sandboxConfig('from', 'X26ABC1'),
    sandboxConfig('into', 'X26ABC2', { meshAcknowledge: 'when-done' }),
    { id: 'send', type: 'mesh-send', mailbox: 'from', to: 'X26ABC2', toType: 'str', wires: [['sent']] },
    {
      id: 'poll',
      type: 'mesh-poll',
      mailbox: 'into',
      interval: 0,
      acknowledge: 'after-delivery',
      wires: [[wire], ['parked'], ['parked'], ['parked']],
      ...more,
    },
    ...['sent', 'parked', 'caught'].map((id) => ({ id, type: 'helper' })),
    { id: 'catcher', type: 'catch', wires: [['caught']] },
    ...behind,
  ];
}

const END = { id: 'end', type: 'helper' };
/** A subflow with one input and one output; `inner` are its nodes. */
const subflow = (enters: string, leaves: string, inner: Flow): Flow => [
  {
    id: 'sf',
    type: 'subflow',
    name: 'sf',
    in: [{ x: 0, y: 0, wires: [{ id: enters }] }],
    out: [{ x: 0, y: 0, wires: [{ id: leaves, port: 0 }] }],
  },
  ...inner.map((node) => ({ z: 'sf', ...node })),
];
const instance = (wires: string[][]): Flow[number] => ({ id: 'inst', type: 'subflow:sf', wires });

/** What is wired to mesh-poll, and the nodes behind it, through which no node is reached. */
const NOWHERE: Record<string, [wire: string, behind: Flow]> = {
  'a disabled node': ['end', [{ ...END, d: true }]],
  'a node that is gone': ['gone', []],
  'a junction without wires': ['junction', [{ id: 'junction', type: 'junction', wires: [[]] }]],
  'a junction to a disabled node': [
    'junction',
    [
      { id: 'junction', type: 'junction', wires: [['end']] },
      { ...END, d: true },
    ],
  ],
  'a link without a target': ['out', [{ id: 'out', type: 'link out', mode: 'link', links: [] }]],
  'a link to a disabled tab': [
    'out',
    [
      { id: 'out', type: 'link out', mode: 'link', links: ['in'] },
      { id: 'off', type: 'tab', label: 'off', disabled: true },
      { id: 'in', type: 'link in', z: 'off', links: ['out'], wires: [['end']] },
      { ...END, z: 'off' },
    ],
  ],
  'a link that returns to nobody': ['out', [{ id: 'out', type: 'link out', mode: 'return', links: [] }]],
  'links in a circle': [
    'out',
    [
      { id: 'out', type: 'link out', mode: 'link', links: ['in'] },
      { id: 'in', type: 'link in', links: ['out'], wires: [['out']] },
    ],
  ],
  'a link call of a disabled link in': [
    'call',
    [
      { id: 'call', type: 'link call', links: ['in'], timeout: '30', wires: [['end']] },
      { id: 'in', type: 'link in', links: [], wires: [['end']], d: true },
      END,
    ],
  ],
  'a link call that returns to nobody': [
    'call',
    [
      { id: 'call', type: 'link call', links: ['in'], timeout: '30', wires: [[]] },
      { id: 'in', type: 'link in', links: [], wires: [['back']] },
      { id: 'back', type: 'link out', mode: 'return', links: [] },
    ],
  ],
  'a link call by name without a name': [
    'call',
    [{ id: 'call', type: 'link call', linkType: 'dynamic', links: [], timeout: '30', wires: [['end']] }, END],
  ],
  'a subflow whose inner node is disabled': [
    'inst',
    [...subflow('inner', 'inner', [{ id: 'inner', type: 'helper', d: true }]), instance([['end']]), END],
  ],
  'a subflow that leads through, to nobody': [
    'inst',
    [
      ...subflow('pass', 'pass', [{ id: 'pass', type: 'junction', wires: [[]] }]),
      instance([['end']]),
      { ...END, d: true },
    ],
  ],
  'a disabled subflow': [
    'inst',
    [...subflow('inner', 'inner', [{ id: 'inner', type: 'helper' }]), { ...instance([['end']]), d: true }, END],
  ],
};

/** The same ways, but a node is there at their end. */
const SOMEWHERE: Record<string, [wire: string, behind: Flow]> = {
  'a junction': ['junction', [{ id: 'junction', type: 'junction', wires: [['end']] }, END]],
  'a link to another tab': [
    'out',
    [
      { id: 'out', type: 'link out', mode: 'link', links: ['in'] },
      { id: 'tab2', type: 'tab', label: 'two' },
      { id: 'in', type: 'link in', z: 'tab2', links: ['out'], wires: [['end']] },
      { ...END, z: 'tab2' },
    ],
  ],
  'a link call that returns to a node': [
    'call',
    [
      { id: 'call', type: 'link call', links: ['in'], timeout: '30', wires: [['end']] },
      { id: 'in', type: 'link in', links: [], wires: [['back']] },
      { id: 'back', type: 'link out', mode: 'return', links: [] },
      END,
    ],
  ],
  'a subflow that leads through to a node': [
    'inst',
    [...subflow('pass', 'pass', [{ id: 'pass', type: 'junction', wires: [[]] }]), instance([['end']]), END],
  ],
  'a disabled node and one that runs': [
    'junction',
    [{ id: 'junction', type: 'junction', wires: [['off', 'end']] }, { id: 'off', type: 'helper', d: true }, END],
  ],
};

async function fill(payload: string): Promise<void> {
  const sent = new Recorder('sent');
  receive('send', { payload, meshSend: { workflowId: 'WF' } });
  await sent.get(1);
}

/** The number of messages in X26ABC2's inbox at MESH that are not acknowledged. */
async function atMesh(): Promise<number> {
  const messages = (await builtInSandbox()).messages();
  return messages.filter(({ to, status }) => to === 'X26ABC2' && status === 'accepted').length;
}

const notWired = (caught: Recorder): number =>
  caught.messages.filter(({ error }) => error.code === 'MESH_OUTPUT_NOT_WIRED').length;

describe('where no node runs behind an output', () => {
  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(closeBuiltInSandbox);

  for (const [what, [wire, behind]] of Object.entries(NOWHERE)) {
    it(`mesh-poll delivers nothing to ${what}, and delivers after the deploy that wires it`, async () => {
      const flow = pollFlow(wire, behind);
      await deploy(flow);
      await fill('letter');
      const [caught, statuses] = [new Recorder('caught'), statusesOf('poll')];
      receive('poll', {});
      await until(() => notWired(caught) === 1, 'the error');
      assert.match(caught.messages[0]?.error.message ?? '', /'data' reach no node that runs/);
      assert.ok(statuses.some(({ fill: colour, text }) => colour === 'red' && text === 'output not wired'));
      await pause(50);
      assert.equal(await atMesh(), 1, 'not acknowledged');
      // Only the wire changes: mesh-poll itself runs on.
      const wired = pollFlow('there', [...behind, { id: 'there', type: 'helper' }]);
      await redeploy(wired, 'nodes');
      await until(() => helper.getNode('there') !== null, 'the node');
      const msg = await new Recorder('there').get(1);
      assert.equal(String(msg.payload), 'letter');
      await until(() => statuses.at(-1)?.fill === 'green', 'a green status');
    });
  }

  for (const [what, [wire, behind]] of Object.entries(SOMEWHERE)) {
    it(`mesh-poll delivers through ${what}`, async () => {
      await deploy(pollFlow(wire, behind));
      await fill('letter');
      const [caught, end] = [new Recorder('caught'), new Recorder('end')];
      receive('poll', {});
      assert.equal(String((await end.get(1)).payload), 'letter');
      assert.equal(notWired(caught), 0);
    });
  }

  it('mesh-poll refuses to list parked messages', async () => {
    await deploy(pollFlow('end', [END], { wires: [['end'], [], [], []] }));
    const caught = new Recorder('caught');
    receive('poll', { meshPoll: { list: 'parked' } });
    assert.match((await caught.get(1)).error.message, /'parked' is not wired/);
  });

  it('mesh-ack does not end a message that the flow behind it would lose; a debug node that is off does not count', async () => {
    const ack = { id: 'ack', type: 'mesh-ack', mailbox: 'into' };
    const flow = (behind: Flow[number]): Flow =>
      pollFlow('ack', [{ ...ack, wires: [[behind.id]] }, behind], { acknowledge: 'flow' });
    await deploy(flow({ id: 'next', type: 'helper', d: true }));
    await fill('letter');
    const caught = new Recorder('caught');
    receive('poll', {});
    const { error, mesh } = await caught.get(1);
    assert.equal(error.code, 'MESH_OUTPUT_NOT_WIRED');
    await pause(50);
    assert.equal(await atMesh(), 1, 'not done');
    await redeploy(flow({ id: 'next', type: 'debug', d: true }), 'nodes');
    receive('ack', { mesh });
    await until(() => helper.getNode('ack') !== null, 'mesh-ack');
    for (let left = await atMesh(); left > 0; left = await atMesh()) await pause(10);
  });

  it('mesh-mllp-in responds at once instead of waiting for a flow that is not there', async () => {
    const port = await freePort();
    const flow = (d: boolean): Flow => [
      { id: 'in', type: 'mesh-mllp-in', port, timeout: 60, wires: [['aa']] },
      { id: 'aa', type: 'mesh-mllp-response', answer: 'AA', d },
      { id: 'caught', type: 'helper' },
      { id: 'catcher', type: 'catch', wires: [['caught']] },
    ];
    await deploy(flow(true));
    const [caught, statuses] = [new Recorder('caught'), statusesOf('in')];
    await until(() => statuses.length > 0, 'the server');
    const client = new MllpClient({ host: '127.0.0.1', port });
    const message = Buffer.from('MSH|^~\\&|A|B|C|D|20260401||ADT^A01|M-1|P|2.4\rPID|||1||SMITH\r');
    const refused = await client.send(message);
    assert.deepEqual([refused.isPositive, refused.code], [false, 'AE']);
    assert.equal((await caught.get(1)).error.code, 'MESH_OUTPUT_NOT_WIRED');
    await redeploy(flow(false), 'nodes');
    assert.equal((await client.send(message)).code, 'AA');
    client.close();
  });

  it('mesh-mllp-out gives Catch a message that the receiver refused and nothing takes', async () => {
    const port = await freePort();
    await deploy([
      { id: 'in', type: 'mesh-mllp-in', port, wires: [['ae']] },
      { id: 'ae', type: 'mesh-mllp-response', answer: 'AE' },
      { id: 'out', type: 'mesh-mllp-out', host: '127.0.0.1', port, wires: [['end'], []] },
      END,
      { id: 'caught', type: 'helper' },
      { id: 'catcher', type: 'catch', scope: ['out'], wires: [['caught']] },
    ]);
    const [caught, statuses] = [new Recorder('caught'), statusesOf('in')];
    await until(() => statuses.length > 0, 'the server');
    receive('out', { payload: 'MSH|^~\\&|A|B|C|D|20260401||ADT^A01|M-1|P|2.4\rPID|||1||SMITH\r' });
    const msg = (await caught.get(1)) as { mllpSent?: { code?: string } };
    assert.equal(msg.mllpSent?.code, 'AE');
    assert.equal(caught.messages[0]?.error.code, 'MESH_OUTPUT_NOT_WIRED');
  });

  it('mesh-folder-read leaves the files in the folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mesh-nobody-'));
    try {
      await mkdir(join(folder, 'out'));
      await writeFile(join(folder, 'out', 'a.dat'), 'letter');
      const control =
        '<DTSControl><From_DTS>X26ABC1</From_DTS><To_DTS>X26ABC2</To_DTS><WorkflowId>WF</WorkflowId></DTSControl>';
      await writeFile(join(folder, 'out', 'a.ctl'), control);
      const read = { id: 'read', type: 'mesh-folder-read', mailbox: 'from', folder, interval: 0.05, settledFor: 0.1 };
      const flow = (d: boolean): Flow => [
        sandboxConfig('from', 'X26ABC1'),
        { ...read, wires: [['end']] },
        { ...END, d },
        { id: 'caught', type: 'helper' },
        { id: 'catcher', type: 'catch', wires: [['caught']] },
      ];
      await deploy(flow(true));
      const caught = new Recorder('caught');
      receive('read', {});
      assert.equal((await caught.get(1)).error.code, 'MESH_OUTPUT_NOT_WIRED');
      assert.deepEqual((await readdir(join(folder, 'out'))).toSorted(), ['a.ctl', 'a.dat']);
      await redeploy(flow(false), 'nodes');
      const end = new Recorder('end');
      assert.equal(((await end.get(1)) as { meshSend?: { to?: string } }).meshSend?.to, 'X26ABC2');
    } finally {
      await stop();
      await rm(folder, { recursive: true, force: true });
    }
  });

  describe('mesh-track', () => {
    const flow = (alarms: string[], behind: Flow = []): Flow => [
      sandboxConfig('from', 'X26ABC1'),
      { id: 'send', type: 'mesh-send', mailbox: 'from', confirm: 'queued', wires: [[]] },
      { id: 'track', type: 'mesh-track', mailbox: 'from', follow: true, wires: [[], alarms] },
      { id: 'caught', type: 'helper' },
      { id: 'catcher', type: 'catch', wires: [['caught']] },
      ...behind,
    ];
    /** Sends a message that MESH rejects, which is an alarm. */
    const reject = (): void => receive('send', { payload: 'x', meshSend: { to: 'X99NONE1', workflowId: 'WF' } });

    for (const [what, taken] of [
      ['leads to a disabled node', flow(['end'], [{ ...END, d: true }])],
      ['has lost its wire to a deploy of modified nodes', flow([])],
    ] as const) {
      it(`gives an alarm to Catch while its second output ${what}, and to the output once that is wired`, async () => {
        await deploy(flow(['end'], [END]));
        await redeploy(taken, 'nodes');
        const caught = new Recorder('caught');
        reject();
        await until(() => caught.messages.some(({ meshSent }) => meshSent?.status === 'rejected'), 'the alarm');
        await until(() => notWired(caught) === 1, 'the fault of the output');
        await redeploy(flow(['end'], [END]), 'nodes');
        const msg = await new Recorder('end').get(1);
        assert.equal((msg.payload as { event: string }).event, 'rejected');
      });
    }

    it('gives an alarm that it kept to the node that a full deploy makes', async () => {
      await deploy(flow(['end'], [{ ...END, d: true }]));
      const caught = new Recorder('caught');
      reject();
      await until(() => notWired(caught) === 1, 'the fault of the output');
      await redeploy(change(flow(['end'], [END]), 'track', { name: 'another' }));
      assert.equal(((await new Recorder('end').get(1)).payload as { event: string }).event, 'rejected');
    });
  });

  it('mesh-status gives an alert to Catch, and to its output once that is wired', async () => {
    const flow = (d: boolean): Flow => [
      sandboxConfig('box', 'X26ABC1', { mailboxId: '' }),
      { id: 'poll', type: 'mesh-poll', mailbox: 'box', interval: 0, wires: [[], [], [], []] },
      { id: 'status', type: 'mesh-status', all: 'all', everySeconds: 1, wires: [['end'], []] },
      { ...END, d },
      { id: 'caught', type: 'helper' },
      { id: 'catcher', type: 'catch', scope: ['status'], wires: [['caught']] },
    ];
    await deploy(flow(true));
    const caught = new Recorder('caught');
    await until(
      () => caught.messages.some(({ payload }) => (payload as { kind?: string })?.kind === 'configuration'),
      'the alert',
    );
    await redeploy(flow(false), 'nodes');
    assert.equal(((await new Recorder('end').get(1)).payload as { kind: string }).kind, 'configuration');
  });

  it('mesh-status reports messages that wait for a mailbox which nobody opens', async () => {
    const userDir = await mkdtemp(join(tmpdir(), 'mesh-nobody-'));
    try {
      const storage = await openStorage({ folder: join(userDir, 'mesh') });
      const access = { environment: 'https://localhost:1', mailboxId: 'X26OLD1', password: 'p', sharedKey: 's' };
      const before = openMailbox({ storage, ...access });
      await before.outbox.enqueue({ to: 'X26ABC2', workflowId: 'WF', payload: 'x' });
      await before.close();
      await storage.close();
      withUserDir(userDir);
      // No other node uses a mailbox: nothing else opens the storage.
      await deploy([
        { ...sandboxConfig('old', 'X26OLD1'), d: true },
        { id: 'status', type: 'mesh-status', all: 'all', everySeconds: 1, wires: [['end'], []] },
        END,
      ]);
      const [end, statuses] = [new Recorder('end'), statusesOf('status')];
      const { event, kind, text, mailboxId } = (await end.get(1, 20_000)).payload as Record<string, string>;
      assert.deepEqual([event, kind, mailboxId], ['raised', 'forgotten', 'X26OLD1']);
      assert.match(text ?? '', /X26OLD1 at https:\/\/localhost:1: 1 messages to send/);
      await until(() => statuses.at(-1)?.text === 'mailbox not opened', 'the status');
    } finally {
      await stop();
      withUserDir(undefined);
      await rm(userDir, { recursive: true, force: true });
    }
  }).timeout(30_000);

  it('a node says that its mailbox is disabled', async () => {
    await deploy(change(pollFlow('end', [END]), 'into', { d: true }));
    const caught = new Recorder('caught');
    receive('poll', {});
    assert.match((await caught.get(1)).error.message, /mailbox is disabled.*Enable its mesh-config/);
  });
});
