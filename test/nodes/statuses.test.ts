/** How often nodes set their status: the editor's websocket takes 50 messages in 50 ms and queues the rest for ever. */
import { strict as assert } from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setStatus } from '../../nodes/shared/status';
import { RealNodeRed, type NodeRedMajor, type SentStatus } from '../harness/node-red';
import { size } from '../harness/size';
import { deploy, helper, pause, redeploy, ROOT, statusesOf, stop, takeMissingTexts, until } from './support';

const sent = (count: number) => ({
  fill: 'green' as const,
  shape: 'dot' as const,
  key: 'mesh-send.status.sent',
  values: { sent: count },
});
const SENDING = { fill: 'blue', shape: 'dot', key: 'mesh-send.status.sending' } as const;
const FAILED = { fill: 'red', shape: 'dot', plain: 'failed' } as const;

it('statuses are set in nodes/shared/status.ts alone', () => {
  const files = readdirSync(join(ROOT, 'nodes'), { recursive: true, encoding: 'utf8' });
  const setting = files.filter(
    (file) =>
      file.endsWith('.ts') &&
      /\.status\(/.test(readFileSync(join(ROOT, 'nodes', file), 'utf8').replaceAll('response.status(', '')),
  );
  assert.deepEqual(setting, [join('shared', 'status.ts')]);
});

describe('statuses of a node', () => {
  const flow = [{ id: 'node', type: 'mesh-hl7' }];
  const show = (status: Parameters<typeof setStatus>[1]): void => setStatus(helper.getNode('node'), status);

  beforeEach(() => deploy(flow));
  afterEach(stop);

  it('that was quiet are shown at once: that it is busy, and that it is done', async () => {
    const seen = statusesOf('node');
    show(SENDING);
    show(sent(1));
    await pause(10);
    assert.deepEqual(
      seen.map(({ text }) => text),
      ['sending', '1 sent'],
    );
  });

  it('that counts thousands of messages come at most twice a second, and the last one is shown in the end', async () => {
    const seen = statusesOf('node');
    const began = performance.now();
    for (let count = 1; performance.now() - began < 1800; count += 1) {
      show(SENDING);
      show(sent(count));
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    show(sent(9999));
    await until(() => seen.at(-1)?.text === '9999 sent', 'the last count', 2000);
    // Two at the start, two at once, one at 1.0 and 1.5 s, and the last.
    assert.ok(seen.length >= 6 && seen.length <= 7, seen.map(({ text }) => text).join());
    await pause(600);
    assert.equal(seen.at(-1)?.text, '9999 sent');
  });

  it('of a problem do not wait behind counts', async () => {
    const seen = statusesOf('node');
    for (let count = 1; count <= 100; count += 1) show(sent(count));
    show(FAILED);
    await pause(10);
    assert.deepEqual(
      seen.map(({ text }) => text),
      ['1 sent', '2 sent', '3 sent', '4 sent', 'failed'],
    );
    show(sent(101));
    await until(() => seen.at(-1)?.text === '101 sent', 'the end of the problem', 1500);
  });

  it('are at most three a second when every other message fails', async () => {
    const seen = statusesOf('node');
    const began = performance.now();
    for (let count = 1; performance.now() - began < 3000; count += 1) {
      show(FAILED);
      show(sent(count));
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    const seconds = Math.ceil((performance.now() - began) / 1000);
    // Beside the node's first two.
    assert.ok(seen.length <= 2 + 3 * seconds, `${seen.length} in ${seconds} s`);
    show(sent(5));
    await until(() => seen.at(-1)?.text === '5 sent', 'the last status', 3000);
  });

  it('are not set again while they stay the same', async () => {
    const seen = statusesOf('node');
    for (let i = 1; i <= 5; i += 1) {
      show(sent(1));
      await pause(300);
    }
    assert.equal(seen.length, 1);
  });

  it('look up no text of a status that is replaced before it is shown', async () => {
    const seen = statusesOf('node');
    show(SENDING);
    show(sent(1));
    show(SENDING);
    show(sent(2));
    for (let i = 1; i <= 1000; i += 1) show({ ...SENDING, key: `mesh-hl7.status.replaced-${i}` });
    show(sent(3));
    await until(() => seen.at(-1)?.text === '3 sent', 'the last status');
    assert.deepEqual(takeMissingTexts(), []);
  });

  it('are not set any more once it closes, and leave no timer', async () => {
    const timersAfter = async (statuses: number): Promise<number> => {
      await redeploy(flow);
      const [seen, node] = [statusesOf('node'), helper.getNode('node')];
      for (let count = 1; count <= statuses; count += 1) show(sent(count));
      // Not by a deploy, which may take so long that a timer has ended by itself.
      await node.close(false);
      const timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
      setStatus(node, FAILED);
      await pause(1100);
      assert.equal(seen.length, Math.min(statuses, 4));
      return timers;
    };
    const without = await timersAfter(1);
    assert.equal(await timersAfter(10), without);
  });
});

/** Messages of the flow in a real Node-RED. */
const COUNT = size(2000, 4000);
/** Where messages are slower (a second), three statuses a second for each of three nodes are more for each message. */
const FAST = 200;
const on = (node: object): object => ({ z: 'tab', x: 100, y: 100, wires: [], ...node });
const FLOW = [
  { id: 'tab', type: 'tab', label: 'load' },
  { id: 'a', type: 'mesh-config', environment: 'sandbox', mailboxId: 'X26ABC1', version: 1 },
  { id: 'b', type: 'mesh-config', environment: 'sandbox', mailboxId: 'X26ABC2', version: 1 },
  on({ id: 'go', type: 'inject', props: [{ p: 'payload' }], payload: 'go', payloadType: 'str', wires: [['many']] }),
  on({
    id: 'many',
    type: 'function',
    func: `for (let i = 0; i < ${COUNT}; i += 1) node.send({ payload: 'letter ' + i });`,
    wires: [['send']],
  }),
  on({ id: 'send', type: 'mesh-send', mailbox: 'a', to: 'X26ABC2', workflowId: 'TEST_WORKFLOW', confirm: 'accepted' }),
  on({ id: 'poll', type: 'mesh-poll', mailbox: 'b', interval: 0.01, payloadAs: 'text', wires: [['ack'], [], [], []] }),
  on({ id: 'ack', type: 'mesh-ack', mailbox: 'b' }),
];

describe('statuses of nodes under load in a real Node-RED', function () {
  this.timeout(240_000);
  let userDir = '';
  let nodeRed: RealNodeRed;

  before(async () => {
    userDir = await mkdtemp(join(tmpdir(), 'mesh-statuses-'));
    const major = (process.env['NODE_RED'] ?? '5') as NodeRedMajor;
    nodeRed = await RealNodeRed.start({ userDir, major, flows: FLOW });
  });
  after(async () => {
    await nodeRed?.stop();
    await rm(userDir, { recursive: true, force: true });
  });

  it('are at most 0.05 for each message, three a second for each node, and right in the end', async () => {
    await nodeRed.status('send', ({ text }) => text === 'connected');
    await nodeRed.status('ack', ({ text }) => text === 'connected');
    const [before, began] = [nodeRed.statusesSent().length, performance.now()];
    await nodeRed.inject('go');
    await nodeRed.status('ack', ({ text }) => text === `${COUNT} done`, 200_000);
    await nodeRed.status('send', ({ text }) => text === `${COUNT} sent`);
    await nodeRed.status('poll', ({ fill, text = '' }) => fill === 'green' && text.startsWith('polled '));
    const seconds = (performance.now() - began) / 1000;
    const statuses = nodeRed.statusesSent().slice(before);
    if (COUNT / seconds > FAST)
      assert.ok(statuses.length <= 0.05 * COUNT, `${statuses.length} statuses in ${seconds} s: ${times(statuses)}`);
    for (const id of ['send', 'poll', 'ack']) {
      const own = statuses.filter((status) => status.id === id);
      assert.ok(own.length <= 3 * (seconds + 1), `${id}: ${own.length} statuses in ${seconds} s`);
      for (const { text } of own) assert.match(text, / \(sandbox\)$/);
    }
  });
});

function times(statuses: readonly SentStatus[]): string {
  const byNode = Map.groupBy(statuses, ({ id }) => id);
  return [...byNode].map(([id, { length }]) => `${id} ${length}`).join(', ');
}
