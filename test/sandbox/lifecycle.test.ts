import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { startSandbox } from '../../lib/sandbox';
import { RequestLog } from '../../lib/sandbox/request-log';
import { call, raw, sandboxFor, send, token, V1, V2 } from './support';
import { LOAD_TYPESCRIPT } from '../harness/typescript';

describe('sandbox: starting, closing, logging', () => {
  it('listens on a free port of this machine only', async () => {
    const [one, two] = [await sandboxFor(), await sandboxFor()];
    assert.match(one.url, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.notEqual(one.url, two.url);
  });

  it('reports a port that is taken and an address of another machine', async () => {
    const sandbox = await sandboxFor();
    const port = Number(new URL(sandbox.url).port);
    await assert.rejects(sandboxFor({ port }), { code: 'MESH_CONFIGURATION', message: /EADDRINUSE/ });
    await assert.rejects(sandboxFor({ host: '192.0.2.1' }), { code: 'MESH_CONFIGURATION', message: /192\.0\.2\.1/ });
  });

  it('refuses an empty shared key and a limit of 0', async () => {
    await assert.rejects(sandboxFor({ sharedKey: '' }), { code: 'MESH_CONFIGURATION' });
    await assert.rejects(sandboxFor({ maxRequestBytes: 0 }), { code: 'MESH_CONFIGURATION' });
  });

  it('closes at once with open connections and a delayed request', async () => {
    const sandbox = await startSandbox({ protocol: 'http' });
    sandbox.fault({ operation: 'list_messages', effect: { kind: 'delay', ms: 60_000 } });
    const delayed = call(sandbox, '/messageexchange/X26ABC1/inbox', { as: 'X26ABC1' });
    const broken = assert.rejects(delayed);
    const idle = raw(sandbox, 'POST /messageexchange/X26ABC1/outbox HTTP/1.1\r\nHost: x\r\n');
    const brokenToo = idle.catch(() => '');
    await new Promise((resolve) => setTimeout(resolve, 30));
    const start = performance.now();
    await Promise.all([sandbox.close(), sandbox.close()]);
    await sandbox.close();
    assert.ok(performance.now() - start < 500);
    await Promise.all([broken, brokenToo]);
    const operations = sandbox.requests().map(({ operation, status }) => [operation, status]);
    assert.deepEqual(operations, [['list_messages', 0]], 'the delay is over');
    await assert.rejects(call(sandbox, '/health'), { code: 'ECONNREFUSED' });
  });

  it('lets the process end after unref, and leaves no folder behind', async () => {
    const script = `
      const { startSandbox } = require(${JSON.stringify(join(__dirname, '../../lib/sandbox/index.ts'))});
      startSandbox({ protocol: 'http' }).then((sandbox) => { sandbox.unref(); console.log('up'); });`;
    const child = spawn(process.execPath, [...LOAD_TYPESCRIPT, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [code] = (await once(child, 'exit')) as [number];
    assert.equal(code, 0);
  });

  it('logs every request with its operation, status and mailbox, newest last', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox);
    await call(sandbox, `/messageexchange/x26abc2/inbox/${id}?a=b`, { as: 'X26ABC2' });
    await call(sandbox, '/nowhere');
    await call(sandbox, '/messageexchange/X26ABC3/inbox');
    assert.deepEqual(sandbox.requests(), [
      {
        operation: 'send_message',
        method: 'POST',
        path: '/messageexchange/X26ABC1/outbox',
        status: 202,
        mailboxId: 'X26ABC1',
      },
      {
        operation: 'retrieve_message',
        method: 'GET',
        path: `/messageexchange/x26abc2/inbox/${id}?a=b`,
        status: 200,
        mailboxId: 'X26ABC2',
      },
      { operation: 'unknown', method: 'GET', path: '/nowhere', status: 404 },
      {
        operation: 'list_messages',
        method: 'GET',
        path: '/messageexchange/X26ABC3/inbox',
        status: 403,
        mailboxId: 'X26ABC3',
      },
    ]);
  });

  it('remembers the last ten thousand requests', () => {
    const log = new RequestLog(3);
    for (let index = 0; index < 10; index += 1) {
      log.add({ operation: `${index}`, method: 'GET', path: '/', status: 200 });
      assert.ok(log.list().length <= 3);
    }
    assert.deepEqual(
      log.list().map(({ operation }) => operation),
      ['7', '8', '9'],
    );
    assert.equal(new RequestLog().list().length, 0);
  });

  it('returns copies of its mailboxes', async () => {
    const sandbox = await sandboxFor();
    const [first] = sandbox.mailboxes;
    if (first) first.password = 'changed';
    assert.equal((await call(sandbox, '/messageexchange/X26ABC1/inbox', { as: 'X26ABC1' })).status, 200);
  });

  it('keeps the connection open, also after it refused an upload', async () => {
    const sandbox = await sandboxFor();
    const head = (method: string, path: string): string =>
      `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${token('X26ABC1')}\r\n`;
    const refused = `${head('POST', '/messageexchange/X26ABC2/outbox')}Content-Length: 5\r\n\r\nhello`;
    const good = `${head('GET', '/messageexchange/X26ABC1/inbox')}Connection: close\r\n\r\n`;
    const responses = await raw(sandbox, refused + good);
    assert.deepEqual(responses.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 403', 'HTTP/1.1 200']);
  });

  it('responds to a refused upload once all of it has arrived', async () => {
    const sandbox = await sandboxFor();
    const { hostname, port } = new URL(sandbox.url);
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.on('data', (data) => (received += data.toString()));
    socket.write('POST /messageexchange/X26ABC1/outbox HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello');
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(received, '');
    socket.write('hello');
    await once(socket, 'data');
    assert.match(received, /^HTTP\/1\.1 403 /);
    socket.destroy();
  });

  it('returns 431 for too many headers, and 400 for control characters, in the version of the Accept header', async () => {
    const sandbox = await sandboxFor();
    const accepts = { [V2]: 2, [V1]: 1, 'application/json': 1, [`${V2}, ${V1}`]: 1 };
    const long = `X-Long: ${'x'.repeat(20_000)}`;
    const longer = `X-Long: ${'x'.repeat(300_000)}`;
    for (const [accept, version] of Object.entries(accepts)) {
      const type = version === 2 ? V2 : 'application/json';
      for (const headers of [
        [long, `Accept: ${accept}`],
        [`accept:${accept}`, long],
        [`Accept: ${accept}`, longer],
        ['Mex-Subject: a\u0001b', `Accept: ${accept}`],
        [`ACCEPT: ${accept}`, 'Mex-To: a\u0000b'],
        [`Accept: ${accept}`, 'Mex-LocalID: a\u007fb'],
      ]) {
        const status = headers.some((line) => line.startsWith('X-Long')) ? 431 : 400;
        const head = ['POST /messageexchange/X26ABC1/outbox HTTP/1.1', 'Host: x', ...headers].join('\r\n');
        const response = await raw(sandbox, `${head}\r\n\r\n`);
        assert.match(response, new RegExp(`^HTTP/1\\.1 ${status} `));
        assert.match(response, /\r\nConnection: close\r\n/i);
        assert.ok(response.includes(`\r\nContent-Type: ${type}\r\n`), `${accept}: ${response}`);
        const body = JSON.parse(response.slice(response.indexOf('\r\n\r\n') + 4)) as Record<string, unknown>;
        const error = { event: 'TRANSFER', code: '06', msg: 'MalformedControlFile' };
        const first = { errorEvent: error.event, errorCode: error.code, errorDescription: error.msg };
        assert.deepEqual(version === 2 ? body['detail'] : body, version === 2 ? [error] : first);
      }
    }
    assert.match(await raw(sandbox, 'no http at all\r\n\r\n'), /^HTTP\/1.1 400 /);
  });

  it('reads the version of a malformed request behind a good one on the same connection', async () => {
    const sandbox = await sandboxFor();
    const good = `GET /health HTTP/1.1\r\nHost: x\r\nAccept: ${V2}\r\n\r\n`;
    const responses = await raw(
      sandbox,
      `${good}GET /health HTTP/1.1\r\nHost: x\r\nX: \u0001\r\nAccept: ${V1}\r\n\r\n`,
    );
    assert.match(responses, /HTTP\/1.1 400 [^]*"errorEvent":"TRANSFER"/);
  });

  it('survives a client that disconnects in the middle of a download', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, { body: Buffer.alloc(20_000_000) });
    const { hostname, port } = new URL(sandbox.url);
    const path = `/messageexchange/X26ABC2/inbox/${id}`;
    const going = request({ hostname, port, path, headers: { Authorization: token('X26ABC2') } });
    going.on('error', () => undefined);
    going.end();
    const [response] = (await once(going, 'response')) as [IncomingMessage];
    response.destroy();
    assert.equal((await call(sandbox, path, { as: 'X26ABC2', version: 1 })).body.length, 20_000_000);
  });
});
