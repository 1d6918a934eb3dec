import assert from 'node:assert/strict';
import { call, sandboxFor, token, V2 } from './support';

const endpoint = (ods: string, workflow: string): string => `/messageexchange/endpointlookup/${ods}/${workflow}`;
const search = (workflow: string): string => `/messageexchange/workflowsearch/${workflow}`;

describe('sandbox: lookup', () => {
  it('finds mailboxes by ODS code and workflow without a token', async () => {
    const sandbox = await sandboxFor();
    const response = await call(sandbox, endpoint('X26', 'TEST_WORKFLOW'));
    assert.deepEqual([response.status, response.headers['content-type']], [200, V2]);
    assert.deepEqual(response.json(), { results: [{ mailbox_id: 'X26ABC2', mailbox_name: 'TESTMB2' }] });
  });

  it('returns a query id, and address, description and type, in version 1', async () => {
    const sandbox = await sandboxFor();
    const { query_id: id, results } = (
      await call(sandbox, endpoint('x27', 'TEST_WORKFLOW_ACK'), { version: 1 })
    ).json();
    assert.match(String(id), /^\d{20}_[0-9A-F]{6}$/);
    assert.deepEqual(results, [{ address: 'X26ABC3', description: 'TESTMB3', endpoint_type: 'MESH' }]);
  });

  it('returns an empty list for an unknown ODS code or workflow', async () => {
    const sandbox = await sandboxFor();
    for (const path of [
      endpoint('X99', 'TEST_WORKFLOW'),
      endpoint('X26', 'NONE'),
      search('NONE'),
      search('TEST_WORK'),
    ]) {
      assert.deepEqual((await call(sandbox, path)).json(), { results: [] });
    }
  });

  it('refuses blank parts of the path', async () => {
    const sandbox = await sandboxFor();
    for (const path of [endpoint('%20', 'W'), endpoint('X26', '%20'), search('%20')]) {
      assert.equal((await call(sandbox, path)).status, 400);
    }
  });

  it('finds mailboxes by workflow, with the same body in both versions', async () => {
    const sandbox = await sandboxFor();
    const expected = ['X26ABC1', 'X26ABC3'].map((id) => ({ mailbox_id: id, mailbox_name: `TESTMB${id.at(-1)}` }));
    for (const version of [1, 2] as const) {
      assert.deepEqual((await call(sandbox, search('TEST_WORKFLOW_ACK'), { version })).json(), { results: expected });
    }
  });

  it('ignores a token', async () => {
    const sandbox = await sandboxFor();
    const headers = { Authorization: token('X26ABC1', { password: 'wrong' }) };
    assert.equal((await call(sandbox, search('TEST_WORKFLOW'), { headers })).status, 200);
  });

  it('finds configured mailboxes and workflows', async () => {
    const sandbox = await sandboxFor({
      mailboxes: [{ mailboxId: 'm1', password: 'p', odsCode: 'A1', name: 'One' }],
      workflows: [{ workflowId: 'A/B C', senders: [], receivers: ['M1', 'GONE'] }],
    });
    const response = await call(sandbox, endpoint('A1', 'A%2FB%20C'));
    assert.deepEqual(response.json(), { results: [{ mailbox_id: 'M1', mailbox_name: 'One' }] });
  });
});
