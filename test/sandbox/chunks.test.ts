import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import {
  call,
  download,
  errorOf,
  inbox,
  postChunk,
  sandboxFor,
  send,
  token,
  track,
  type HttpResponse,
} from './support';

const FIRST = { headers: { 'Mex-Chunk-Range': '1:3' }, body: 'chunk 1' };

const refused = (response: HttpResponse): [number, string] => [response.status, errorOf(response)[1]];

describe('sandbox: chunked messages', () => {
  it('shows a message to its recipient only when all chunks have arrived', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, FIRST);
    for (const chunk of [2, 3]) {
      assert.deepEqual(await inbox(sandbox), []);
      assert.equal((await download(sandbox, id)).status, 410);
      assert.equal((await track(sandbox, id)).json()['status'], 'uploading');
      const response = await postChunk(sandbox, id, chunk, 3);
      assert.deepEqual([response.status, response.json()], [202, { message_id: id }]);
    }
    assert.deepEqual(await inbox(sandbox), [id]);
    assert.equal((await track(sandbox, id)).json()['status'], 'accepted');
    assert.equal(sandbox.messages()[0]?.bytes, 21);
  });

  it('returns the chunk’s number as well in version 1', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, FIRST);
    const response = await postChunk(sandbox, id, 2, 3, { version: 1 });
    assert.deepEqual(response.json(), { messageID: id, blockID: 2 });
  });

  it('returns chunks one by one, with 206 while more follow and 200 at the last', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, FIRST);
    for (const chunk of [2, 3]) await postChunk(sandbox, id, chunk, 3);
    const got = [];
    for (const path of [id, `${id}/1`, `${id}/2`, `${id}/3`]) {
      const response = await download(sandbox, path, { version: 1 });
      got.push([
        response.status,
        response.headers['mex-chunk-range'],
        response.headers['mex-total-chunks'],
        response.body.toString(),
      ]);
    }
    assert.deepEqual(got, [
      [206, '1:3', '3', 'chunk 1'],
      [206, '1:3', '3', 'chunk 1'],
      [206, '2:3', '3', 'chunk 2'],
      [200, '3:3', '3', 'chunk 3'],
    ]);
  });

  it('returns 404 for a chunk beyond the last, and 400 for one below 1', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox);
    assert.equal((await download(sandbox, `${id}/2`)).status, 404);
    for (const chunk of ['0', '-1', 'x', '1.5', '9'.repeat(30)]) {
      assert.equal((await download(sandbox, `${id}/${chunk}`)).status, 400, chunk);
    }
  });

  it('refuses a chunk whose number is not in its range with 417, and one without a number with 400', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, FIRST);
    for (const chunk of ['0', '-1', '4', '9'.repeat(30)]) {
      for (const range of [`${chunk}:3`, '0:3', '2:3', '']) {
        const path = `/messageexchange/X26ABC1/outbox/${id}/${chunk}`;
        const headers = { 'Mex-Chunk-Range': range };
        const response = await call(sandbox, path, { method: 'POST', as: 'X26ABC1', body: 'x', headers });
        assert.deepEqual(refused(response), [417, 'InvalidHeaderChunks'], `${chunk}, ${range}`);
      }
    }
    for (const chunk of ['x', '1.5', '2x']) {
      const path = `/messageexchange/X26ABC1/outbox/${id}/${chunk}`;
      assert.equal((await call(sandbox, path, { method: 'POST', as: 'X26ABC1', body: 'x' })).status, 400, chunk);
    }
    assert.equal((await track(sandbox, id)).json()['status'], 'uploading');
  });

  it('sends application/octet-stream for a chunk, whatever the message’s type', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, { ...FIRST, headers: { ...FIRST.headers, 'Content-Type': 'text/csv' } });
    for (const chunk of [2, 3]) await postChunk(sandbox, id, chunk, 3);
    const { headers } = await download(sandbox, id);
    assert.deepEqual([headers['content-type'], headers['mex-content-type']], ['application/octet-stream', 'text/csv']);
  });

  it('replaces a chunk that is uploaded again', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, FIRST);
    assert.equal((await postChunk(sandbox, id, 1, 3, { body: 'again 1' })).status, 202);
    assert.equal((await postChunk(sandbox, id, 2, 3, { body: 'x' })).status, 202);
    assert.equal((await postChunk(sandbox, id, 2, 3, { body: 'again 2, longer' })).status, 202);
    assert.equal((await postChunk(sandbox, id, 3, 3)).status, 202);
    const texts = [];
    for (const chunk of [1, 2, 3])
      texts.push((await download(sandbox, `${id}/${chunk}`, { version: 1 })).body.toString());
    assert.deepEqual(texts, ['again 1', 'again 2, longer', 'chunk 3']);
    assert.equal(sandbox.messages()[0]?.bytes, 7 + 15 + 7);
  });

  it('refuses a chunk if an earlier one is missing', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, FIRST);
    assert.deepEqual(refused(await postChunk(sandbox, id, 3, 3)), [417, 'InvalidHeaderChunks']);
    assert.equal((await track(sandbox, id)).json()['status'], 'uploading');
  });

  it('refuses a chunk range that is missing, or matches neither the path nor the announced total', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, FIRST);
    for (const range of ['', '3:3', '2:2', '2:4', '2', 'two:3']) {
      const response = await postChunk(sandbox, id, 2, 3, { headers: { 'Mex-Chunk-Range': range } });
      assert.deepEqual(refused(response), [417, 'InvalidHeaderChunks'], range);
      assert.equal(response.json()['message_id'], id);
    }
    assert.deepEqual(refused(await postChunk(sandbox, id, 4, 4)), [417, 'InvalidHeaderChunks']);
    const path = `/messageexchange/X26ABC1/outbox/${id}/two`;
    const response = await call(sandbox, path, { method: 'POST', as: 'X26ABC1', body: 'x' });
    assert.equal(response.status, 400);
  });

  it('refuses a content encoding that differs from the first chunk’s', async () => {
    const sandbox = await sandboxFor();
    const body = gzipSync('x');
    const gzip = { 'Content-Encoding': 'gzip' };
    const plain = await send(sandbox, FIRST);
    assert.equal((await postChunk(sandbox, plain, 2, 3, { body, headers: gzip })).status, 417);
    const zipped = await send(sandbox, { body, headers: { ...FIRST.headers, ...gzip } });
    assert.match(errorOf(await postChunk(sandbox, zipped, 2, 3))[2], /cannot change content encoding/);
    assert.equal((await postChunk(sandbox, zipped, 2, 3, { body, headers: gzip })).status, 202);
  });

  it('refuses an empty chunk', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, FIRST);
    assert.deepEqual(refused(await postChunk(sandbox, id, 2, 3, { body: '' })), [417, '02']);
  });

  it('returns 423 once the message is complete, acknowledged or not chunked at all', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, FIRST);
    for (const chunk of [2, 3]) await postChunk(sandbox, id, chunk, 3);
    assert.equal((await postChunk(sandbox, id, 3, 3)).status, 423);
    assert.equal((await postChunk(sandbox, id, 1, 3)).status, 423);
    assert.equal((await postChunk(sandbox, await send(sandbox), 1, 1)).status, 423);
  });

  it('returns 404 for an unknown message and 403 for another sender’s', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, FIRST);
    assert.deepEqual(refused(await postChunk(sandbox, '20200529155357895317_3573F8', 2, 3)), [404, '20']);
    assert.equal((await postChunk(sandbox, id, 2, 3, { from: 'X26ABC2' })).status, 403);
    assert.deepEqual(await inbox(sandbox), []);
  });

  it('returns 423 for a chunk whose message was completed during its upload', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, { ...FIRST, headers: { 'Mex-Chunk-Range': '1:2' } });
    const { hostname, port } = new URL(sandbox.url);
    const headers = { Authorization: token('X26ABC1'), 'Mex-Chunk-Range': '2:2', 'Content-Length': 8 };
    const path = `/messageexchange/X26ABC1/outbox/${id}/2`;
    const slow = request({ hostname, port, path, method: 'POST', headers, agent: false });
    slow.write('slow');
    await new Promise((resolve) => setTimeout(resolve, 50));
    await postChunk(sandbox, id, 2, 2, { body: 'fast' });
    slow.end('slow');
    const [response] = (await once(slow, 'response')) as [IncomingMessage];
    response.resume();
    assert.equal(response.statusCode, 423);
    assert.equal((await download(sandbox, `${id}/2`, { version: 1 })).body.toString(), 'fast');
  });

  it('completes a message once if its last chunk arrives twice at the same time', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, { ...FIRST, headers: { 'Mex-Chunk-Range': '1:2' } });
    const both = await Promise.all([postChunk(sandbox, id, 2, 2), postChunk(sandbox, id, 2, 2)]);
    assert.deepEqual(
      both.map(({ status }) => status).toSorted((a, b) => a - b),
      [202, 423],
    );
    assert.deepEqual(await inbox(sandbox), [id]);
  });
});
