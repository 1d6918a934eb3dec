/** The flow that everybody draws first: mllp in, mesh send, mllp response. Nothing in it is set. */
import assert from 'node:assert/strict';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { afterThisTest } from '../harness/cleanup';
import { mailboxOn, startNodeRed, type Caught } from '../harness/flows';
import type { FlowNode, RealNodeRed } from '../harness/node-red';
import { freePort } from '../harness/ports';
import { adt, Sender } from '../mllp/support';

const AWAY = {
  operation: '*',
  mailboxId: 'X26ABC1',
  times: Infinity,
  effect: { kind: 'status', status: 503 },
} as const;

/** MLLP to X26ABC2: the response is AA behind mesh-send, and AE behind Catch. */
async function flowTo(sandbox: Sandbox, port: number, changes: Record<string, object> = {}): Promise<FlowNode[]> {
  const debug = { active: true, tosidebar: true, console: false, tostatus: false, targetType: 'msg' };
  const nodes: FlowNode[] = [
    { id: 'in', type: 'mesh-mllp-in', version: 1, port, timeout: 5, wires: [['send']] },
    {
      id: 'send',
      type: 'mesh-send',
      version: 1,
      mailbox: 'mailbox-X26ABC1',
      to: 'X26ABC2',
      workflowId: 'TEST_WORKFLOW',
      wires: [['aa', 'sent']],
    },
    { id: 'aa', type: 'mesh-mllp-response', version: 1, answer: 'AA' },
    { id: 'sent', type: 'debug', ...debug, complete: 'meshSent' },
    { id: 'catcher', type: 'catch', scope: null, wires: [['ae', 'error']] },
    { id: 'ae', type: 'mesh-mllp-response', version: 1, answer: 'AE', text: 'error.message', textType: 'msg' },
    { id: 'error', type: 'debug', ...debug, complete: 'error' },
  ];
  const placed = nodes.map((node) => Object.assign({ z: 'tab', x: 100, y: 100, wires: [] }, node, changes[node.id]));
  const twice = changes['twice'] === undefined ? [] : [{ z: 'tab', x: 100, y: 100, ...(changes['twice'] as FlowNode) }];
  return [{ id: 'tab', type: 'tab' }, ...(await mailboxOn(sandbox, 'X26ABC1')), ...placed, ...twice];
}

async function started(changes: Record<string, object> = {}): Promise<{
  nodeRed: RealNodeRed;
  sandbox: Sandbox;
  pas: Sender;
  payloads: () => number;
}> {
  const sandbox = await startSandbox({ clientCertificate: 'required' });
  afterThisTest(() => sandbox.close());
  const port = await freePort();
  const { nodeRed, done } = await startNodeRed({});
  afterThisTest(done);
  await nodeRed.deploy(await flowTo(sandbox, port, changes));
  await nodeRed.status('in', ({ fill }) => fill === 'green');
  const pas = await Sender.connect(port);
  return { nodeRed, sandbox, pas, payloads: () => sandbox.messages().length };
}

/** The message as an engine repeats it: with the time of the repeat. */
const at = (message: Buffer, time: string): Buffer =>
  Buffer.from(message.toString().replace(/\|\d{14}\|/, `|${time}|`));

describe('mllp in, mesh send, mllp response, with nothing set', function () {
  this.timeout(120_000);

  it('answers AA while MESH is away, and sends what the sender repeats once, also with another MSH-7', async () => {
    const { nodeRed, sandbox, pas, payloads } = await started();
    sandbox.fault(AWAY);
    const first = adt('1');
    pas.send(first, first, at(first, '20260115093100'));
    assert.deepEqual(await pas.received(3), ['AA 1', 'AA 1', 'AA 1']);
    assert.equal(payloads(), 0);
    sandbox.clearFaults();
    pas.send(adt('2'));
    assert.deepEqual((await pas.received(4))[3], 'AA 2');
    await nodeRed.status('send', ({ text }) => text === '2 sent', 90_000);
    assert.equal(payloads(), 2);
  });

  it('raises another message with a known control id, and never answers AA for it', async () => {
    const { nodeRed, pas, payloads } = await started();
    const [first, other] = [adt('1'), adt('1', 'NTE|1||another message\r')];
    pas.send(first, other, first);
    assert.deepEqual(await pas.received(3), ['AA 1', 'AE 1', 'AA 1']);
    const error = (await nodeRed.debug('error')) as Caught;
    assert.equal(error.code, 'MESH_KEY_REUSED');
    assert.match(pas.texts[1] ?? '', /another content/);
    await nodeRed.status('send', ({ text }) => text === '1 sent');
    assert.equal(payloads(), 1);
  });

  it('takes another MSH-7 for another message where mllp in lists the sender', async () => {
    const { nodeRed, pas, payloads } = await started({ in: { timeKeepingSenders: 'LAB, PAS' } });
    const first = adt('1');
    pas.send(first, at(adt('1', 'NTE|1||the numbers began again\r'), '20260116093000'), first);
    assert.deepEqual(await pas.received(3), ['AA 1', 'AA 1', 'AA 1']);
    await nodeRed.status('send', ({ text }) => text === '2 sent');
    assert.equal(payloads(), 2);
  });

  it('sends each of several messages that the flow makes of one, once', async () => {
    const { nodeRed, pas, payloads } = await started({
      in: { wires: [['twice']] },
      twice: {
        id: 'twice',
        type: 'function',
        func: 'return [[{ ...msg, payload: "one" }, { ...msg, payload: "two" }]];',
        outputs: 1,
        wires: [['send']],
      },
    });
    pas.send(adt('1'), adt('1'));
    assert.deepEqual(await pas.received(2), ['AA 1', 'AA 1']);
    await nodeRed.status('send', ({ text }) => text === '2 sent');
    assert.equal(payloads(), 2);
  });
});
