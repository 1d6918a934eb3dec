/** The monitoring endpoints exist only when switched on, and require a permission. */
import assert from 'node:assert/strict';
import { MAJORS, startNodeRed, text } from '../harness/flows';
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
        const health = (await (await get('health', 'may')).json()) as { status: string };
        assert.equal(health.status, 'ok');
      } finally {
        await done();
      }
    });
  }

  it('is off by default', async () => {
    const { nodeRed, done } = await startNodeRed({ major: '5', flows: FLOWS });
    try {
      assert.equal((await fetch(`${nodeRed.url}/mesh/metrics`)).status, 404);
    } finally {
      await done();
    }
  });
});
