import assert from 'node:assert/strict';
import { call, sandboxFor, V1, V2 } from './support';

const PATH = '/messageexchange/X26ABC1';
const CLIENT = { 'mex-ClientVersion': 'test==1', 'mex-OSName': 'Linux', 'mex-OSVersion': '#1' };

describe('sandbox: handshake and the Accept header', () => {
  it('answers a handshake in version 1 with the mailbox, and in version 2 with nothing', async () => {
    const sandbox = await sandboxFor();
    const first = await call(sandbox, PATH, { method: 'POST', as: 'X26ABC1', version: 1, headers: CLIENT });
    assert.deepEqual([first.status, first.json()], [200, { mailboxId: 'X26ABC1' }]);
    const second = await call(sandbox, PATH, { method: 'POST', as: 'X26ABC1', headers: CLIENT });
    assert.deepEqual([second.status, second.body.length], [200, 0]);
  });

  it('wants client version, system and its version', async () => {
    const sandbox = await sandboxFor();
    for (const name of Object.keys(CLIENT)) {
      const headers = Object.fromEntries(Object.entries(CLIENT).filter(([key]) => key !== name));
      const reply = await call(sandbox, PATH, { method: 'POST', as: 'X26ABC1', headers });
      assert.equal(reply.status, 400, name);
      const [problem] = reply.json()['detail'] as Array<{ loc: string[]; msg: string; type: string }>;
      assert.deepEqual(problem, { loc: ['header', name.toLowerCase()], msg: 'Field required', type: 'missing' });
    }
  });

  it('takes no GET for a handshake unless the test endpoints are on', async () => {
    const strict = await sandboxFor();
    const refused = await call(strict, PATH, { as: 'X26ABC1', headers: CLIENT });
    assert.deepEqual([refused.status, refused.headers.allow], [405, 'POST']);
    const lenient = await sandboxFor({ admin: true });
    assert.equal((await call(lenient, PATH, { as: 'X26ABC1', headers: CLIENT })).status, 200);
  });

  it('answers version 1 and 2 by the Accept header, in their media types', async () => {
    const sandbox = await sandboxFor();
    const typeFor = async (accept: string): Promise<string | undefined> => {
      const reply = await call(sandbox, `${PATH}/inbox`, { as: 'X26ABC1', headers: { Accept: accept } });
      return reply.headers['content-type'];
    };
    assert.equal(await typeFor(V2), V2);
    assert.equal(await typeFor('Application/VND.mesh.V2+json; charset=utf-8'), V2);
    assert.equal(await typeFor(`text/html, ${V2}`), V2);
    for (const accept of [V1, 'application/json', '*/*', '']) assert.equal(await typeFor(accept), 'application/json');
  });

  it('refuses an unknown version with 400', async () => {
    const sandbox = await sandboxFor();
    for (const accept of [
      'application/vnd.mesh.v3+json',
      'application/vnd.mesh.v0+json',
      'application/vnd.mesh+json',
    ]) {
      const reply = await call(sandbox, `${PATH}/inbox`, { as: 'X26ABC1', headers: { Accept: accept } });
      assert.equal(reply.status, 400, accept);
      assert.match(String(reply.json()['errorDescription']), /Accept/);
    }
  });

  it('answers 404 for a path and 405 for a method that it does not have', async () => {
    const sandbox = await sandboxFor();
    assert.equal((await call(sandbox, '/messageexchange/X26ABC1/nothing', { as: 'X26ABC1' })).status, 404);
    assert.equal((await call(sandbox, '/', {})).status, 404);
    assert.equal((await call(sandbox, '/messageexchange/%E0%A4%A/inbox', { as: 'X26ABC1' })).status, 404);
    const reply = await call(sandbox, `${PATH}/inbox`, { method: 'DELETE', as: 'X26ABC1' });
    assert.deepEqual([reply.status, reply.headers.allow], [405, 'GET']);
  });

  it('gives signs of life without a token', async () => {
    const sandbox = await sandboxFor();
    for (const path of [
      '/health',
      '/_status',
      '/_ping',
      '/healthcheck',
      '/messageexchange/_ping',
      '/messageexchange/deepping',
    ]) {
      const reply = await call(sandbox, path);
      assert.deepEqual([reply.status, reply.json()['status']], [200, 'running'], path);
    }
  });
});
