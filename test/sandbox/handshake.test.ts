import assert from 'node:assert/strict';
import { call, sandboxFor, V1, V2 } from './support';

const PATH = '/messageexchange/X26ABC1';
const CLIENT = { 'mex-ClientVersion': 'test==1', 'mex-OSName': 'Linux', 'mex-OSVersion': '#1' };

describe('sandbox: handshake and the Accept header', () => {
  it('returns the mailbox in version 1, and an empty body in version 2', async () => {
    const sandbox = await sandboxFor();
    const first = await call(sandbox, PATH, { method: 'POST', as: 'X26ABC1', version: 1, headers: CLIENT });
    assert.deepEqual([first.status, first.json()], [200, { mailboxId: 'X26ABC1' }]);
    const second = await call(sandbox, PATH, { method: 'POST', as: 'X26ABC1', headers: CLIENT });
    assert.deepEqual([second.status, second.body.length], [200, 0]);
  });

  it('requires the client version, the system and its version', async () => {
    const sandbox = await sandboxFor();
    for (const name of Object.keys(CLIENT)) {
      const headers = Object.fromEntries(Object.entries(CLIENT).filter(([key]) => key !== name));
      const response = await call(sandbox, PATH, { method: 'POST', as: 'X26ABC1', headers });
      assert.equal(response.status, 400, name);
      const [problem] = response.json()['detail'] as Array<{ loc: string[]; msg: string; type: string }>;
      assert.deepEqual(problem, { loc: ['header', name.toLowerCase()], msg: 'Field required', type: 'missing' });
    }
  });

  it('refuses a handshake by GET unless the test endpoints are enabled', async () => {
    const strict = await sandboxFor();
    const refused = await call(strict, PATH, { as: 'X26ABC1', headers: CLIENT });
    assert.deepEqual([refused.status, refused.headers.allow], [405, 'POST']);
    const lenient = await sandboxFor({ admin: true });
    assert.equal((await call(lenient, PATH, { as: 'X26ABC1', headers: CLIENT })).status, 200);
  });

  it('returns version 1 or 2 by the Accept header, in its media type', async () => {
    const sandbox = await sandboxFor();
    const typeFor = async (accept: string): Promise<string | undefined> => {
      const response = await call(sandbox, `${PATH}/inbox`, { as: 'X26ABC1', headers: { Accept: accept } });
      return response.headers['content-type'];
    };
    assert.equal(await typeFor(V2), V2);
    assert.equal(await typeFor('Application/VND.mesh.V2+json; charset=utf-8'), V2);
    assert.equal(await typeFor(`${V2};q=0.9`), V2);
    for (const accept of [V1, 'application/json', '*/*', '']) assert.equal(await typeFor(accept), 'application/json');
  });

  it('refuses an unknown version with 400', async () => {
    const sandbox = await sandboxFor();
    for (const accept of [
      'application/vnd.mesh.v3+json',
      'application/vnd.mesh.v0+json',
      'application/vnd.mesh+json',
    ]) {
      const response = await call(sandbox, `${PATH}/inbox`, { as: 'X26ABC1', headers: { Accept: accept } });
      assert.equal(response.status, 400, accept);
      assert.match(String(response.json()['errorDescription']), /Accept/);
    }
  });

  it('refuses a list of media types with 400, in version 1, and only where the version matters', async () => {
    const sandbox = await sandboxFor({ admin: true });
    for (const accept of [`text/html, ${V2}`, `${V2}, ${V1}`, `${V2},*/*`]) {
      const response = await call(sandbox, `${PATH}/inbox`, { as: 'X26ABC1', headers: { Accept: accept } });
      assert.deepEqual([response.status, response.headers['content-type']], [400, 'application/json'], accept);
      assert.match(String(response.json()['errorDescription']), /Accept/);
      for (const path of ['/health', '/admin/mailbox/X26ABC1']) {
        assert.equal((await call(sandbox, path, { headers: { Accept: accept } })).status, 200, path);
      }
    }
    const plain = { as: 'X26ABC1', headers: { Accept: 'text/html, application/json' } };
    assert.equal((await call(sandbox, `${PATH}/inbox`, plain)).status, 200);
  });

  it('returns 404 for an unknown path and 405 for an unknown method', async () => {
    const sandbox = await sandboxFor();
    assert.equal((await call(sandbox, '/messageexchange/X26ABC1/nothing', { as: 'X26ABC1' })).status, 404);
    assert.equal((await call(sandbox, '/', {})).status, 404);
    assert.equal((await call(sandbox, '/messageexchange/%E0%A4%A/inbox', { as: 'X26ABC1' })).status, 404);
    const response = await call(sandbox, `${PATH}/inbox`, { method: 'DELETE', as: 'X26ABC1' });
    assert.deepEqual([response.status, response.headers.allow], [405, 'GET']);
  });

  it('has health checks without a token', async () => {
    const sandbox = await sandboxFor();
    for (const path of [
      '/health',
      '/_status',
      '/_ping',
      '/healthcheck',
      '/messageexchange/_ping',
      '/messageexchange/deepping',
    ]) {
      const response = await call(sandbox, path);
      assert.deepEqual([response.status, response.json()['status']], [200, 'running'], path);
    }
  });
});
