/** The monitoring endpoints exist only when switched on, and require a permission. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { run } from '../harness/command';
import { MAJORS, startNodeRed, text } from '../harness/flows';
import { readPlugin, type PluginOutput } from '../harness/nagios';
import { ROOT } from '../harness/node-red';
import { readExposition } from '../harness/prometheus';
import { readSyslog, startSyslog } from '../harness/syslog-server';
import { untilInNodeRed } from '../harness/until';

const HELLO = text('hello');
const TO_ITSELF = {
  to: 'X26ABC1',
  toType: 'str',
  workflowId: 'TEST_WORKFLOW',
  workflowIdType: 'str',
  subject: 'marked-subject',
  subjectType: 'str',
};
/** A mailbox that sends one message to itself and receives it. */
const FLOWS = [
  { id: 'tab', type: 'tab', label: 'test' },
  { id: 'box', type: 'mesh-config', environment: 'sandbox', mailboxId: 'X26ABC1', version: 1 },
  { id: 'inject', type: 'inject', z: 'tab', x: 0, y: 0, once: true, onceDelay: 0.1, props: HELLO, wires: [['send']] },
  { id: 'send', type: 'mesh-send', z: 'tab', mailbox: 'box', x: 100, y: 100, wires: [['poll']], ...TO_ITSELF },
  {
    id: 'poll',
    type: 'mesh-poll',
    z: 'tab',
    mailbox: 'box',
    interval: 0,
    x: 200,
    y: 100,
    wires: [['got'], ['got'], [], []],
  },
  { id: 'got', type: 'debug', z: 'tab', active: false, x: 300, y: 100, wires: [] },
];
const SETTINGS = `
  mesh: { metrics: true },
  adminAuth: { type: 'credentials', users: [], tokens: async (token) =>
    token === 'may' ? { username: 'prometheus', permissions: ['mesh.read'] }
    : token === 'may-not' ? { username: 'other', permissions: ['flows.read'] } : null },`;

/** Runs `nhs-mesh check --monitor` against a Node-RED, as an agent does. */
async function monitor(url: string, token: string): Promise<PluginOutput> {
  const program = join(ROOT, 'dist/lib/cli/main.js');
  const env = { ...process.env, MESH_METRICS_TOKEN: token };
  const { stdout, code } = await run(process.execPath, [program, 'check', '--monitor', '--node-red', url], { env });
  return readPlugin(stdout, code);
}

describe('monitoring', function () {
  this.timeout(90_000);
  for (const major of MAJORS) {
    it(`works in Node-RED ${major} when switched on, for users with mesh.read`, async () => {
      const { nodeRed, done } = await startNodeRed({ major, flows: FLOWS, settings: SETTINGS });
      try {
        const get = (path: string, token?: string): Promise<Response> =>
          fetch(`${nodeRed.url}/mesh/${path}`, token ? { headers: { authorization: `Bearer ${token}` } } : {});
        for (const path of ['health', 'metrics']) {
          assert.equal((await get(path)).status, 401);
          assert.equal((await get(path, 'may-not')).status, 401);
        }
        const metrics = async (): Promise<string> => {
          const response = await get('metrics', 'may');
          assert.match(response.headers.get('content-type') ?? '', /^text\/plain;.*version=0\.0\.4/);
          return response.text();
        };
        const reports = (line: string): Promise<unknown> =>
          untilInNodeRed(line, async () => (await metrics()).includes(line));
        await reports('mesh_connected{mailbox="X26ABC1",environment="sandbox"} 1');
        let exposition = await metrics();
        assert.match(exposition, /mesh_connected\{mailbox="X26ABC1",environment="sandbox"\} 1/);
        assert.match(exposition, /mesh_forgotten_messages_total\{mailbox="X26ABC1",environment="sandbox"\} 0/);
        assert.match(exposition, /mesh_offered_again_total\{mailbox="X26ABC1",environment="sandbox"\} 0/);
        assert.match(exposition, /mesh_outbox_waiting\{mailbox="X26ABC1",environment="sandbox"\} 0/);
        assert.match(exposition, /mesh_last_handshake_age_seconds\{mailbox="X26ABC1",environment="sandbox"\} \d/);
        assert.match(exposition, /mesh_disk_free_bytes\{mailbox="X26ABC1",environment="sandbox"\} [1-9]/);
        await reports('mesh_received_messages_total{mailbox="X26ABC1",environment="sandbox"} 1');
        exposition = await metrics();
        for (const line of [
          'mesh_sent_messages_total{mailbox="X26ABC1",environment="sandbox"} 1',
          'mesh_sent_bytes_total{mailbox="X26ABC1",environment="sandbox"} 5',
          'mesh_received_bytes_total{mailbox="X26ABC1",environment="sandbox"} 5',
          '# TYPE mesh_collected_seconds histogram',
          'mesh_collected_seconds_bucket{mailbox="X26ABC1",environment="sandbox",le="60"} 0',
          'mesh_collected_seconds_bucket{mailbox="X26ABC1",environment="sandbox",le="+Inf"} 0',
          'mesh_collected_seconds_count{mailbox="X26ABC1",environment="sandbox"} 0',
        ]) {
          assert.ok(exposition.includes(`${line}\n`), `${line}\n${exposition}`);
        }
        assert.doesNotMatch(exposition, /TestKey|password|marked-subject|hello/);
        const samples = readExposition(exposition);
        const sent = samples.find(({ name }) => name === 'mesh_sent_messages_total');
        assert.deepEqual(sent, {
          name: 'mesh_sent_messages_total',
          labels: { mailbox: 'X26ABC1', environment: 'sandbox' },
          value: 1,
        });
        const answer = await get('health', 'may');
        const health = (await answer.json()) as { status: string; personMustAct: boolean };
        assert.deepEqual([answer.status, health.status, health.personMustAct], [200, 'ok', false]);
        const plugin = await monitor(nodeRed.url, 'may');
        assert.deepEqual([plugin.state, plugin.text], ['OK', '1 mailbox, nothing needs a person.']);
        assert.equal(plugin.performance['X26ABC1_waiting']?.value, 0);
        assert.equal((await monitor(nodeRed.url, 'may-not')).state, 'UNKNOWN');
      } finally {
        await done();
      }
    });
  }

  it('answers 503 when a person must act, and tells monitoring systems why', async () => {
    const unusable = [
      { id: 'wrong', type: 'mesh-config', name: 'not filled in', environment: '', mailboxId: 'X26ABC2', version: 1 },
      { id: 'to-wrong', type: 'mesh-send', z: 'tab', mailbox: 'wrong', x: 100, y: 200, wires: [[]], ...TO_ITSELF },
    ];
    for (const [setting, status] of [
      ['', 503],
      [", failHealthWhen: 'never'", 200],
    ] as const) {
      const settings = SETTINGS.replace('metrics: true', `metrics: true${setting}`);
      const { nodeRed, done } = await startNodeRed({ major: '5', flows: [...FLOWS, ...unusable], settings });
      try {
        const response = await fetch(`${nodeRed.url}/mesh/health`, { headers: { authorization: 'Bearer may' } });
        const health = (await response.json()) as {
          status: string;
          mailboxes: Array<{ name: string; conditions: Array<{ kind: string }> }>;
        };
        assert.deepEqual([response.status, health.status], [status, 'failing']);
        const kinds = health.mailboxes.find(({ name }) => name === 'not filled in')?.conditions.map(({ kind }) => kind);
        assert.deepEqual(kinds, ['configuration']);
        const { state, text } = await monitor(nodeRed.url, 'may');
        assert.equal(state, 'CRITICAL');
        assert.match(text, /^not filled in: /);
      } finally {
        await done();
      }
    }
  });

  it('sends alerts and audit to a SIEM, with nothing of a message but its ids', async () => {
    const siem = await startSyslog('tcp');
    const alert = {
      id: 'alert',
      type: 'mesh-alert',
      z: 'tab',
      version: 1,
      x: 300,
      y: 200,
      to: 'syslog',
      syslogHost: '127.0.0.1',
      syslogPort: siem.port,
      transport: 'tcp',
      form: 'rfc5424',
      audit: true,
      wires: [[], [], []],
    };
    const { nodeRed, done } = await startNodeRed({ major: '5', flows: [...FLOWS, alert] });
    const ask = async (path: string, body?: object): Promise<unknown> => {
      const headers = { 'node-red-api-version': 'v2', 'content-type': 'application/json' };
      const post = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
      return (await fetch(`${nodeRed.url}/mesh/mailboxes/box/${path}`, { headers, ...post })).json();
    };
    try {
      const found = await untilInNodeRed('the received message', async () => {
        const { messages } = (await ask('messages?direction=in')) as { messages: Array<{ reference: string }> };
        return messages[0];
      });
      const { subject } = (await ask(`messages/in/${found.reference}/private`)) as { subject: string };
      assert.equal(subject, 'marked-subject');
      await ask(`messages/in/${found.reference}/actions`, { action: 'acknowledge' });
      await untilInNodeRed('both uses', () => siem.received.length >= 2);
      const events = siem.received.map((bytes) => readSyslog(bytes));
      assert.deepEqual(
        events.map(({ facility, data }) => [facility, data['mesh@32473']?.['event'], data['mesh@32473']?.['message']]),
        [
          [13, 'looked at', found.reference],
          [13, 'acknowledge asked for', found.reference],
        ],
      );
      assert.doesNotMatch(siem.received.join(' '), /marked-subject|hello/);
    } finally {
      await done();
      await siem.close();
    }
  });

  it('is off by default', async () => {
    const { nodeRed, done } = await startNodeRed({ major: '5', flows: FLOWS });
    try {
      assert.equal((await fetch(`${nodeRed.url}/mesh/metrics`)).status, 404);
    } finally {
      await done();
    }
  });
});
