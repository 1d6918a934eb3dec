/** What a second configuration of a mailbox, and a second mesh-poll, do to the first: nothing. */
import assert from 'node:assert/strict';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { afterThisTest } from '../harness/cleanup';
import { mailboxOn, sendAndPollFlow, startNodeRed, text, type Caught } from '../harness/flows';
import type { FlowNode, RealNodeRed } from '../harness/node-red';

async function started(): Promise<{ mesh: Sandbox; nodeRed: RealNodeRed; mailboxes: FlowNode[] }> {
  const mesh = await startSandbox({ clientCertificate: 'required' });
  afterThisTest(() => mesh.close());
  const { nodeRed, done } = await startNodeRed({});
  afterThisTest(done);
  return {
    mesh,
    nodeRed,
    mailboxes: [...(await mailboxOn(mesh, 'X26ABC1')), ...(await mailboxOn(mesh, 'X26ABC2'))],
  };
}

const FLOW = sendAndPollFlow('X26ABC1', 'X26ABC2');
const placed = (node: FlowNode): FlowNode => ({ z: 'tab', x: 100, y: 100, wires: [], ...node });

/** The running flow after a node that somebody added: nodes are created in this order. */
const withFirst = (newcomers: FlowNode[]): FlowNode[] => [
  ...FLOW.slice(0, 1),
  ...newcomers.map(placed),
  ...FLOW.slice(1),
];

describe('a newcomer', function () {
  this.timeout(120_000);

  it('keeps the mailbox for the configuration that had it, whichever comes first in the flows', async () => {
    const { nodeRed, mailboxes } = await started();
    await nodeRed.deploy([...mailboxes, ...FLOW]);
    await nodeRed.status('send', ({ fill }) => fill === 'green');
    const [, first] = mailboxes as [FlowNode, FlowNode];
    const second = { ...first, id: 'again', name: 'second try' };
    const user: FlowNode = { id: 'other', type: 'mesh-track', version: 1, mailbox: 'again' };
    for (const again of ['first deploy', 'second deploy']) {
      await nodeRed.deploy([second, ...mailboxes, ...withFirst([{ ...user, again }])]);
      await nodeRed.status('other', ({ text: shown }) => shown === 'mailbox used twice');
      await nodeRed.inject('go', text(again));
      await nodeRed.debug('sent');
    }
    assert.match(
      nodeRed.log(),
      /\[mesh-config:second try\].*X26ABC1 has two configurations.*\(X26ABC1, mailbox-X26ABC1\)/,
    );
    assert.doesNotMatch(nodeRed.log(), /\[error\] \[mesh-config:X26ABC1\]/);
  });

  it('keeps the messages for the mesh-poll that had them, whichever comes first in the flows', async () => {
    const { nodeRed, mailboxes } = await started();
    await nodeRed.deploy([...mailboxes, ...FLOW]);
    await nodeRed.status('poll', ({ fill }) => fill === 'green');
    const poll = FLOW.find(({ id }) => id === 'poll') as FlowNode;
    const second = { ...poll, id: 'greedy', name: 'second poll', wires: [['took'], ['took'], ['took'], []] };
    const took: FlowNode = {
      id: 'took',
      type: 'debug',
      active: true,
      tosidebar: true,
      complete: 'payload',
      targetType: 'msg',
    };
    for (const wire of [[], ['error']]) {
      await nodeRed.deploy([...mailboxes, ...withFirst([{ ...second, spare: wire }, took])]);
      await nodeRed.status('greedy', ({ fill, text: shown }) => fill === 'red' && shown === 'gets nothing');
      await nodeRed.inject('go', text('a letter'));
      await nodeRed.debug('sent');
      await nodeRed.inject('look');
      await nodeRed.debug('acked');
    }
    const { message, source } = (await nodeRed.debug('error')) as Caught;
    assert.match(message, /Another node \(poll\) takes everything from this mailbox/);
    assert.equal(source.id, 'greedy');
    await assert.rejects(nodeRed.debug('took', 500));
    // Also when only the first one is deployed again, and the second one runs on.
    const changed = FLOW.map((node) => Object.assign({}, node, node.id === 'poll' && { interval: 0.05 }));
    const all = [...changed.slice(0, 1), placed({ ...second, spare: ['error'] }), placed(took), ...changed.slice(1)];
    await nodeRed.deploy([...mailboxes, ...all], 'nodes');
    await nodeRed.inject('go', text('another letter'));
    await nodeRed.debug('acked');
    await assert.rejects(nodeRed.debug('took', 500));
  });
});
