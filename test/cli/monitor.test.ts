/** `nhs-mesh check --monitor`, read by the rules of the Nagios plug-in guidelines. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { check } from '../../lib/cli/check';
import { exitCodeOf, monitorLine } from '../../lib/cli/monitor-line';
import { startSandbox } from '../../lib/sandbox';
import { afterThisTest } from '../harness/cleanup';
import { readPlugin, type PluginOutput } from '../harness/nagios';
import { freePort, listenOn, stopServer } from '../harness/ports';

/** Runs the check in this process, with these variables. */
async function run(args: string[], env: Record<string, string> = {}): Promise<PluginOutput & { code: number }> {
  const before = { ...process.env };
  const write = process.stdout.write.bind(process.stdout);
  let out = '';
  Object.assign(process.env, env);
  process.stdout.write = (text) => ((out += String(text)), true);
  try {
    const code = (await check.run(['--monitor', ...args])) ?? 0;
    return { ...readPlugin(out, code), code };
  } finally {
    process.stdout.write = write;
    for (const name of Object.keys(env)) delete process.env[name];
    Object.assign(process.env, before);
  }
}

/** Serves this answer as `/mesh/health`, and returns the address and the paths and tokens that were asked with. */
async function health(status: number, body: object): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization ?? ''}`);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  const port = await listenOn(server);
  afterThisTest(() => stopServer(server));
  return { url: `http://127.0.0.1:${port}/editor/`, asked };
}

const BOX = {
  mailboxId: 'X26ABC1',
  name: '',
  connection: 'connected',
  conditions: [],
  outbox: { waiting: 3, held: 1 },
  inbox: { waiting: 0, parked: 2, unclaimed: 0 },
  overdue: 0,
  freeBytes: 5e12,
  health: { certificate: { validTo: new Date(Date.now() + 20.5 * 24 * 3600 * 1000).toISOString() } },
};
const STOPPED = { kind: 'handshake', severity: 'critical', text: 'Handshakes with MESH\nhave stopped | at all.' };
const PARKED = { kind: 'parked', severity: 'warning', text: 'Received messages are parked.' };

describe('nhs-mesh check --monitor', function () {
  this.timeout(30_000);

  it('says OK with performance data after a handshake, and CRITICAL when MESH cannot be reached', async () => {
    const sandbox = await startSandbox({
      protocol: 'http',
      mailboxes: [{ mailboxId: 'X26ABC1', password: 'p' }],
      sharedKey: 'k',
    });
    afterThisTest(() => sandbox.close());
    const env = { MESH_SHARED_KEY: 'k', MESH_PASSWORD: 'p' };
    const well = await run(['--environment', sandbox.url, '--mailbox', 'X26ABC1'], env);
    assert.deepEqual([well.code, well.state], [0, 'OK'], well.text);
    assert.match(well.text, /X26ABC1: the handshake with MESH succeeded/);
    assert.equal(well.performance['time']?.unit, 's');
    const away = await run(['--environment', `http://127.0.0.1:${await freePort()}`, '--mailbox', 'X26ABC1'], env);
    assert.deepEqual([away.code, away.state], [2, 'CRITICAL']);
  });

  it('says UNKNOWN when it cannot find out: an argument is wrong, a variable is missing, the answer is another', async () => {
    for (const args of [
      [],
      ['--mailbox', 'X26ABC1'],
      ['--no-such-option'],
      ['--node-red', 'ftp://x'],
      ['--node-red', ''],
    ]) {
      assert.deepEqual((await run(args)).code, 3, args.join(' '));
    }
    for (const [status, body, text] of [
      [401, {}, /MESH_METRICS_TOKEN/],
      [404, {}, /metrics: true/],
      [200, { hello: 'there' }, /not that of/],
      [200, { personMustAct: false, mailboxes: [] }, /No mailbox is deployed/],
    ] as const) {
      const { code, text: said } = await run(['--node-red', (await health(status, body)).url]);
      assert.equal(code, 3);
      assert.match(said, text);
    }
  });

  it('asks a running Node-RED, with a token that it does not show, and reports the worst condition', async () => {
    const well = await health(200, { personMustAct: false, mailboxes: [BOX] });
    const ok = await run(['--node-red', well.url], { MESH_METRICS_TOKEN: 'MARKED-TOKEN' });
    assert.deepEqual(well.asked, ['/editor/mesh/health Bearer MARKED-TOKEN']);
    assert.deepEqual([ok.code, ok.text], [0, '1 mailbox, nothing needs a person.']);
    assert.doesNotMatch(JSON.stringify(ok), /MARKED/);
    const values = Object.fromEntries(Object.entries(ok.performance).map(([label, { value }]) => [label, value]));
    assert.deepEqual(values, {
      X26ABC1_waiting: 3,
      X26ABC1_decision: 3,
      X26ABC1_overdue: 0,
      X26ABC1_pending: 0,
      X26ABC1_free: 5e12,
      X26ABC1_certificate_days: 20,
    });
    assert.deepEqual(ok.performance['X26ABC1_certificate_days']?.warning, '30:');

    const one = await health(200, { personMustAct: false, mailboxes: [{ ...BOX, conditions: [PARKED] }] });
    assert.deepEqual((await run(['--node-red', one.url])).state, 'WARNING');
    const decide = await health(503, { personMustAct: true, mailboxes: [{ ...BOX, conditions: [PARKED] }] });
    assert.deepEqual((await run(['--node-red', decide.url])).state, 'CRITICAL');
    const both = await health(503, { personMustAct: true, mailboxes: [{ ...BOX, conditions: [PARKED, STOPPED] }] });
    const { code, text } = await run(['--node-red', both.url]);
    assert.equal(code, 2);
    assert.equal(text, 'X26ABC1: Handshakes with MESH have stopped   at all. (and 1 more)');
  });

  it('says CRITICAL when Node-RED does not run', async () => {
    const { code, text } = await run(['--node-red', `http://127.0.0.1:${await freePort()}`]);
    assert.equal(code, 2);
    assert.match(text, /cannot be reached \(ECONNREFUSED\)/);
  });

  it('prints one line that agents can read, however long and odd a text is', () => {
    const result = {
      state: 'WARNING',
      text: `a|b\r\nc${'d'.repeat(5000)}`,
      performance: [
        { label: "o'dd = label", value: 9e15 },
        { label: 'part', value: 0.12345, unit: 's' },
      ],
    } as const;
    const read = readPlugin(monitorLine(result), exitCodeOf(result));
    assert.deepEqual(Object.keys(read.performance), ['o_dd___label', 'part']);
    assert.equal(read.performance['part']?.value, 0.123);
    assert.ok(monitorLine(result).length < 1024);
  });
});
