/** The example "mllp-to-mesh": on its good day as it is imported, on its worst with a MESH that outlives Node-RED. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { exampleFlows, RealNodeRed } from '../harness/node-red';
import { adt, Sender } from '../mllp/support';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { MAJORS, mailboxOn, startNodeRed, type Caught } from '../harness/flows';
import { freePort } from '../harness/ports';

interface Sent {
  state: string;
  id: string;
  repeated?: true;
}
type FlowNodes = ReturnType<typeof exampleFlows>;

/** The example, listening on this port. */
function exampleOn(port: number): FlowNodes {
  return exampleFlows('mllp-to-mesh').map((node) =>
    Object.assign(node, node.type === 'tab' && { env: [{ name: 'MLLP_PORT', value: String(port), type: 'str' }] }),
  );
}

/** The example with its two mailboxes on a sandbox of its own. */
async function exampleAt(sandbox: Sandbox, port: number): Promise<FlowNodes> {
  const text = JSON.stringify(exampleOn(port).filter(({ type }) => type !== 'mesh-config'));
  return [
    ...(JSON.parse(text.replaceAll('example-x26abc', 'mailbox-X26ABC')) as FlowNodes),
    ...(await mailboxOn(sandbox, 'X26ABC4')),
    ...(await mailboxOn(sandbox, 'X26ABC5')),
  ];
}

async function sandboxWithBoth(): Promise<Sandbox> {
  const sandbox = await startSandbox({ clientCertificate: 'required' });
  afterThisTest(() => sandbox.close());
  for (const mailboxId of ['X26ABC4', 'X26ABC5']) sandbox.addMailbox({ mailboxId, password: 'password' });
  return sandbox;
}

for (const major of MAJORS) {
  describe(`the example mllp-to-mesh in a real Node-RED ${major}`, function () {
    this.timeout(120_000);

    const start = async (flows: FlowNodes): Promise<RealNodeRed> => {
      const { nodeRed, done } = await startNodeRed({ major, flows });
      afterThisTest(done);
      await nodeRed.status('mm-in', ({ fill }) => fill === 'green');
      return nodeRed;
    };

    /** In a user folder that outlives it. Flows are deployed, as only so they bring their credentials. */
    const startIn = async (userDir: string, flows?: FlowNodes): Promise<RealNodeRed> => {
      const nodeRed = await RealNodeRed.start({ major, userDir, ...(flows && { flows: [] }) });
      afterThisTest(() => nodeRed.stop());
      if (flows) await nodeRed.deploy(flows);
      await nodeRed.status('mm-in', ({ fill }) => fill === 'green');
      return nodeRed;
    };

    it('carries an admission to the recipient, and one that is sent twice once', async () => {
      const nodeRed = await start(exampleOn(await freePort()));
      await nodeRed.inject('mm-again');
      assert.equal(((await nodeRed.debug('mm-accepted')) as { code: string }).code, 'AA');
      const first = (await nodeRed.debug('mm-sent')) as Sent;
      assert.match(String(await nodeRed.debug('mm-received')), /\|EX00001\|P\|/);
      await nodeRed.inject('mm-again');
      assert.equal(((await nodeRed.debug('mm-accepted')) as { code: string }).code, 'AA');
      const second = (await nodeRed.debug('mm-sent')) as Sent;
      assert.deepEqual([second.id, second.repeated], [first.id, true]);
      await nodeRed.inject('mm-new');
      assert.equal(((await nodeRed.debug('mm-sent')) as Sent).repeated, undefined);
      // The next to arrive is the new one.
      assert.match(String(await nodeRed.debug('mm-received')), /\|EX\d{13}\|P\|/);
      assert.doesNotMatch(nodeRed.log(), /\[error\]|\[warn\] \[mesh|Waiting for missing types/);
    });

    it('accepts while MESH is away, is restarted, and sends each message once when both are back', async () => {
      const sandbox = await sandboxWithBoth();
      const [port, userDir] = [await freePort(), await emptyFolder()];
      const flows = await exampleAt(sandbox, port);
      // 503 is safe to repeat. A lost answer would not be: then the outbox asks before it sends again
      // (docs/design.md, rule 1).
      sandbox.fault({ operation: '*', mailboxId: 'X26ABC4', times: Infinity, effect: { kind: 'status', status: 503 } });
      const before = await startIn(userDir, flows);
      const pas = await Sender.connect(port);
      pas.send(adt('1'), adt('2'));
      assert.deepEqual(await pas.received(2), ['AA 1', 'AA 2']);
      // A kill could leave what was on the wire unknown, and held: test:crash has that.
      await before.stop();
      await pas.closed();
      assert.deepEqual(sandbox.messages(), []);

      sandbox.clearFaults();
      const nodeRed = await startIn(userDir);
      // The PAS did not hear of its second message, and repeats it.
      const again = await Sender.connect(port);
      again.send(adt('2'), adt('3'));
      assert.deepEqual(await again.received(2), ['AA 2', 'AA 3']);
      const received = new Set<string>();
      while (received.size < 3) {
        const text = String(await nodeRed.debug('mm-received', 70_000));
        const id = /\|ADT\^A01\^ADT_A01\|(\d)\|/.exec(text)?.[1] ?? '';
        assert.ok(!received.has(id), `${id} came twice`);
        received.add(id);
      }
      assert.deepEqual([...received].toSorted(), ['1', '2', '3']);
      assert.equal(sandbox.messages().length, 3);
    });

    it('answers AE with the reason when the outbox is full, and when there is no control id; nothing is sent', async () => {
      const sandbox = await sandboxWithBoth();
      const [port, userDir] = [await freePort(), await emptyFolder()];
      const flows = await exampleAt(sandbox, port);
      const empty = await startIn(userDir, flows);
      const early = await Sender.connect(port);
      early.send(adt('0'));
      assert.deepEqual(await early.received(1), ['AA 0']);
      await empty.status('mm-send', ({ text }) => text === '1 sent');
      await empty.stop();
      const database = new DatabaseSync(join(userDir, 'mesh', 'mesh.db'));
      fill(database, 100_000);
      database.close();
      const full = await startIn(userDir);
      const pas = await Sender.connect(port);
      pas.send(adt('1'));
      assert.deepEqual(await pas.received(1), ['AE 1']);
      assert.match(pas.texts[0] ?? '', /outbox is full/);
      const error = (await full.debug('mm-error')) as Caught;
      assert.equal(error.code, 'MESH_OUTBOX_FULL');
      await full.stop();

      const emptied = new DatabaseSync(join(userDir, 'mesh', 'mesh.db'));
      fill(emptied, 0);
      emptied.close();
      const nodeRed = await startIn(userDir);
      const repeating = await Sender.connect(port);
      repeating.send(adt(''), adt('1'));
      assert.deepEqual(await repeating.received(2), ['AE ', 'AA 1']);
      assert.match(repeating.texts[0] ?? '', /key/);
      await nodeRed.status('mm-send', ({ text }) => text === '1 sent');
      assert.equal(sandbox.messages().length, 2);
    });

    it('is caught when a sender gets no answer: the flow’s end is missing', async () => {
      const port = await freePort();
      const nodeRed = await start(
        exampleOn(port).map((node) =>
          Object.assign(node, node.id === 'mm-send' && { wires: [[]] }, node.id === 'mm-in' && { timeout: 0.5 }),
        ),
      );
      const pas = await Sender.connect(port);
      pas.send(adt('1'));
      assert.deepEqual(await pas.received(1), ['AE 1']);
      assert.equal(((await nodeRed.debug('mm-error')) as Caught).code, 'MLLP_NOT_ANSWERED');
    });
  });
}

/** As if so many messages of every mailbox were parked: the outbox takes 100,000. */
function fill(database: DatabaseSync, messages: number): void {
  database
    .prepare(
      `INSERT INTO outgoing_count (mailbox, state, messages, bytes) SELECT id, 'parked', ?, 0 FROM mailbox WHERE true
        ON CONFLICT (mailbox, state) DO UPDATE SET messages = excluded.messages`,
    )
    .run(messages);
}
