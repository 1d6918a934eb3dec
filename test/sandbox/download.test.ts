import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { acknowledge, call, download, errorOf, inbox, sandboxFor, send, track, V2 } from './support';

const GZIP = { 'Accept-Encoding': 'gzip' };

describe('sandbox: download and acknowledge', () => {
  it('returns stored gzip unchanged to a client that accepts gzip', async () => {
    const sandbox = await sandboxFor();
    const body = gzipSync('the payload');
    const id = await send(sandbox, { body, headers: { 'Content-Encoding': 'gzip' } });
    for (const version of [1, 2] as const) {
      const response = await download(sandbox, id, { version, headers: GZIP });
      assert.ok(response.body.equals(body));
      const {
        'content-encoding': encoding,
        'content-length': length,
        'mex-content-compressed': mark,
      } = response.headers;
      assert.deepEqual([encoding, length, mark], ['gzip', String(body.length), 'Y']);
    }
  });

  it('expands stored gzip for a client that does not accept it', async () => {
    const sandbox = await sandboxFor();
    const text = Buffer.alloc(1_000_000, 'payload ');
    const id = await send(sandbox, { body: gzipSync(text), headers: { 'Content-Encoding': 'gzip' } });
    for (const headers of [{}, { 'Accept-Encoding': 'gzip;q=0, br' }]) {
      const response = await download(sandbox, id, { headers });
      assert.ok(response.body.equals(text));
      assert.deepEqual(
        [response.headers['content-encoding'], response.headers['mex-content-compressed']],
        [undefined, 'N'],
      );
    }
  });

  it('compresses an uncompressed body for a client that accepts gzip in version 2, but not in version 1', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, { body: 'plain' });
    const second = await download(sandbox, id, { headers: GZIP });
    assert.equal(gunzipSync(second.body).toString(), 'plain');
    assert.deepEqual([second.headers['content-encoding'], second.headers['mex-content-compressed']], ['gzip', 'Y']);
    const first = await download(sandbox, id, { version: 1, headers: GZIP });
    assert.deepEqual([first.headers['content-encoding'], first.body.toString()], [undefined, 'plain']);
    assert.equal(first.headers['content-length'], '5');
  });

  it('returns 500 if a body stored as gzip cannot be expanded, and the body itself to a client that accepts gzip', async () => {
    const sandbox = await sandboxFor();
    const long = gzipSync(randomBytes(200_000));
    const corrupt = Buffer.from(long);
    corrupt.fill(0, 150_000, 150_100);
    for (const body of [Buffer.from('no gzip'), long.subarray(0, 199_000), long.subarray(0, 5), corrupt]) {
      const id = await send(sandbox, { body, headers: { 'Content-Encoding': 'gzip' } });
      for (const version of [1, 2] as const) {
        const response = await download(sandbox, id, { version });
        assert.deepEqual([response.status, response.headers['content-type']], [500, 'application/json']);
        assert.match(String(response.json()['message']), /not the gzip/);
      }
      assert.ok((await download(sandbox, id, { headers: GZIP })).body.equals(body));
    }
    assert.deepEqual(new Set(sandbox.requests().map(({ status }) => status)), new Set([200, 202, 500]));
  });

  it('sends the content type of a single message in version 2, and octet-stream in version 1', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, { headers: { 'Content-Type': 'Text/CSV' } });
    assert.equal((await download(sandbox, id)).headers['content-type'], 'Text/CSV');
    assert.equal((await download(sandbox, id, { version: 1 })).headers['content-type'], 'application/octet-stream');
    const named = await send(sandbox, { headers: { 'Content-Type': 'text/csv', 'Mex-Content-Type': 'text/plain' } });
    assert.equal((await download(sandbox, named)).headers['content-type'], 'text/plain');
  });

  it('returns only headers for HEAD, also to the sender', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox);
    const response = await download(sandbox, id, { method: 'HEAD' });
    assert.deepEqual([response.status, response.body.length, response.headers['content-type']], [200, 0, V2]);
    const sender = await call(sandbox, `/messageexchange/X26ABC1/inbox/${id}`, { method: 'HEAD', as: 'X26ABC1' });
    assert.equal(sender.headers['mex-messageid'], id);
  });

  it('reads a message id in any case', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox);
    assert.equal((await download(sandbox, id.toLowerCase(), { version: 1 })).body.toString(), 'hello');
  });

  it('returns 404 with code 20 for an unknown message', async () => {
    const sandbox = await sandboxFor();
    const response = await download(sandbox, '20200529155357895317_3573F8');
    assert.deepEqual([response.status, errorOf(response)[1]], [404, '20']);
    const head = await download(sandbox, '20200529155357895317_3573F8', { method: 'HEAD' });
    assert.deepEqual([head.status, head.body.length], [404, 0]);
    const put = await acknowledge(sandbox, '20200529155357895317_3573F8', { version: 1 });
    assert.deepEqual([put.status, put.json()['errorCode']], [404, '20']);
  });

  it('refuses a message to a third mailbox: 403, and 404 for HEAD', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox);
    const path = `/messageexchange/X26ABC3/inbox/${id}`;
    assert.equal((await call(sandbox, path, { as: 'X26ABC3' })).status, 403);
    assert.equal((await call(sandbox, path, { method: 'HEAD', as: 'X26ABC3' })).status, 404);
    assert.equal((await acknowledge(sandbox, id, { as: 'X26ABC3' })).status, 403);
    assert.deepEqual(await inbox(sandbox), [id]);
  });

  it('removes an acknowledged message from the inbox, and it cannot be downloaded again', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox);
    const response = await acknowledge(sandbox, id);
    assert.deepEqual([response.status, response.body.length], [200, 0]);
    assert.deepEqual(await inbox(sandbox), []);
    for (const path of [id, `${id}/1`]) assert.equal((await download(sandbox, path)).status, 410);
    assert.equal((await download(sandbox, id, { method: 'HEAD' })).status, 410);
  });

  it('acknowledges again without harm, and returns the id in version 1', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox);
    await acknowledge(sandbox, id);
    const before = (await track(sandbox, id)).json();
    sandbox.clock.advance(60_000);
    const again = await acknowledge(sandbox, id, { version: 1 });
    assert.deepEqual([again.status, again.json()], [200, { messageId: id }]);
    assert.deepEqual((await track(sandbox, id)).json(), before);
  });

  it('treats ids with dots and slashes as unknown messages', async () => {
    const sandbox = await sandboxFor();
    await send(sandbox, { body: Buffer.alloc(100_000) });
    for (const id of [
      '..%2F..%2Fetc%2Fpasswd',
      '..',
      '.',
      '%2e%2e%2f',
      '%00',
      'a%0D%0AX-Injected:%20y',
      '%F0%9F%92%A9',
      '__proto__',
    ]) {
      assert.equal((await download(sandbox, id)).status, 404, id);
      assert.equal((await download(sandbox, `${id}/1`)).status, 404, id);
      assert.equal((await acknowledge(sandbox, id)).status, 404, id);
    }
    assert.equal(
      (await call(sandbox, '/messageexchange/X26ABC2/inbox/../../../etc/passwd', { as: 'X26ABC2' })).status,
      404,
    );
  });
});
