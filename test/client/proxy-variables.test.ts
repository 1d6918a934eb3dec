/** The proxy that environment variables name, and what a proxy says when it opens no tunnel. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { usedProxy } from '../../lib/client/transport';
import { checkConnection, ConfigurationError, ConnectionError, MeshError } from '../../lib/index';
import { readMailboxOptions } from '../../lib/config';
import { proxyFromVariables, separateCredentials } from '../../lib/proxy-variables';
import { refusalOfTunnel } from '../../lib/client/proxy-refusal';
import { afterThisTest } from '../harness/cleanup';
import { connectProxy } from '../harness/connect-proxy';
import { failure, fullErrorText, thrown } from '../harness/failure';
import { accessTo, mailboxAt, sandbox } from '../harness/mailboxes';

const MESH = new URL('https://mesh.nhs.uk/');
const once = { attempts: 1 };

/** Sets variables of this process for one test; the others that name a proxy are removed. */
function variables(values: Record<string, string>): void {
  const before = { ...process.env };
  for (const name of Object.keys(process.env)) if (/_proxy$/i.test(name)) delete process.env[name];
  Object.assign(process.env, values);
  afterThisTest(() => {
    for (const name of Object.keys(values)) delete process.env[name];
    Object.assign(process.env, before);
  });
}

describe('the proxy of environment variables', () => {
  const url = (env: Record<string, string>, to = MESH): string | undefined => proxyFromVariables(to, env)?.url;

  it('is the first that is set and not empty, as for Node-RED’s http request node', () => {
    const env: Record<string, string> = { ALL_PROXY: 'http://h:1' };
    for (const [name, value] of [
      ['all_proxy', 'http://g:1'],
      ['NPM_CONFIG_PROXY', 'http://f:1'],
      ['npm_config_proxy', 'http://e:1'],
      ['HTTPS_PROXY', 'http://d:1'],
      ['https_proxy', 'http://c:1'],
      ['NPM_CONFIG_HTTPS_PROXY', 'http://b:1'],
      ['npm_config_https_proxy', 'http://a:1'],
    ] as const) {
      env[name] = value;
      assert.deepEqual([url(env), proxyFromVariables(MESH, env)?.variable], [`${value}/`, name]);
    }
    for (const name of Object.keys(env)) env[name] = ' ';
    assert.equal(url(env), undefined);
    assert.equal(url({ HTTP_PROXY: 'http://x:1' }), undefined, 'for http only');
    assert.equal(url({ HTTP_PROXY: 'http://x:1' }, new URL('http://mesh.nhs.uk')), 'http://x:1/');
  });

  it('may have no scheme, and then speaks http', () => {
    assert.equal(url({ HTTPS_PROXY: 'proxy.trust.nhs.uk:8080' }), 'http://proxy.trust.nhs.uk:8080/');
    assert.equal(url({ HTTPS_PROXY: '10.1.2.3:8080' }), 'http://10.1.2.3:8080/');
  });

  it('has its credentials apart, with percent signs of either meaning', () => {
    const found = proxyFromVariables(MESH, { HTTPS_PROXY: 'http://us%40er:p%C3%A4%3Ass@proxy:8080' });
    assert.deepEqual([found?.url, found?.username, found?.password], ['http://proxy:8080/', 'us@er', 'pä:ss']);
    assert.equal(separateCredentials({ url: 'http://u:50%@proxy' }).password, '50%');
    assert.equal(separateCredentials({ url: 'http://u:p@proxy', password: 'own' }).password, 'own');
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ unit: 'grapheme' }), (username, password) => {
        const [user, word] = [username, password].map(encodeURIComponent);
        const read = separateCredentials({ url: `http://${user}:${word}@proxy` });
        assert.deepEqual([read.url, read.username, read.password], ['http://proxy/', username, password]);
      }),
    );
  });

  it('has the exceptions of NO_PROXY, the lower case first', () => {
    const proxy = (env: Record<string, string>): boolean =>
      usedProxy({ url: MESH, proxy: proxyFromVariables(MESH, { HTTPS_PROXY: 'http://x:1', ...env }) }) !== undefined;
    assert.ok(proxy({}));
    for (const list of ['mesh.nhs.uk', 'localhost,.nhs.uk', '10.0.0.1 nhs.uk', '*'])
      assert.ok(!proxy({ NO_PROXY: list }), list);
    assert.ok(proxy({ NO_PROXY: 'mesh.nhs.uk', no_proxy: 'elsewhere' }));
  });

  it('that cannot be used is refused by the variable’s name, without its value', () => {
    for (const value of ['socks5://MARK:1', 'ftp://MARK', 'http://', 'http://MARK:99999999', 'http://:MARK@']) {
      const error = thrown(ConfigurationError, () => proxyFromVariables(MESH, { HTTPS_PROXY: value }));
      assert.match(error.message, /The environment variable HTTPS_PROXY (names a SOCKS|is no address)/);
      assert.match(error.advice ?? '', /NO_PROXY/);
      assert.ok(!fullErrorText(error).includes('MARK'));
    }
  });

  it('is not used for a server on this machine, however it is written', () => {
    variables({ HTTPS_PROXY: 'http://proxy:1', HTTP_PROXY: 'http://proxy:1', ALL_PROXY: 'http://proxy:1' });
    for (const address of [
      'https://localhost:8700',
      'http://127.0.0.1:1',
      'https://[::1]:1',
      'https://mesh.localhost',
    ]) {
      const options = { ...accessTo({ url: address }), proxy: 'environment' } as const;
      assert.equal(readMailboxOptions(options).proxy, undefined, address);
    }
    const away = { ...accessTo({ url: 'https://mesh.nhs.uk' }), proxy: 'environment' } as const;
    assert.equal(readMailboxOptions(away).proxy?.url, 'http://proxy:1/');
  });

  it('is only used where it is asked for', () => {
    variables({ HTTPS_PROXY: 'http://proxy:1' });
    assert.equal(readMailboxOptions(accessTo({ url: 'https://mesh.nhs.uk' })).proxy, undefined);
  });

  it('carries requests with its credentials, and the connection test says where it is from', async () => {
    const server = await sandbox({});
    const proxy = await connectProxy('user:p@ss');
    const { port } = new URL(server.url);
    const { host } = new URL(proxy.url);
    variables({ https_proxy: `http://user:p%40ss@${host}` });
    // A name that is this machine without looking like it.
    const access = {
      ...accessTo({ url: `https://127.0.0.1.nip.invalid:${port}`, ca: server.ca }),
      proxy: 'environment',
    } as const;
    const refused = await failure(
      MeshError,
      mailboxAt({ url: access.environment, ca: server.ca }, { proxy: 'environment', retry: once }).handshake(),
    );
    assert.deepEqual(proxy.refused(), 0);
    assert.deepEqual(proxy.tunnels, [`127.0.0.1.nip.invalid:${port}`]);
    assert.ok(!fullErrorText(refused).includes('p@ss'));
    const steps = await checkConnection(access);
    assert.match(JSON.stringify(steps), /The proxy from https_proxy/);
    assert.ok(!JSON.stringify(steps).includes('p@ss') && !JSON.stringify(steps).includes('p%40ss'));
    variables({ https_proxy: `http://user:p%40ss@${host}`, no_proxy: 'invalid' });
    assert.equal(usedProxy(readMailboxOptions(access)), undefined);
  });
});

describe('a proxy that opens no tunnel', () => {
  const LOGIN = (...schemes: string[]): string =>
    `HTTP/1.1 407 Proxy Authentication Required\r\n${schemes.map((each) => `Proxy-Authenticate: ${each}\r\n`).join('')}` +
    'Content-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>';
  const PAGE = 'Content-Type: text/html; charset=utf-8\r\nContent-Length: 20\r\n\r\n<html>Accept</html>\n';

  const CASES: ReadonlyArray<
    readonly [what: string, answer: string, credentials: boolean, text: RegExp, advice: RegExp]
  > = [
    [
      'speaks NTLM only',
      LOGIN('NTLM'),
      false,
      /a login by NTLM \(status 407\)/,
      /cntlm or px.*127\.0\.0\.1:\d+ without a login/,
    ],
    ['speaks NTLM only, and gets a password', LOGIN('NTLM'), true, /a login by NTLM/, /cntlm or px/],
    ['speaks Negotiate and NTLM', LOGIN('Negotiate', 'NTLM'), true, /by Negotiate or NTLM/, /cntlm/],
    ['speaks both in one header', LOGIN('negotiate, ntlm'), true, /by Negotiate or NTLM/, /cntlm/],
    ['speaks Digest only', LOGIN('Digest realm="a, b", nonce="x==", qop="auth"'), true, /by Digest/, /without a login/],
    [
      'speaks Basic, and there is no login',
      LOGIN('NTLM', 'Basic realm="x"'),
      false,
      /asks for a login \(status 407\), and there is none/,
      /Enter/,
    ],
    [
      'refuses the login',
      LOGIN('Basic realm="x"'),
      true,
      /refused the login \(status 407\)/,
      /Check the proxy’s user name and password/,
    ],
    ['says nothing of how', LOGIN(), true, /refused the login/, /user name and password/],
    [
      'answers with a page',
      `HTTP/1.1 200 OK\r\n${PAGE}`,
      false,
      /a page of its own instead of a tunnel \(status 200, text\/html\)/,
      /notice that a person confirms/,
    ],
    [
      'redirects to a page',
      `HTTP/1.1 302 Found\r\nLocation: http://login/\r\n${PAGE}`,
      false,
      /a page of its own.*302/,
      /without a login/,
    ],
    [
      'forbids the address, with a page',
      `HTTP/1.1 403 Forbidden\r\n${PAGE}`,
      false,
      /refused the connection \(status 403\)/,
      /allow CONNECT to 127/,
    ],
    [
      'fails itself',
      'HTTP/1.1 502 Bad Gateway\r\n\r\n',
      false,
      /refused the connection \(status 502\)/,
      /allow CONNECT/,
    ],
    ['is no proxy', 'SSH-2.0-OpenSSH_9.6\r\n', false, /through the proxy/, /proxy/],
  ];
  for (const [what, answer, hasLogin, text, advice] of CASES) {
    for (const protocol of ['http', 'https'] as const) {
      it(`is named with why and advice, for a server on ${protocol}: one that ${what}`, async () => {
        const server = await sandbox({ protocol });
        const proxy = await connectProxy(undefined, answer);
        const way = { url: proxy.url, ...(hasLogin && { username: 'user', password: 'MARKwrong' }) };
        const error = await failure(ConnectionError, mailboxAt(server, { proxy: way, retry: once }).handshake());
        assert.match(error.message, text);
        assert.match(error.advice ?? '', advice);
        assert.ok(!fullErrorText(error).includes('MARKwrong'));
        assert.equal(server.requests().length, 0);
        const steps = await checkConnection({ ...accessTo(server), proxy: way });
        const failed = steps.find(({ outcome }) => outcome === 'failed');
        assert.equal(failed?.step, 'proxy');
        if (what !== 'is no proxy')
          assert.deepEqual([failed.text.split('. ')[0], failed.advice], [error.message.split('. ')[0], error.advice]);
      });
    }
  }

  it('opens one with a length or type that mean nothing', () => {
    for (const headers of [
      {},
      { 'content-length': '0' },
      { 'content-type': 'text/html' },
      { 'content-length': '12' },
    ]) {
      assert.equal(refusalOfTunnel(200, headers), undefined, JSON.stringify(headers));
    }
  });
});
