/** What a monitoring system gets: nothing unless it is switched on, and then only with the permission. */
import assert from 'node:assert/strict';
import { MAJORS, startNodeRed } from './support';

const FLOWS = [
  { id: 'tab', type: 'tab', label: 'test' },
  { id: 'box', type: 'mesh-config', environment: 'sandbox', mailboxId: 'X26ABC1', version: 1 },
  { id: 'send', type: 'mesh-send', z: 'tab', mailbox: 'box', x: 100, y: 100, wires: [] },
];
const SETTINGS = `
  mesh: { metrics: true },
  adminAuth: { type: 'credentials', users: [], tokens: async (token) =>
    token === 'may' ? { username: 'prometheus', permissions: ['mesh.read'] }
    : token === 'may-not' ? { username: 'other', permissions: ['flows.read'] } : null },`;

describe('monitoring', function () {
  this.timeout(90_000);
  for (const major of MAJORS) {
    it(`is answered by Node-RED ${major} where it is on, to who has mesh.read`, async () => {
      const { nodeRed, done } = await startNodeRed({ major, flows: FLOWS, settings: SETTINGS });
      try {
        const ask = (path: string, token?: string): Promise<Response> =>
          fetch(`${nodeRed.url}/mesh/${path}`, token ? { headers: { authorization: `Bearer ${token}` } } : {});
        for (const path of ['health', 'metrics']) {
          assert.equal((await ask(path)).status, 401);
          assert.equal((await ask(path, 'may-not')).status, 401);
        }
        let text = '';
        const end = Date.now() + 30_000;
        while (!text.includes('mesh_connected{mailbox="X26ABC1"} 1') && Date.now() < end) {
          const answer = await ask('metrics', 'may');
          assert.match(answer.headers.get('content-type') ?? '', /^text\/plain;.*version=0\.0\.4/);
          text = await answer.text();
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        assert.match(text, /mesh_connected\{mailbox="X26ABC1"\} 1/);
        assert.match(text, /mesh_outbox_waiting\{mailbox="X26ABC1"\} 0/);
        assert.match(text, /mesh_last_handshake_age_seconds\{mailbox="X26ABC1"\} \d/);
        assert.doesNotMatch(text, /TestKey|password/);
        const health = (await (await ask('health', 'may')).json()) as { status: string };
        assert.equal(health.status, 'ok');
      } finally {
        await done();
      }
    });
  }

  it('is not there by default', async () => {
    const { nodeRed, done } = await startNodeRed({ major: '5', flows: FLOWS });
    try {
      assert.equal((await fetch(`${nodeRed.url}/mesh/metrics`)).status, 404);
    } finally {
      await done();
    }
  });
});
