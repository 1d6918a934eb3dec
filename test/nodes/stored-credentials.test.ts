/**
 * The connection test of a real Node-RED with stored credentials: it uses them on the deployed way only. What a tester
 * could watch (a server, a proxy, a CA of their own) sees no token.
 */
import assert from 'node:assert/strict';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { connectProxy } from '../harness/connect-proxy';
import { mailboxOn, sendAndPollFlow, startNodeRed } from '../harness/flows';
import type { FlowNode, NodeRedMajor, RealNodeRed } from '../harness/node-red';
import { untilInNodeRed } from '../harness/until';

const MAJOR = (process.env['NODE_RED'] ?? '5') as NodeRedMajor;
const STORED = '__PWRD__';

type Proxy = Awaited<ReturnType<typeof connectProxy>>;
type Settings = Record<string, unknown>;

interface Result {
  steps: Array<{ step: string; outcome: string; text: string }>;
}

describe('the connection test with stored credentials', function () {
  this.timeout(60_000);
  let mesh: Sandbox;
  let own: Sandbox;
  let proxy: Proxy;
  let ownProxy: Proxy;
  let nodeRed: RealNodeRed;
  let done: () => Promise<void>;
  /** What the dialog sends of the deployed mailbox when nothing was changed in it. */
  let unchanged: Settings;
  let tls: Record<string, string>;

  before(async () => {
    // The tester's own server has the same mailboxes: it would accept the token, and see it.
    [mesh, own] = await Promise.all([startSandbox(), startSandbox({ clientCa: 'any' })]);
    proxy = await connectProxy('gate:keeper');
    ownProxy = await connectProxy();
    const [tlsNode, mailbox] = await mailboxOn(mesh, 'X26ABC1', { config: { proxy: 'proxy' } });
    const [otherTls] = await mailboxOn(own, 'X26ABC2');
    const proxies: FlowNode[] = [
      { ...proxyNode('proxy', proxy), credentials: { username: 'gate', password: 'keeper' } },
      proxyNode('own-proxy', ownProxy),
    ];
    tls = (tlsNode as unknown as { credentials: Record<string, string> }).credentials;
    ({ nodeRed, done } = await startNodeRed({ major: MAJOR }));
    await nodeRed.deploy([
      ...sendAndPollFlow('X26ABC1', 'X26ABC1'),
      ...[tlsNode, mailbox, otherTls].filter((node) => node !== undefined),
      ...proxies,
    ]);
    await untilInNodeRed('the deployed mailbox connects', () =>
      mesh.requests().some(({ operation }) => operation === 'handshake'),
    );
    unchanged = {
      id: 'mailbox-X26ABC1',
      environment: mesh.url,
      mailboxId: 'X26ABC1',
      password: STORED,
      sharedKey: STORED,
      tls: 'tls-X26ABC1',
      proxy: 'proxy',
    };
  });
  after(async () => {
    await done();
    await Promise.all([mesh.close(), own.close()]);
  });

  function proxyNode(id: string, { url }: Proxy): FlowNode {
    return { id, type: 'http proxy', name: '', url, noproxy: [] };
  }

  async function test(changes: Settings): Promise<Result> {
    const response = await fetch(`${nodeRed.url}/mesh/check`, {
      method: 'POST',
      headers: { 'node-red-api-version': 'v2', 'content-type': 'application/json' },
      body: JSON.stringify({ ...unchanged, ...changes }),
    });
    assert.equal(response.status, 200);
    return (await response.json()) as Result;
  }

  const outcome = ({ steps }: Result, step: string): string | undefined =>
    steps.find((each) => each.step === step)?.outcome;

  it('uses them with the deployed settings, also when these are typed again', async () => {
    for (const same of [
      {},
      { environment: `${mesh.url}/`, mailboxId: ' x26abc1 ' },
      { typedTls: { ...tls, servername: '', verifyservercert: 'true' } },
    ]) {
      const result = await test(same);
      assert.equal(outcome(result, 'handshake'), 'passed', JSON.stringify(result));
    }
  });

  it('asks for them again with any other server, proxy, CA, certificate or mailbox, and connects to nothing', async () => {
    const before = { tunnels: proxy.tunnels.length, requests: mesh.requests().length };
    const other = own.ca ?? '';
    const pair = await own.clientCertificate();
    const typedProxy = { url: ownProxy.url };
    const changes: Record<string, Settings> = {
      'another server': { environment: own.url },
      'another port': { environment: mesh.url.replace(/\d+$/, '1') },
      'another path': { environment: `${mesh.url}/x` },
      'plain http': { environment: mesh.url.replace('https', 'http') },
      'another mailbox': { mailboxId: 'X26ABC2' },
      'no proxy': { proxy: '' },
      'another proxy': { proxy: 'own-proxy' },
      'another proxy, typed': { typedProxy },
      'another proxy, typed in a new node': { proxy: 'new', typedProxy },
      'the proxy with another user': { typedProxy: { url: proxy.url, username: 'other', password: STORED } },
      'the proxy without its password': { typedProxy: { url: proxy.url, username: 'gate', password: STORED } },
      'the proxy bypassed': {
        typedProxy: { url: proxy.url, username: 'gate', password: 'keeper', noproxy: '127.0.0.1' },
      },
      'another TLS configuration': { tls: 'tls-X26ABC2' },
      'another CA': { typedTls: { ...tls, cadata: other } },
      'one more CA': { typedTls: { ...tls, cadata: `${tls['cadata']}\n${other}` } },
      'another certificate': { typedTls: { ...tls, certdata: pair.cert, keydata: pair.key } },
      'another server name': { typedTls: { ...tls, servername: 'localhost' } },
      'another CA and proxy': { typedTls: { cadata: other }, typedProxy, environment: own.url },
      'another node': { id: 'tls-X26ABC1' },
      'no node': { id: 'nothing' },
    };
    for (const [what, change] of Object.entries(changes)) {
      for (const stored of [{}, { password: 'password' }, { sharedKey: mesh.sharedKey }]) {
        const { steps } = await test({ ...change, ...stored });
        assert.deepEqual(
          steps.map((step) => `${step.step} ${step.outcome}`),
          ['settings failed'],
          `${what}: ${JSON.stringify(steps)}`,
        );
        assert.match(steps[0]?.text ?? '', /stored password and shared key/, what);
      }
    }
    assert.deepEqual([ownProxy.tunnels, ownProxy.refused(), own.requests()], [[], 0, []]);
    assert.deepEqual({ tunnels: proxy.tunnels.length, requests: mesh.requests().length }, before);
  });

  it('takes typed credentials anywhere', async () => {
    const typed = { password: 'password', sharedKey: own.sharedKey, environment: own.url, proxy: '' };
    const result = await test({ ...typed, tls: 'tls-X26ABC2' });
    assert.equal(outcome(result, 'handshake'), 'passed', JSON.stringify(result));
  });

  it('names the variable that should hold one and does not, and sends nothing in its place', async () => {
    const config = { id: 'mailbox-variable' };
    const credentials = { password: '${NOT_SET_ANYWHERE}' };
    const nodes = await mailboxOn(mesh, 'X26ABC2', { config: { ...config, proxy: '' }, credentials });
    await nodeRed.deploy([...sendAndPollFlow('variable', 'variable'), ...nodes]);
    const before = mesh.requests().length;
    const result = await test({ id: config.id, mailboxId: 'X26ABC2', tls: 'tls-X26ABC2', proxy: '' });
    assert.match(JSON.stringify(result), /variable NOT_SET_ANYWHERE is not set or is empty/);
    assert.equal(mesh.requests().length, before);
  });
});
