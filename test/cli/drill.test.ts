/** The faults of the on-call drill are real: a mailbox of the library meets each of them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { drill as drillCommand } from '../../lib/cli/drill';
import { DRILL_FAULTS, type Drill } from '../../lib/cli/drill-faults';
import { openMailbox, type Mailbox } from '../../lib/index';
import { startSandbox } from '../../lib/sandbox';
import { afterThisTest } from '../harness/cleanup';
import { LOAD_TYPESCRIPT } from '../harness/typescript';

const PROGRAM = join(__dirname, '../../lib/cli/main.ts');

describe('the on-call drill', function () {
  this.timeout(60_000);

  async function drillWith(): Promise<{ drill: Drill; mailbox: Mailbox }> {
    const sandbox = await startSandbox({ protocol: 'http' });
    const { url: environment, sharedKey } = sandbox;
    const login = { mailboxId: 'X26ABC1', password: 'password' };
    const mailbox = openMailbox({ environment, sharedKey, ...login, retry: { attempts: 1 } });
    afterThisTest(async () => {
      await mailbox.close();
      await sandbox.close();
    });
    return { drill: { sandbox, mailboxId: 'X26ABC1', pid: undefined }, mailbox };
  }
  const send = (mailbox: Mailbox): Promise<unknown> =>
    mailbox.send({ to: 'X26ABC3', workflowId: 'TEST_WORKFLOW', payload: Buffer.from('drill') });
  const inject = async (number: number, drill: Drill): Promise<void> => DRILL_FAULTS[number - 1]?.inject(drill);

  it('has twelve faults, each with what should be found', () => {
    assert.equal(DRILL_FAULTS.length, 12);
    assert.equal(new Set(DRILL_FAULTS.map(({ title }) => title)).size, 12);
  });

  for (const number of [1, 2, 3]) {
    it(`lets no request through with fault ${number}`, async () => {
      const { drill, mailbox } = await drillWith();
      await mailbox.handshake();
      await inject(number, drill);
      await assert.rejects(mailbox.handshake());
      await assert.rejects(send(mailbox));
    });
  }

  for (const [number, atMesh] of [
    [4, 1],
    [5, 0],
    [7, 0],
  ] as const) {
    it(`fails one message with fault ${number}, of which MESH has ${atMesh}, and not the next`, async () => {
      const { drill, mailbox } = await drillWith();
      await inject(number, drill);
      await assert.rejects(send(mailbox));
      assert.equal(drill.sandbox.messages().length, atMesh);
      await send(mailbox);
    });
  }

  it('returns a message that nobody collected with fault 6', async () => {
    const { drill, mailbox } = await drillWith();
    await send(mailbox);
    await inject(6, drill);
    assert.deepEqual(
      drill.sandbox.messages().map(({ messageType }) => messageType),
      ['DATA', 'REPORT'],
    );
  });

  it('puts messages into the inbox with faults 8, 9 and 11, and moves the clock with fault 10', async () => {
    const { drill } = await drillWith();
    for (const number of [8, 9, 11]) await inject(number, drill);
    assert.equal(drill.sandbox.messages().length, 502);
    const before = drill.sandbox.clock.now().getTime();
    await inject(10, drill);
    assert.ok(drill.sandbox.clock.now().getTime() - before >= 3 * 3_600_000);
  });

  it('kills Node-RED with fault 12, only if it knows the process', async () => {
    const { drill } = await drillWith();
    await assert.rejects(inject(12, drill), /--pid/);
    const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)']);
    const exit = once(child, 'exit');
    await inject(12, { ...drill, pid: child.pid });
    assert.equal((await exit)[1], 'SIGKILL');
  });

  it('refuses a port, a process and a mailbox that there are not', async () => {
    await assert.rejects(drillCommand.run(['--port', 'x']), /--port must be a number/);
    await assert.rejects(drillCommand.run(['--port', '0', '--pid', '1']), /--pid must be a number from 2/);
    await assert.rejects(drillCommand.run(['--port', '0', '--mailbox', 'X26']), /--mailbox must be one of/);
  });

  it('obeys one command a line, and stops at quit', async () => {
    const child = spawn(process.execPath, [...LOAD_TYPESCRIPT, PROGRAM, 'drill', '--port', '0']);
    afterThisTest(() => child.kill());
    let out = '';
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
    child.stdin.end('list\n13\n8\n12\nend\nquit\n');
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, 0);
    assert.match(out, /^MESH for the drill on http:\/\/127\.0\.0\.1:\d+, shared key TestKey/);
    assert.match(out, /^12 {2}Node-RED is killed$/m);
    assert.match(out, /^A number from 1 to 12/m);
    assert.match(out, /Fault 8: A message arrives with a workflow that no node takes\./);
    assert.match(out, /Fault 12 was not injected: Start the drill with --pid/);
    assert.match(out, /have ended\.$/m);
  });
});
