/** The health of a mailbox, as the sidebar, the health endpoint and the metrics report it. */
import assert from 'node:assert/strict';
import { afterThisTest } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { hostileMesh } from '../harness/hostile-mesh';
import { sandbox } from '../harness/mailboxes';
import { outboxAt, storageIn } from '../harness/outboxes';
import { startSandbox, type Sandbox } from '../../lib/sandbox/index';
import type { DurableMailbox } from '../../lib/index';
import type { TlsOptions } from '../../lib/config';

const mailboxAt = async (server: Sandbox, tls?: TlsOptions): Promise<DurableMailbox> =>
  outboxAt(server, { storage: await storageIn(), ...(tls ? { tls } : {}) });

describe('the health of a mailbox', () => {
  it('is unknown before the first request', async () => {
    const server = await sandbox();
    const { handshake, poll, lastAnswer, clockSkew, certificate, mailboxId, url } = (await mailboxAt(server)).health();
    const nothing = { lastSucceeded: null, lastFailed: null, failingSince: null, error: null };
    assert.deepEqual(
      { handshake, poll, lastAnswer, clockSkew, certificate },
      {
        handshake: nothing,
        poll: { ...nothing, next: null },
        lastAnswer: null,
        clockSkew: null,
        certificate: null,
      },
    );
    assert.deepEqual([mailboxId, new URL(url).origin], ['X26ABC1', new URL(server.url).origin]);
  });

  it('has the times of the last handshake and response, and the clock skew within its uncertainty', async () => {
    const mailbox = await mailboxAt(await sandbox());
    const before = Date.now();
    await mailbox.handshake();
    const { handshake, lastAnswer, clockSkew } = mailbox.health();
    for (const time of [handshake.lastSucceeded, lastAnswer, clockSkew?.at]) {
      assert.ok(time && Date.parse(time) >= before && Date.parse(time) <= Date.now(), String(time));
    }
    assert.deepEqual([handshake.lastFailed, handshake.error], [null, null]);
    // The sandbox has this machine's clock.
    assert.ok(clockSkew && Math.abs(clockSkew.ms) <= clockSkew.uncertaintyMs + 1, JSON.stringify(clockSkew));
    assert.ok(clockSkew.uncertaintyMs >= 500);
  });

  it('keeps the reason of the last failed handshake, without a secret, until one succeeds', async () => {
    const server = await sandbox();
    const mailbox = await mailboxAt(server);
    await mailbox.handshake();
    const { lastSucceeded } = mailbox.health().handshake;
    server.fault({ operation: 'handshake', times: Infinity, effect: { kind: 'status', status: 403 } });
    const error = await failure(Error, mailbox.handshake());
    const failed = mailbox.health().handshake;
    assert.equal(failed.lastSucceeded, lastSucceeded, 'the last success stays');
    assert.ok(failed.lastFailed);
    assert.equal(failed.error?.code, (error as { code?: string }).code);
    assert.ok(!/TestKey|password:/.test(JSON.stringify(failed)));
    server.clearFaults();
    await mailbox.handshake();
    const again = mailbox.health().handshake;
    assert.equal(again.error, null);
    assert.equal(again.lastFailed, failed.lastFailed, 'the time of the last failure stays');
  });

  it('takes neither health nor time from what responds in MESH’s place', async () => {
    const headers = { date: new Date(0).toUTCString(), 'content-type': 'text/html' };
    for (const status of [200, 302, 403, 502]) {
      const page = await hostileMesh(() => ({ status, headers, body: Buffer.from('<html>') }));
      const mailbox = outboxAt(page, { storage: await storageIn(), retry: { attempts: 1 } });
      await failure(Error, mailbox.handshake());
      await failure(Error, mailbox.listInbox());
      const { lastAnswer, clockSkew, handshake } = mailbox.health();
      assert.deepEqual([lastAnswer, clockSkew, handshake.lastSucceeded], [null, null, null], String(status));
    }
  });

  it('does not count a handshake that was aborted at this end', async () => {
    const mailbox = await mailboxAt(await sandbox());
    await failure(Error, mailbox.handshake({ signal: AbortSignal.abort() }));
    const { handshake } = mailbox.health();
    assert.deepEqual([handshake.lastFailed, handshake.error], [null, null]);
  });

  it('has the name and dates of the client certificate', async () => {
    const server = await startSandbox({ clientCertificate: 'required' });
    afterThisTest(() => server.close());
    const client = await server.clientCertificate();
    const tls = { ca: server.ca ?? '', cert: client.cert, key: client.key };
    const { certificate } = (await mailboxAt(server, tls)).health();
    assert.ok(certificate);
    assert.ok(Date.parse(certificate.validFrom) <= Date.now() && Date.parse(certificate.validTo) > Date.now());
    assert.ok(!JSON.stringify(certificate).includes('PRIVATE'));
  });

  it('is a snapshot that later requests do not change', async () => {
    const mailbox = await mailboxAt(await sandbox());
    const before = mailbox.health();
    await mailbox.handshake();
    assert.equal(before.handshake.lastSucceeded, null);
  });
});
