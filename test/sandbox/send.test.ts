import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { call, download, errorOf, inbox, post, raw, sandboxFor, send, token, type Sending } from './support';

describe('sandbox: send_message', () => {
  it('accepts a message and returns its id in versions 1 and 2', async () => {
    const sandbox = await sandboxFor();
    const second = await post(sandbox);
    assert.equal(second.status, 202);
    assert.deepEqual(Object.keys(second.json()), ['message_id']);
    const first = await post(sandbox, { version: 1 });
    assert.deepEqual([first.status, Object.keys(first.json())], [202, ['messageID']]);
    assert.deepEqual(await inbox(sandbox), [second.json()['message_id'], first.json()['messageID']]);
  });

  it('makes unique ids like MESH’s from its own clock', async () => {
    const sandbox = await sandboxFor();
    sandbox.clock.set(new Date('2020-05-29T15:53:57.500Z'));
    const ids = await Promise.all(Array.from({ length: 50 }, () => send(sandbox)));
    for (const id of ids) assert.match(id, /^2020052915\d{10}_[0-9A-F]{6}$/);
    assert.equal(new Set(ids).size, 50);
  });

  it('refuses an unregistered recipient: 417 SEND/12', async () => {
    const sandbox = await sandboxFor();
    for (const to of ['NOBODY', 'GPPROVIDER_9912003888_19700101_SMITH', '../X26ABC2']) {
      const response = await post(sandbox, { to });
      assert.deepEqual([response.status, ...errorOf(response)], [417, 'SEND', '12', 'Unregistered to address']);
    }
    assert.deepEqual(sandbox.messages(), []);
  });

  it('returns errors in version 1 with errorEvent, errorCode and errorDescription', async () => {
    const sandbox = await sandboxFor();
    const response = await post(sandbox, { to: 'NOBODY', version: 1 });
    assert.deepEqual(response.json(), {
      errorEvent: 'SEND',
      errorCode: '12',
      errorDescription: 'Unregistered to address',
    });
    assert.equal(response.headers['content-type'], 'application/json');
  });

  it('accepts the recipient in any case', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, { to: 'x26abc2' });
    assert.deepEqual(await inbox(sandbox), [id]);
  });

  it('refuses a missing or empty recipient: 400 SEND/08', async () => {
    const sandbox = await sandboxFor();
    const missing = await call(sandbox, '/messageexchange/X26ABC1/outbox', {
      method: 'POST',
      as: 'X26ABC1',
      body: 'x',
      headers: { 'Mex-WorkflowID': 'W' },
    });
    const empty = await post(sandbox, { to: '  ' });
    for (const response of [missing, empty]) assert.deepEqual([response.status, errorOf(response)[1]], [400, '08']);
  });

  it('refuses a missing workflow id: 400', async () => {
    const sandbox = await sandboxFor();
    const response = await post(sandbox, { workflowId: '' });
    const [problem] = response.json()['detail'] as Array<{ loc: string[] }>;
    assert.deepEqual([response.status, problem?.loc], [400, ['header', 'mex-workflowid']]);
  });

  it('refuses a sender other than the mailbox: 417/07', async () => {
    const sandbox = await sandboxFor();
    const foreign = await post(sandbox, { headers: { 'Mex-From': 'X26ABC3' } });
    assert.deepEqual([foreign.status, errorOf(foreign)[1]], [417, '07']);
    assert.equal((await post(sandbox, { headers: { 'Mex-From': 'x26abc1' } })).status, 202);
  });

  it('refuses a message type other than DATA: 417/11', async () => {
    const sandbox = await sandboxFor();
    const response = await post(sandbox, { headers: { 'Mex-MessageType': 'REPORT' } });
    assert.deepEqual([response.status, errorOf(response)[1]], [417, '11']);
    assert.equal((await post(sandbox, { headers: { 'Mex-MessageType': 'DATA' } })).status, 202);
  });

  it('refuses an empty body: 417 COLLECT/02', async () => {
    const sandbox = await sandboxFor();
    const response = await post(sandbox, { body: '' });
    assert.deepEqual([response.status, ...errorOf(response).slice(0, 2)], [417, 'COLLECT', '02']);
    assert.deepEqual(sandbox.messages(), []);
  });

  it('refuses content encodings other than gzip', async () => {
    const sandbox = await sandboxFor();
    for (const encoding of ['br', 'deflate', 'gzip, gzip', 'identity']) {
      assert.equal((await post(sandbox, { headers: { 'Content-Encoding': encoding } })).status, 422, encoding);
    }
    assert.equal((await post(sandbox, { body: gzipSync('x'), headers: { 'Content-Encoding': 'GZIP' } })).status, 202);
  });

  it('refuses a chunk range that does not begin with chunk 1', async () => {
    const sandbox = await sandboxFor();
    for (const range of ['2:2', '0:1', '1:0', '1', '1:2:3', 'a:b', '-1:2', '1.5:2', ':']) {
      const response = await post(sandbox, { headers: { 'Mex-Chunk-Range': range } });
      assert.deepEqual([response.status, errorOf(response)[1]], [417, 'InvalidHeaderChunks'], range);
    }
    assert.equal((await post(sandbox, { headers: { 'Mex-Chunk-Range': '1:1' } })).status, 202);
    assert.equal((await inbox(sandbox)).length, 1);
  });

  it('accepts any workflow between any mailboxes, but only registered ones with restrictWorkflows', async () => {
    const open = await sandboxFor();
    assert.equal((await post(open, { from: 'X26ABC3', to: 'X26ABC1', workflowId: 'ANYTHING' })).status, 202);
    const strict = await sandboxFor({ restrictWorkflows: true });
    const outcome = async (sending: Sending): Promise<unknown[]> => {
      const response = await post(strict, sending);
      return response.status === 202 ? [202] : [response.status, ...errorOf(response).slice(0, 2)];
    };
    assert.deepEqual(await outcome({}), [202]);
    assert.deepEqual(await outcome({ to: 'X26ABC3' }), [417, 'SEND', '17']);
    assert.deepEqual(await outcome({ workflowId: 'ANYTHING' }), [417, 'SEND', '17']);
    assert.deepEqual(await outcome({ from: 'X26ABC3' }), [417, 'SEND', '16']);
  });

  it('refuses a body above its limit with 413, announced or not, and keeps nothing', async () => {
    const sandbox = await sandboxFor({ maxRequestBytes: 100_000 });
    assert.equal((await post(sandbox, { body: Buffer.alloc(100_000, 1) })).status, 202);
    assert.equal((await post(sandbox, { body: Buffer.alloc(100_001, 1) })).status, 413);
    const chunked = raw(
      sandbox,
      Buffer.concat([
        Buffer.from(
          'POST /messageexchange/X26ABC1/outbox HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' +
            `Authorization: ${token('X26ABC1')}\r\nMex-To: X26ABC2\r\nMex-WorkflowID: W\r\n` +
            'Transfer-Encoding: chunked\r\n\r\n186a1\r\n',
        ),
        Buffer.alloc(100_001, 1),
        Buffer.from('\r\n0\r\n\r\n'),
      ]),
    );
    assert.match(await chunked, /^HTTP\/1.1 413 /);
    assert.equal(sandbox.messages().length, 1);
  });

  it('ignores an upload that breaks off, with or without a length', async () => {
    const sandbox = await sandboxFor();
    const head = (more: string): string =>
      `POST /messageexchange/X26ABC1/outbox HTTP/1.1\r\nHost: x\r\nAuthorization: ${token('X26ABC1')}\r\n` +
      `Mex-To: X26ABC2\r\nMex-WorkflowID: W\r\n${more}\r\n\r\n`;
    await raw(sandbox, `${head('Content-Length: 100000')}${'x'.repeat(99_999)}`, { hangUp: true });
    await raw(sandbox, `${head('Transfer-Encoding: chunked')}5\r\nhello\r\n`, { hangUp: true });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(sandbox.messages(), []);
    assert.deepEqual(
      sandbox.requests().map(({ status }) => status),
      [0, 0],
    );
  });

  it('keeps every byte of a large body', async () => {
    const sandbox = await sandboxFor();
    const body = Buffer.alloc(3_000_001, 'abcdefg');
    const id = await send(sandbox, { body });
    assert.ok((await download(sandbox, id, { version: 1 })).body.equals(body));
    assert.equal(sandbox.messages()[0]?.bytes, body.length);
  });
});
