import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { checkConnection, CHECK_STEPS, type CheckStep, type CheckStepName, type MailboxOptions } from '../../lib/index';
import { authority } from '../harness/certificates';
import { connectProxy } from '../harness/connect-proxy';
import { hostileMesh } from '../harness/hostile-mesh';
import { listening } from '../harness/listening';
import { sandbox } from '../harness/mailboxes';

const DAY = 24 * 60 * 60 * 1000;
const SECRETS = { password: 'password', sharedKey: 'TestKey' };

type Server = { url: string; ca: string | undefined };

const at = (server: Server, options: Partial<MailboxOptions> = {}): MailboxOptions => ({
  environment: server.url,
  mailboxId: 'X26ABC1',
  ...SECRETS,
  ...(server.ca === undefined ? {} : { tls: { ca: server.ca } }),
  ...options,
});

const named = (steps: CheckStep[], outcome: CheckStep['outcome']): CheckStepName[] =>
  steps.filter((each) => each.outcome === outcome).map(({ step }) => step);

/**
 * Returns the one failed step; asserts that it has advice, that no earlier step failed and that later ones were
 * skipped.
 */
function onlyFailure(steps: CheckStep[], step: CheckStepName): CheckStep {
  assert.deepEqual(
    steps.map((each) => each.step),
    [...CHECK_STEPS],
  );
  assert.deepEqual(named(steps, 'failed'), [step], JSON.stringify(steps, null, 1));
  for (const later of steps.slice(CHECK_STEPS.indexOf(step) + 1)) assert.equal(later.outcome, 'skipped', later.step);
  const found = steps.find((each) => each.step === step) as CheckStep;
  assert.ok(found.text && found.advice, JSON.stringify(found));
  return found;
}

/** Starts a server that passes each connection to `onConnection`. */
function tcpServer(onConnection: (socket: Socket) => void): Promise<number> {
  return listening(createServer(onConnection));
}

describe('the connection test', () => {
  it('passes from the settings to the workflow if all is well, with one handshake and one lookup', async () => {
    const server = await sandbox({ clientCertificate: 'required' });
    const tls = { ca: server.ca as string, ...(await server.clientCertificate()) };
    const reported: CheckStepName[] = [];
    const steps = await checkConnection(at(server, { tls }), {
      workflowId: 'TEST_WORKFLOW',
      onStep: ({ step }) => reported.push(step),
    });
    assert.deepEqual(named(steps, 'failed'), [], JSON.stringify(steps, null, 1));
    assert.deepEqual(named(steps, 'skipped'), ['proxy']);
    assert.deepEqual(reported, [...CHECK_STEPS]);
    assert.deepEqual(
      server.requests().map(({ operation }) => operation),
      ['handshake', 'workflow_search'],
    );
    assert.match(JSON.stringify(steps), /CN=MESH sandbox CA/);
    assert.doesNotMatch(JSON.stringify(steps), /TestKey|"password"|PRIVATE/);
  });

  it('stops at invalid settings', async () => {
    onlyFailure(await checkConnection(at({ url: 'ftp://x', ca: undefined })), 'settings');
    const steps = await checkConnection(at({ url: 'https://127.0.0.1:1', ca: undefined }, { password: '' }));
    assert.match(onlyFailure(steps, 'settings').text, /password: is missing/);
  });

  it('stops at a name that cannot be resolved', async () => {
    const steps = await checkConnection(at({ url: 'https://mesh.invalid', ca: undefined }));
    assert.match(onlyFailure(steps, 'name').advice ?? '', /cannot be resolved/);
  });

  it('stops at a port that refuses connections', async () => {
    const port = await tcpServer((socket) => socket.destroy());
    const closed = await new Promise<number>((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => {
        const free = (server.address() as AddressInfo).port;
        server.close(() => resolve(free));
      });
    });
    assert.notEqual(port, closed);
    const steps = await checkConnection(at({ url: `https://127.0.0.1:${closed}`, ca: undefined }));
    assert.match(onlyFailure(steps, 'tcp').advice ?? '', /Nothing listens there/);
  });

  it('stops at a proxy that refuses, with advice for its status', async () => {
    const server = await sandbox({});
    const proxy = await connectProxy('user:right');
    const options = { proxy: { url: proxy.url, username: 'user', password: 'wr0ng-Marked' } };
    const steps = await checkConnection(at(server, options));
    assert.match(onlyFailure(steps, 'proxy').advice ?? '', /proxy’s user name and password/);
    assert.doesNotMatch(JSON.stringify(steps), /wr0ng-Marked/);
    const open = await checkConnection(at(server, { proxy: { url: proxy.url, username: 'user', password: 'right' } }));
    assert.deepEqual(named(open, 'failed'), []);
    assert.equal(open.find(({ step }) => step === 'proxy')?.outcome, 'passed');
  });

  it('stops at a server that does not speak TLS', async () => {
    const server = await sandbox();
    const url = server.url.replace('http:', 'https:');
    onlyFailure(await checkConnection(at({ url, ca: undefined })), 'tls');
  });

  it('stops at an untrusted CA and names it, directly and through a proxy', async () => {
    const server = await sandbox({});
    const ca = (await authority('Another CA')).cert;
    const direct = onlyFailure(await checkConnection(at({ url: server.url, ca })), 'authority');
    assert.match(direct.text, /CN=MESH sandbox CA/);
    const proxy = await connectProxy();
    const steps = await checkConnection(at({ url: server.url, ca }, { proxy: { url: proxy.url } }));
    assert.match(onlyFailure(steps, 'authority').text, /CN=MESH sandbox CA/);
    assert.equal(server.requests().length, 0);
  });

  it('stops at an expired server certificate', async () => {
    const ca = await authority('CA');
    const server = await hostileMesh(() => ({}), await ca.issue({ notAfter: new Date(Date.now() - DAY) }));
    const steps = await checkConnection(at({ url: server.url, ca: ca.cert }));
    assert.match(onlyFailure(steps, 'server-certificate').advice ?? '', /expired/);
  });

  it('stops at a certificate for another host name', async () => {
    const ca = await authority('CA');
    const server = await hostileMesh(() => ({}), await ca.issue({ names: ['elsewhere.example'] }));
    const steps = await checkConnection(at({ url: server.url, ca: ca.cert }));
    assert.match(onlyFailure(steps, 'host-name').advice ?? '', /another host name/);
    assert.equal(server.seen.length, 0);
  });

  it('stops at an expired client certificate before it sends anything', async () => {
    const server = await sandbox({ clientCertificate: 'required' });
    const pair = await server.clientCertificate({ notAfter: new Date(Date.now() - DAY) });
    const steps = await checkConnection(at(server, { tls: { ca: server.ca as string, ...pair } }));
    assert.match(onlyFailure(steps, 'certificate').text, /expired on \d{4}-\d\d-\d\d/);
    assert.equal(server.requests().length, 0);
  });

  it('stops at a client certificate with another’s key, and at one without a key', async () => {
    const server = await sandbox({});
    const [one, other] = [await server.clientCertificate(), await server.clientCertificate()];
    const ca = server.ca as string;
    const mixed = await checkConnection(at(server, { tls: { ca, cert: one.cert, key: other.key } }));
    assert.match(onlyFailure(mixed, 'certificate').text, /key does not belong/);
    const incomplete = await checkConnection(at(server, { tls: { ca, cert: one.cert } }));
    assert.match(onlyFailure(incomplete, 'certificate').text, /private key is missing/);
  });

  it('requires a client certificate for NHS England’s addresses without contacting them', async () => {
    const steps = await checkConnection(at({ url: 'live', ca: undefined }));
    assert.match(onlyFailure(steps, 'certificate').text, /MESH requires one/);
  });

  it('warns of a client certificate that is another organisation’s, has an unusual name or expires soon', async () => {
    const server = await sandbox({});
    const outcomeOf = async (commonName: string, days: number): Promise<CheckStep | undefined> => {
      const pair = await server.clientCertificate({ commonName, notAfter: new Date(Date.now() + days * DAY) });
      const steps = await checkConnection(at(server, { tls: { ca: server.ca as string, ...pair } }));
      assert.deepEqual(named(steps, 'failed'), []);
      return steps.find(({ step }) => step === 'certificate');
    };
    assert.match((await outcomeOf('x.RA9.api.mesh-client.nhs.uk', 300))?.text ?? '', /another organisation/);
    assert.match((await outcomeOf('something', 300))?.text ?? '', /does not have MESH’s form/);
    assert.match((await outcomeOf('x.x26.api.mesh-client.nhs.uk', 59))?.text ?? '', /expires on/);
    assert.equal((await outcomeOf('x.x26.api.mesh-client.nhs.uk', 61))?.outcome, 'passed');
  });

  for (const [what, options] of [
    ['another shared key', { sharedKey: 'Other-Marked' }],
    ['another password', { password: 'Other-Marked' }],
    ['another mailbox', { mailboxId: 'X26NONE' }],
  ] as const) {
    it(`stops at the handshake for ${what}`, async () => {
      const server = await sandbox({});
      const steps = await checkConnection(at(server, options), { workflowId: 'W' });
      const found = onlyFailure(steps, 'handshake');
      assert.match(found.text, /refused mailbox \w+ \(status 403\)/);
      assert.match(found.advice ?? '', /password and the shared key/);
      assert.doesNotMatch(JSON.stringify(steps), /Other-Marked/);
    });
  }

  it('stops at the handshake for a client certificate of another CA', async () => {
    const server = await sandbox({ clientCertificate: 'required' });
    const pair = await (
      await authority('Foreign')
    ).issue({ usage: 'client', commonName: 'x.X26.api.mesh-client.nhs.uk' });
    const steps = await checkConnection(at(server, { tls: { ca: server.ca as string, ...pair } }));
    assert.match(onlyFailure(steps, 'handshake').advice ?? '', /client certificate/);
  });

  it('fails for a clock that is two hours off, and warns of one that is ten minutes off', async () => {
    const skewed = (ms: number, status: number) =>
      hostileMesh(() => ({
        status,
        headers: { date: new Date(Date.now() + ms).toUTCString() },
        body: Buffer.from('{}'),
      }));
    const far = await skewed(-3 * 60 * 60 * 1000, 403);
    const steps = await checkConnection(at(far));
    assert.deepEqual(named(steps, 'failed'), ['clock', 'handshake']);
    assert.match(steps.find(({ step }) => step === 'clock')?.text ?? '', /180 minutes ahead of/);
    const near = await checkConnection(at(await skewed(10 * 60 * 1000, 200)));
    assert.deepEqual(named(near, 'warned'), ['clock']);
  });

  it('does not wait for a server that hangs before or after TLS', async () => {
    const port = await tcpServer(() => undefined);
    const silent = await checkConnection(at({ url: `https://127.0.0.1:${port}`, ca: undefined }), { stepMs: 100 });
    assert.match(onlyFailure(silent, 'tls').advice ?? '', /timed out/);
    const server = await hostileMesh(() => 'hang');
    const steps = await checkConnection(at(server), { stepMs: 500 });
    assert.match(onlyFailure(steps, 'handshake').advice ?? '', /sent no response/);
    const proxy = await tcpServer(() => undefined);
    const through = at(server, { proxy: { url: `http://127.0.0.1:${proxy}` } });
    assert.match(onlyFailure(await checkConnection(through, { stepMs: 100 }), 'proxy').advice ?? '', /timed out/);
  });

  it('warns of a workflow that no mailbox receives', async () => {
    const server = await sandbox({});
    const steps = await checkConnection(at(server), { workflowId: 'NO_SUCH' });
    assert.deepEqual(named(steps, 'warned'), ['workflow']);
  });

  it('skips TLS on a plain sandbox, and says so', async () => {
    const steps = await checkConnection(at(await sandbox()));
    assert.deepEqual(named(steps, 'failed'), []);
    assert.ok(named(steps, 'skipped').includes('tls'));
  });
});
