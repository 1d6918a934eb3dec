/** What a mesh-poll says of itself before messages are lost to its flow: at the deploy, at the first redelivery, parked. */
import assert from 'node:assert/strict';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { afterThisTest } from '../harness/cleanup';
import { mailboxOn, sendAndPollFlow, startNodeRed, text } from '../harness/flows';
import type { FlowNode, RealNodeRed } from '../harness/node-red';
import { until } from '../harness/until';

const NO_ACK = /\[warn\] \[mesh-poll:poll\] No mesh ack can be reached from the output ([^:]+):/;

async function sandbox(): Promise<Sandbox> {
  const started = await startSandbox({ clientCertificate: 'required' });
  afterThisTest(() => started.close());
  return started;
}

async function deployed(flow: FlowNode[]): Promise<RealNodeRed> {
  const { nodeRed, done } = await startNodeRed({});
  afterThisTest(done);
  await nodeRed.deploy(flow);
  return nodeRed;
}

/** The flow of the harness with other properties of its nodes, and more nodes. */
const changed = (changes: Record<string, object>, more: FlowNode[] = []): FlowNode[] => [
  ...sendAndPollFlow('X26ABC1', 'X26ABC2').map((node) => Object.assign(node, changes[node.id])),
  ...more.map((node) => ({ z: 'tab', x: 100, y: 100, wires: [], ...node })),
];

async function flowOn(mesh: Sandbox, nodes: FlowNode[], config: object = {}): Promise<FlowNode[]> {
  return [...(await mailboxOn(mesh, 'X26ABC1')), ...(await mailboxOn(mesh, 'X26ABC2', { config })), ...nodes];
}

describe('mesh-poll whose messages nothing ends', function () {
  this.timeout(120_000);

  it('warns at the deploy, names the outputs, and does not warn where a mesh ack is behind links, subflows or Complete', async () => {
    const mesh = await sandbox();
    const nodeRed = await deployed(
      await flowOn(mesh, changed({ poll: { wires: [['received'], ['report'], [], []] } })),
    );
    await until('the warning', () => NO_ACK.test(nodeRed.log()));
    assert.match(NO_ACK.exec(nodeRed.log())?.[1] ?? '', /data.*report/);
    await nodeRed.status('poll', ({ fill, text: shown }) => fill === 'yellow' && shown === 'no mesh ack');

    const times = (): number => nodeRed.log().match(new RegExp(NO_ACK, 'g'))?.length ?? 0;
    const before = times();
    const reached: Array<[Record<string, object>, FlowNode[]]> = [
      [{}, []],
      [
        { poll: { wires: [['out'], [], [], []] } },
        [
          { id: 'out', type: 'link out', mode: 'link', links: ['in'] },
          { id: 'in', type: 'link in', links: ['out'], wires: [['ack']] },
        ],
      ],
      [{ poll: { wires: [['inst'], [], [], []] } }, [{ id: 'inst', type: 'subflow:sf', wires: [['ack']] }]],
      [
        { poll: { wires: [['received'], [], [], []] } },
        [{ id: 'whole', type: 'complete', scope: ['received'], uncaught: false, wires: [['ack']] }],
      ],
      [{ poll: { wires: [['received'], [], [], []], acknowledge: 'after-delivery' } }, []],
    ];
    const subflow: FlowNode[] = [
      {
        id: 'sf',
        type: 'subflow',
        name: 'sf',
        in: [{ x: 0, y: 0, wires: [{ id: 'inner' }] }],
        out: [{ x: 0, y: 0, wires: [{ id: 'inner', port: 0 }] }],
      },
      { id: 'inner', type: 'change', z: 'sf', x: 100, y: 100, rules: [], wires: [[]] },
    ];
    for (const [changes, more] of reached) {
      await nodeRed.deploy([...(await flowOn(mesh, changed(changes, more))), ...subflow]);
      await nodeRed.status('poll', ({ text: shown }) => shown === 'waiting' || shown === 'connected');
      assert.equal(times(), before, JSON.stringify(changes));
    }
    // A mesh ack that ends nothing is none.
    const only = { poll: { wires: [['ack'], [], [], []] }, ack: { finish: false } };
    await nodeRed.deploy(await flowOn(mesh, changed(only)));
    await until('the warning', () => times() === before + 1);
  });

  it('raises a condition at the first redelivery, and shows what is parked until it is dealt with', async () => {
    const mesh = await sandbox();
    const status: FlowNode = {
      id: 'monitor',
      type: 'mesh-status',
      version: 1,
      all: 'all',
      everySeconds: 1,
      wires: [['alerts'], []],
    };
    const alerts: FlowNode = {
      id: 'alerts',
      type: 'debug',
      active: true,
      tosidebar: true,
      complete: 'payload',
      targetType: 'msg',
    };
    const nodes = changed({ poll: { wires: [['received'], ['report'], [], ['parked']], interval: 0.02 } }, [
      status,
      alerts,
    ]);
    const nodeRed = await deployed(await flowOn(mesh, nodes, { leaseMinutes: 0.05, maxDeliveries: 3 }));
    await nodeRed.inject('go', text('a letter'));
    const kind = (wanted: string) => (value: unknown) => (value as { kind: string }).kind === wanted;
    const alert = (await nodeRed.debug('alerts', 30_000, kind('redelivered'))) as { count: number; event: string };
    assert.deepEqual([alert.count, alert.event], [1, 'raised']);
    assert.match(nodeRed.log(), /delivered to the flow again \(delivery 2\)/);
    assert.ok(nodeRed.statusesSent().some(({ id, text: shown }) => id === 'poll' && /in flight/.test(shown)));
    await nodeRed.debug('parked', 30_000);
    await nodeRed.debug('alerts', 30_000, kind('parked'));
    // Beyond the next polls, which end the error's own status.
    await new Promise((resolve) => {
      setTimeout(resolve, 3000);
    });
    await nodeRed.status('poll', ({ fill, text: shown }) => fill === 'yellow' && shown === '1 parked');
  });

  it('are ended by one mesh ack without a mailbox, for every mailbox that msg.mesh names', async () => {
    const mesh = await sandbox();
    const poll = sendAndPollFlow('X26ABC1', 'X26ABC2').find(({ id }) => id === 'poll') as FlowNode;
    const own = { ...poll, id: 'poll-own', mailbox: 'mailbox-X26ABC1', interval: 0.02 };
    const back: FlowNode[] = [
      { id: 'go-back', type: 'inject', props: [], wires: [['send-back']] },
      { id: 'send-back', type: 'mesh-send', mailbox: 'mailbox-X26ABC2', to: 'X26ABC1', workflowId: 'TEST_WORKFLOW' },
    ];
    const nodes = changed({ ack: { mailbox: '' }, poll: { interval: 0.02 } }, [own, ...back]);
    const nodeRed = await deployed(await flowOn(mesh, nodes));
    for (const button of ['go', 'go-back']) {
      await nodeRed.inject(button, text('a letter'));
      await nodeRed.debug('acked');
    }
    await nodeRed.status('ack', ({ fill, text: shown }) => fill === 'green' && shown === '2 done');
    assert.doesNotMatch(nodeRed.log(), /\[error\]/);
  });
});
