import assert from 'node:assert/strict';
import { gunzipSync, gzipSync } from 'node:zlib';
import { acknowledge, call, download, inbox, post, sandboxFor, send, token } from './support';

const INBOX = '/messageexchange/X26ABC1/inbox';

describe('sandbox: faults on demand', () => {
  it('returns a status instead of acting, once by default', async () => {
    const sandbox = await sandboxFor();
    sandbox.fault({
      operation: 'send_message',
      effect: { kind: 'status', status: 503, headers: { 'Retry-After': '7' }, body: { message: 'busy' } },
    });
    const struck = await post(sandbox);
    assert.deepEqual([struck.status, struck.headers['retry-after'], struck.json()], [503, '7', { message: 'busy' }]);
    assert.deepEqual(sandbox.messages(), []);
    assert.equal((await post(sandbox)).status, 202);
  });

  it('returns a status after the request took effect', async () => {
    const sandbox = await sandboxFor();
    sandbox.fault({ operation: 'send_message', effect: { kind: 'status', status: 502, body: 'lost', after: true } });
    const struck = await post(sandbox);
    assert.deepEqual(
      [struck.status, struck.body.toString(), struck.headers['content-type']],
      [502, 'lost', 'text/plain'],
    );
    assert.equal((await inbox(sandbox)).length, 1);
  });

  it('drops the connection before the effect', async () => {
    const sandbox = await sandboxFor();
    sandbox.fault({ operation: 'send_message', effect: { kind: 'drop', when: 'before' } });
    await assert.rejects(post(sandbox), { code: 'ECONNRESET' });
    assert.deepEqual(sandbox.messages(), []);
    assert.equal(sandbox.requests().at(-1)?.status, 0);
  });

  it('drops the connection after the effect', async () => {
    const sandbox = await sandboxFor();
    sandbox.fault({ operation: 'acknowledge_message', effect: { kind: 'drop', when: 'after' } });
    const id = await send(sandbox);
    await assert.rejects(acknowledge(sandbox, id), { code: 'ECONNRESET' });
    assert.equal(sandbox.messages()[0]?.status, 'acknowledged');
  });

  it('delays a request and then executes it', async () => {
    const sandbox = await sandboxFor();
    sandbox.fault({ operation: 'list_messages', effect: { kind: 'delay', ms: 120 } });
    const start = performance.now();
    assert.equal((await call(sandbox, INBOX, { as: 'X26ABC1' })).status, 200);
    assert.ok(performance.now() - start >= 115);
  });

  it('breaks off a download after a number of bytes, with its full length announced', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, { body: Buffer.alloc(200_000, 'x') });
    for (const bytes of [0, 1000, 150_000]) {
      sandbox.fault({ operation: 'retrieve_message', effect: { kind: 'truncate', bytes } });
      await assert.rejects(download(sandbox, id, { version: 1 }), `${bytes}`);
    }
    assert.equal((await download(sandbox, id, { version: 1 })).body.length, 200_000);
    assert.deepEqual(await inbox(sandbox), [id]);
  });

  it('flips bytes of a download, so that gzip notices', async () => {
    const sandbox = await sandboxFor();
    const body = Buffer.alloc(1000, 'x');
    const id = await send(sandbox, { body });
    sandbox.fault({ operation: 'retrieve_message', effect: { kind: 'corrupt' } });
    const struck = await download(sandbox, id, { version: 1 });
    assert.equal(struck.body.length, 1000);
    assert.ok(!struck.body.equals(body));
    assert.ok((await download(sandbox, id, { version: 1 })).body.equals(body), 'the stored bytes are whole');

    const zipped = await send(sandbox, {
      body: gzipSync('some text to compress'),
      headers: { 'Content-Encoding': 'gzip' },
    });
    sandbox.fault({ operation: 'retrieve_message', effect: { kind: 'corrupt' } });
    const bad = await download(sandbox, zipped, { headers: { 'Accept-Encoding': 'gzip' } });
    assert.throws(() => gunzipSync(bad.body));
  });

  it('applies to the chosen operation and mailbox, the chosen number of times', async () => {
    const sandbox = await sandboxFor();
    const effect = { kind: 'status', status: 500 } as const;
    const statuses = async (mailboxId: string, count: number): Promise<number[]> => {
      const seen = [];
      for (let index = 0; index < count; index += 1) {
        seen.push((await call(sandbox, `/messageexchange/${mailboxId}/inbox`, { as: mailboxId })).status);
      }
      return seen;
    };
    sandbox.fault({ operation: 'list_messages', mailboxId: 'x26abc1', times: 2, after: 1, effect });
    assert.equal((await call(sandbox, '/messageexchange/X26ABC1/count', { as: 'X26ABC1' })).status, 200);
    assert.deepEqual(await statuses('X26ABC2', 2), [200, 200]);
    assert.deepEqual(await statuses('X26ABC1', 4), [200, 500, 500, 200]);
    sandbox.fault({ operation: '*', times: Infinity, effect });
    assert.deepEqual(await statuses('X26ABC2', 3), [500, 500, 500]);
    sandbox.clearFaults();
    assert.deepEqual(await statuses('X26ABC2', 1), [200]);
    sandbox.fault({ operation: '*', probability: 0, effect });
    assert.deepEqual(await statuses('X26ABC2', 3), [200, 200, 200]);
  });

  it('applies the first of several faults', async () => {
    const sandbox = await sandboxFor();
    for (const status of [501, 502]) sandbox.fault({ operation: 'list_messages', effect: { kind: 'status', status } });
    const seen = [];
    for (let index = 0; index < 3; index += 1) seen.push((await call(sandbox, INBOX, { as: 'X26ABC1' })).status);
    assert.deepEqual(seen, [501, 502, 200]);
  });

  it('uses up the token of an affected request', async () => {
    const sandbox = await sandboxFor();
    sandbox.fault({ operation: 'list_messages', effect: { kind: 'status', status: 503 } });
    const headers = { Authorization: token('X26ABC1') };
    assert.equal((await call(sandbox, INBOX, { headers })).status, 503);
    assert.equal((await call(sandbox, INBOX, { headers })).status, 403);
  });

  it('leaves out the health and admin endpoints, and applies to the lookups', async () => {
    const sandbox = await sandboxFor({ admin: true });
    sandbox.fault({ operation: '*', times: Infinity, effect: { kind: 'status', status: 500 } });
    assert.equal((await call(sandbox, '/health')).status, 200);
    assert.equal((await call(sandbox, '/admin/log')).status, 200);
    assert.equal((await call(sandbox, '/messageexchange/workflowsearch/W')).status, 500);
  });

  it('refuses an invalid fault', async () => {
    const sandbox = await sandboxFor();
    const effect = { kind: 'status', status: 500 } as const;
    assert.throws(() => sandbox.fault({ operation: '', effect }), /operation/);
    assert.throws(() => sandbox.fault({ operation: '*', times: 0, effect }), /times/);
    assert.throws(() => sandbox.fault({ operation: '*', probability: 2, effect }), /probability/);
    assert.throws(() => sandbox.fault({ operation: '*', effect: { kind: 'status', status: 99 } }), /status/);
    assert.throws(() => sandbox.fault({ operation: '*', effect: { kind: 'explode' } as never }), /effect/);
  });
});
