/** Connections that cannot be made, and connections through a proxy. */
import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { bypassesProxy } from '../../lib/client/transport';
import { ConnectionError, UnavailableError } from '../../lib/index';
import { afterThisTest } from '../harness/cleanup';
import { connectProxy } from '../harness/connect-proxy';
import { fullErrorText, failure } from '../harness/failure';
import { hostileMesh } from '../harness/hostile-mesh';
import { mailboxAt, sandbox } from '../harness/mailboxes';

const once = { attempts: 1 };

/** Starts a server that accepts connections and sends nothing. */
async function silentServer(): Promise<{ port: number; connections: () => number }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterThisTest(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, connections: () => sockets.length };
}

describe('a connection', () => {
  it('to a port where nothing listens is a safe error, and the advice says so', async () => {
    const error = await failure(ConnectionError, mailboxAt({ url: 'https://127.0.0.1:1', ca: undefined }).handshake());
    assert.match(error.message, /^127\.0\.0\.1:1 could not be reached \(ECONNREFUSED\)/);
    assert.match(error.advice ?? '', /Nothing listens there/);
    assert.equal(error.retry, 'safe');
  });

  it('to a host that does not exist fails with advice about DNS', async () => {
    const error = await failure(
      ConnectionError,
      mailboxAt({ url: 'https://mesh.invalid', ca: undefined }, { retry: once }).handshake(),
    );
    assert.match(error.message, /ENOTFOUND|EAI_AGAIN/);
    assert.match(error.advice ?? '', /cannot be resolved/);
  });

  it('whose TLS handshake takes too long is given up', async () => {
    const { port, connections } = await silentServer();
    const mailbox = mailboxAt(
      { url: `https://127.0.0.1:${port}`, ca: undefined },
      { timeouts: { connectMs: 100 }, retry: { attempts: 2, baseMs: 1 } },
    );
    const error = await failure(ConnectionError, mailbox.handshake());
    assert.match(error.message, /TIMEOUT/);
    assert.match(error.advice ?? '', /firewall/);
    assert.equal(connections(), 2);
  });

  it('without a response in time is given up, tried again, and then succeeds', async () => {
    const server = await hostileMesh((_request, number) => (number === 1 ? 'hang' : { body: Buffer.from('{}') }));
    await mailboxAt(server, { timeouts: { headersMs: 100 } }).handshake();
    assert.equal(server.seen.length, 2);
    const mailbox = mailboxAt(await hostileMesh(() => 'hang'), { timeouts: { headersMs: 100 }, retry: once });
    assert.match((await failure(ConnectionError, mailbox.handshake())).message, /HEADERS_TIMEOUT/);
  });

  it('whose response stops halfway is given up in time', async () => {
    const server = await hostileMesh(() => ({
      headers: { 'content-length': 100 },
      body: Buffer.from('{"messages'),
      ending: 'hang',
    }));
    const mailbox = mailboxAt(server, { timeouts: { bodyMs: 100 }, retry: once });
    const error = await failure(ConnectionError, mailbox.listInbox());
    assert.match(error.message, /BODY_TIMEOUT|ETIMEDOUT/);
  });

  it('is reused for the next request', async () => {
    let connections = 0;
    const server = await hostileMesh(() => ({ body: Buffer.from('{"messages":[]}') }), {
      ALPNCallback: ({ protocols }) => {
        connections += 1;
        return protocols[0];
      },
    });
    const mailbox = mailboxAt(server);
    await Promise.all([mailbox.listInbox(), mailbox.listInbox(), mailbox.listInbox()]);
    await mailbox.listInbox();
    assert.equal(connections, 1);
  });
});

describe('a proxy', () => {
  it('has a tunnel to an https server, with the client certificate inside', async () => {
    const server = await sandbox({ clientCertificate: 'required' });
    const proxy = await connectProxy();
    const tls = { ca: server.ca as string, ...(await server.clientCertificate()) };
    await mailboxAt(server, { tls, proxy: { url: proxy.url } }).handshake();
    assert.deepEqual(proxy.tunnels, [new URL(server.url).host]);
  });

  it('has a tunnel to an http server', async () => {
    const server = await sandbox();
    const proxy = await connectProxy();
    await mailboxAt(server, { proxy: { url: proxy.url } }).handshake();
    assert.deepEqual(proxy.tunnels, [new URL(server.url).host]);
  });

  for (const protocol of ['https', 'http'] as const) {
    it(`gets our credentials, for a server on ${protocol}`, async () => {
      const server = await sandbox({ protocol });
      const proxy = await connectProxy('user:pä:ss');
      await mailboxAt(server, { proxy: { url: proxy.url, username: 'user', password: 'pä:ss' } }).handshake();
      assert.equal(proxy.tunnels.length, 1);
      assert.equal(proxy.refused(), 0);
    });

    it(`that refuses our credentials is named in the error, for a server on ${protocol}`, async () => {
      const server = await sandbox({ protocol });
      const proxy = await connectProxy('user:right');
      const mailbox = mailboxAt(server, {
        proxy: { url: proxy.url, username: 'user', password: 'MARKwrong' },
        retry: { attempts: 2, baseMs: 1 },
      });
      const error = await failure(ConnectionError, mailbox.handshake());
      assert.match(error.message, /proxy.*407/i);
      assert.match(error.advice ?? '', /user name and password/);
      const text = fullErrorText(error);
      for (const secret of ['MARKwrong', Buffer.from('user:MARKwrong').toString('base64')]) {
        assert.ok(!text.includes(secret));
      }
      assert.equal(proxy.tunnels.length, 0);
      assert.equal(server.requests().length, 0);
    });
  }

  it('that cannot be reached is a connection error', async () => {
    const server = await sandbox();
    const mailbox = mailboxAt(server, { proxy: { url: 'http://127.0.0.1:1' }, retry: once });
    const error = await failure(ConnectionError, mailbox.handshake());
    assert.match(error.message, /ECONNREFUSED/);
  });

  it('whose tunnel leads nowhere is a connection error', async () => {
    const proxy = await connectProxy();
    const mailbox = mailboxAt(
      { url: 'https://127.0.0.1:1', ca: undefined },
      { proxy: { url: proxy.url }, retry: once },
    );
    await failure(ConnectionError, mailbox.handshake());
    assert.deepEqual(proxy.tunnels, ['127.0.0.1:1']);
  });

  it('is bypassed for a server on the list of exceptions', async () => {
    const server = await sandbox();
    const proxy = await connectProxy();
    await mailboxAt(server, { proxy: { url: proxy.url, noProxy: ['127.0.0.1'] } }).handshake();
    assert.deepEqual(proxy.tunnels, []);
  });

  for (const [exceptions, bypassed] of [
    [[], false],
    [[''], false],
    [['*'], true],
    [['mesh.nhs.uk'], true],
    [['MESH.NHS.UK'], true],
    [['nhs.uk'], true],
    [['hs.uk'], false],
    [['nhs.uk:443'], true],
    [['nhs.uk:8443'], false],
    [['::1'], false],
    [['.nhs.uk'], true],
    [['*.nhs.uk'], true],
    [['.mesh.nhs.uk'], true],
    [['.s.uk'], false],
    [['mesh.nhs.uk:443'], true],
    [['mesh.nhs.uk:8443'], false],
    [['other, mesh.nhs.uk'], true],
    [['other', 'mesh.nhs.uk:443'], true],
  ] as const) {
    it(`exceptions ${JSON.stringify(exceptions)} ${bypassed ? 'include' : 'do not include'} mesh.nhs.uk`, () =>
      assert.equal(bypassesProxy(new URL('https://mesh.nhs.uk/x'), exceptions), bypassed));
  }

  it('exceptions may be IPv6 addresses, with brackets or without, with a port or without', () => {
    const url = new URL('https://[::1]:8443/x');
    for (const entry of ['::1', '[::1]', '[::1]:8443', '10.0.0.1, ::1']) assert.ok(bypassesProxy(url, [entry]), entry);
    for (const entry of ['::2', '[::1]:443', '1', ':1']) assert.ok(!bypassesProxy(url, [entry]), entry);
    assert.ok(!bypassesProxy(new URL('https://10.0.0.1/'), ['0.0.1']));
  });

  it('exceptions may be networks, addresses in any spelling, and lists as curl, Windows and Java write them', () => {
    const cases: Array<[address: string, exception: string, bypassed: boolean]> = [
      ['10.1.2.3', '10.0.0.0/8', true],
      ['10.1.2.3', '10.1.2.0/30', true],
      ['10.1.2.4', '10.1.2.0/30', false],
      ['10.1.2.3', '0.0.0.0/0', true],
      ['10.1.2.3', '10.1.2.3/', false],
      ['10.1.2.3', '10.0.0.0/33', false],
      ['10.1.2.3', '10.0.0.0/x', false],
      ['10.1.2.3', 'fd00::/8', false],
      ['[fd00::1]', 'fd00::/8', true],
      ['[fe80::1]', 'fd00::/8', false],
      ['[::1]', '0:0:0:0:0:0:0:1', true],
      ['mesh.nhs.uk', '10.0.0.0/8', false],
      ['mesh.nhs.uk', 'localhost;*.nhs.uk;<local>', true],
      ['mesh.nhs.uk', 'localhost|*.nhs.uk', true],
      ['mesh.nhs.uk', 'nhs.uk.', true],
    ];
    for (const [address, exception, bypassed] of cases) {
      assert.equal(bypassesProxy(new URL(`https://${address}/`), [exception]), bypassed, `${address} ${exception}`);
    }
  });

  it('is not blamed for a server that asks to wait', async () => {
    const server = await sandbox();
    server.fault({ operation: 'handshake', times: Infinity, effect: { kind: 'status', status: 503 } });
    const proxy = await connectProxy();
    await failure(UnavailableError, mailboxAt(server, { proxy: { url: proxy.url } }).handshake());
  });
});
