/** The example mllp-to-mesh, as imported, and on a sandbox that survives Node-RED. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { exampleOn } from '../harness/examples';
import { exampleFlows, RealNodeRed, type FlowNode } from '../harness/node-red';
import { adt, Sender } from '../mllp/support';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { MAJORS, startNodeRed } from '../harness/flows';
import { freePort } from '../harness/ports';

interface Sent {
  state: string;
  id: string;
  repeated?: true;
}

/** The changes that make the example listen on `port`. */
const listenOn = (port: number): Record<string, object> => ({
  'mllp-to-mesh': { env: [{ name: 'MLLP_PORT', value: String(port), type: 'str' }] },
});

/** Returns the example as imported, listening on `port`. `changes` replace properties by node id. */
function imported(port: number, changes: Record<string, object> = {}): FlowNode[] {
  const all = { ...listenOn(port), ...changes };
  return exampleFlows('mllp-to-mesh').map((node) => Object.assign(node, all[node.id]));
}

async function sandboxWithBothMailboxes(): Promise<Sandbox> {
  const sandbox = await startSandbox({ clientCertificate: 'required' });
  afterThisTest(() => sandbox.close());
  for (const mailboxId of ['X26ABC4', 'X26ABC5']) sandbox.addMailbox({ mailboxId, password: 'password' });
  return sandbox;
}

for (const major of MAJORS) {
  describe(`the example mllp-to-mesh in a real Node-RED ${major}`, function () {
    this.timeout(120_000);

    const start = async (flows: FlowNode[]): Promise<RealNodeRed> => {
      const { nodeRed, done } = await startNodeRed({ major, flows });
      afterThisTest(done);
      await nodeRed.status('mm-in', ({ fill }) => fill === 'green');
      return nodeRed;
    };

    /**
     * Starts Node-RED in a user folder that survives it. Flows are deployed, because only then do they bring
     * credentials.
     */
    const startIn = async (userDir: string, flows?: FlowNode[]): Promise<RealNodeRed> => {
      const nodeRed = await RealNodeRed.start({ major, userDir, ...(flows && { flows: [] }) });
      afterThisTest(() => nodeRed.stop());
      if (flows) await nodeRed.deploy(flows);
      await nodeRed.status('mm-in', ({ fill }) => fill === 'green');
      return nodeRed;
    };

    it('carries an admission to the recipient, and a repeated one only once', async () => {
      const nodeRed = await start(imported(await freePort()));
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
      // The next message to arrive is the new one.
      assert.match(String(await nodeRed.debug('mm-received')), /\|EX\d{13}\|P\|/);
      assert.doesNotMatch(nodeRed.log(), /\[error\]|\[warn\] \[mesh|Waiting for missing types/);
    });

    it('accepts messages while MESH is offline, and after a restart sends each one once', async () => {
      const sandbox = await sandboxWithBothMailboxes();
      const [port, userDir] = [await freePort(), await emptyFolder()];
      const flows = await exampleOn(sandbox, 'mllp-to-mesh', listenOn(port));
      // 503 is safe to repeat. After a lost response the outbox would look the message up before it sends again
      // (docs/design.md, rule 1).
      sandbox.fault({ operation: '*', mailboxId: 'X26ABC4', times: Infinity, effect: { kind: 'status', status: 503 } });
      const before = await startIn(userDir, flows);
      const pas = await Sender.connect(port);
      pas.send(adt('1'), adt('2'));
      assert.deepEqual(await pas.received(2), ['AA 1', 'AA 2']);
      // Stopped, not killed: a kill could leave the message on the wire unknown, which test:crash covers.
      await before.stop();
      await pas.closed();
      assert.deepEqual(sandbox.messages(), []);

      sandbox.clearFaults();
      const nodeRed = await startIn(userDir);
      // The PAS did not receive the response to its second message, and repeats it.
      const again = await Sender.connect(port);
      again.send(adt('2'), adt('3'));
      assert.deepEqual(await again.received(2), ['AA 2', 'AA 3']);
      const received = new Set<string>();
      while (received.size < 3) {
        const text = String(await nodeRed.debug('mm-received', 70_000));
        const id = /\|ADT\^A01\^ADT_A01\|(\d)\|/.exec(text)?.[1] ?? '';
        assert.ok(!received.has(id), `${id} was received twice`);
        received.add(id);
      }
      assert.deepEqual([...received].toSorted(), ['1', '2', '3']);
      assert.equal(sandbox.messages().length, 3);
    });

    it('responds AE and sends nothing when the outbox is full or the control id is missing', async () => {
      const sandbox = await sandboxWithBothMailboxes();
      const [port, userDir] = [await freePort(), await emptyFolder()];
      const flows = await exampleOn(sandbox, 'mllp-to-mesh', listenOn(port));
      const before = await startIn(userDir, flows);
      const early = await Sender.connect(port);
      early.send(adt('0'));
      assert.deepEqual(await early.received(1), ['AA 0']);
      await before.status('mm-send', ({ text }) => text === '1 sent');
      await before.stop();
      const database = new DatabaseSync(join(userDir, 'mesh', 'mesh.db'));
      fill(database, 100_000);
      database.close();
      const full = await startIn(userDir);
      const pas = await Sender.connect(port);
      pas.send(adt('1'));
      assert.deepEqual(await pas.received(1), ['AE 1']);
      assert.match(pas.texts[0] ?? '', /outbox is full/);
      assert.match(String(await full.debug('mm-error')), /outbox is full/);
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

    it('responds AE to another message with a known key, and takes a control id that begins again by its time', async () => {
      const port = await freePort();
      const nodeRed = await start(imported(port));
      const pas = await Sender.connect(port);
      const [first, other] = [adt('1'), adt('1', 'NTE|1||another message\r')];
      pas.send(first, other, first);
      assert.deepEqual(await pas.received(3), ['AA 1', 'AE 1', 'AA 1']);
      assert.match(pas.texts[1] ?? '', /has another content/);
      assert.match(String(await nodeRed.debug('mm-error')), /has another content/);
      const later = Buffer.from(other.toString().replace(/\|\d{14}\|\|ADT/, '|20991231235959||ADT'));
      assert.notDeepEqual(later, other);
      pas.send(later);
      assert.deepEqual((await pas.received(4))[3], 'AA 1');
    });

    it('raises a Catch error when the flow sends no response', async () => {
      const port = await freePort();
      const nodeRed = await start(imported(port, { 'mm-send': { wires: [[]] }, 'mm-in': { timeout: 0.5 } }));
      const pas = await Sender.connect(port);
      pas.send(adt('1'));
      assert.deepEqual(await pas.received(1), ['AE 1']);
      assert.match(String(await nodeRed.debug('mm-error')), /did not respond/);
    });
  });
}

/** Makes the store count this many parked messages in every mailbox. The outbox holds at most 100,000. */
function fill(database: DatabaseSync, messages: number): void {
  database
    .prepare(
      `INSERT INTO outgoing_count (mailbox, state, messages, bytes) SELECT id, 'parked', ?, 0 FROM mailbox WHERE true
        ON CONFLICT (mailbox, state) DO UPDATE SET messages = excluded.messages`,
    )
    .run(messages);
}
