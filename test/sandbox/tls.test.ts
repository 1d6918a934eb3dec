import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { makeCertificateAuthority } from '../../lib/sandbox/certificates';
import type { Sandbox, SandboxOptions } from '../../lib/sandbox';
import { call, download, errorOf, sandboxFor, send, type Call, type HttpResponse } from './support';

const INBOX = '/messageexchange/X26ABC1/inbox';
const httpsSandbox = (options: SandboxOptions = {}): Promise<Sandbox> => sandboxFor({ protocol: 'https', ...options });
const list = (sandbox: Sandbox, tls: Call['tls'] = {}): Promise<HttpResponse> =>
  call(sandbox, INBOX, { as: 'X26ABC1', tls });

describe('sandbox: TLS', () => {
  it('can be reached over https only by a client that trusts its CA', async () => {
    const sandbox = await httpsSandbox();
    assert.match(sandbox.url, /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.equal((await list(sandbox)).status, 200);
    await assert.rejects(list(sandbox, { ca: undefined }), /certificate/i);
    const { cert: ca } = await makeCertificateAuthority();
    await assert.rejects(list(sandbox, { ca }), /certificate|signature/i);
  });

  it('has a certificate for localhost, 127.0.0.1 and ::1, from a new CA each time', async () => {
    const [one, two] = [await httpsSandbox(), await httpsSandbox()];
    assert.notEqual(one.ca, two.ca);
    assert.notEqual(one.instance, two.instance);
    const server = await peerCertificate(one);
    assert.ok(server.checkHost('localhost') && server.checkIP('127.0.0.1') && server.checkIP('::1'));
    assert.ok(server.verify(new X509Certificate(one.ca ?? '').publicKey));
    assert.equal(server.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  });

  it('speaks TLS 1.2 and 1.3, and nothing older', async () => {
    const sandbox = await httpsSandbox();
    assert.equal(await protocol(sandbox, 'TLSv1.2'), 'TLSv1.2');
    assert.equal(await protocol(sandbox, 'TLSv1.3'), 'TLSv1.3');
    await assert.rejects(protocol(sandbox, 'TLSv1.1'));
  });

  it('accepts clients without a certificate, or with one of its own CA, by default', async () => {
    const sandbox = await httpsSandbox();
    assert.equal((await list(sandbox)).status, 200);
    assert.equal((await list(sandbox, await sandbox.clientCertificate())).status, 200);
  });

  it('refuses an expired client certificate with the reason', async () => {
    const sandbox = await httpsSandbox();
    const expired = await sandbox.clientCertificate({ notAfter: new Date(Date.now() - 1000) });
    const response = await list(sandbox, expired);
    assert.deepEqual([response.status, /CERT_HAS_EXPIRED/.test(errorOf(response)[2])], [403, true]);
  });

  it('refuses a client certificate of another CA, even of the same name', async () => {
    const sandbox = await httpsSandbox();
    const foreign = await makeCertificateAuthority();
    const response = await list(sandbox, await foreign.clientCertificate());
    assert.deepEqual([response.status, /refused/.test(errorOf(response)[2])], [403, true]);
  });

  it('accepts any client certificate if configured, and names no CA that it must be from', async () => {
    const sandbox = await httpsSandbox({ clientCa: 'any' });
    const foreign = await makeCertificateAuthority();
    const expired = await foreign.clientCertificate({ notAfter: new Date(Date.now() - 1000) });
    for (const tls of [{}, await foreign.clientCertificate(), expired]) {
      assert.equal((await list(sandbox, tls)).status, 200);
    }
    const required = await httpsSandbox({ clientCa: 'any', clientCertificate: 'required' });
    assert.equal((await list(required, expired)).status, 200);
    assert.equal((await list(required)).status, 403);
  });

  it('checks client certificates against the configured CAs, of which there may be several', async () => {
    const [one, two] = [await makeCertificateAuthority('One'), await makeCertificateAuthority('Two')];
    const sandbox = await httpsSandbox({ clientCa: { pem: `# one\n${one.cert}\n# two\n${two.cert}\n` } });
    for (const authority of [one, two]) {
      assert.equal((await list(sandbox, await authority.clientCertificate())).status, 200);
    }
    assert.equal((await list(sandbox)).status, 200);
    assert.equal((await list(sandbox, await sandbox.clientCertificate())).status, 403);
    const expired = await one.clientCertificate({ notAfter: new Date(Date.now() - 1000) });
    assert.equal((await list(sandbox, expired)).status, 403);
  });

  it('refuses a client CA without a readable certificate, and one on http', async () => {
    const { cert } = await makeCertificateAuthority();
    for (const pem of ['', 'x', cert.replace(/[A-Za-z]{20}/, 'x'), `${cert}\n${cert.replace(/[A-Za-z]{20}/, '')}`]) {
      await assert.rejects(httpsSandbox({ clientCa: { pem } }), { code: 'MESH_CONFIGURATION', message: /client CA/ });
    }
    await assert.rejects(sandboxFor({ clientCa: { pem: cert } }), { code: 'MESH_CONFIGURATION' });
  });

  it('requires a client certificate for every path if configured', async () => {
    const sandbox = await httpsSandbox({ clientCertificate: 'required' });
    const response = await list(sandbox);
    assert.deepEqual([response.status, /required/.test(errorOf(response)[2])], [403, true]);
    assert.equal((await call(sandbox, '/messageexchange/workflowsearch/W')).status, 403);
    assert.equal((await list(sandbox, await sandbox.clientCertificate())).status, 200);
    const expired = await sandbox.clientCertificate({ notAfter: new Date(0) });
    assert.equal((await list(sandbox, expired)).status, 403);
  });

  it('ignores client certificates in mode none', async () => {
    const sandbox = await httpsSandbox({ clientCertificate: 'none' });
    const foreign = await makeCertificateAuthority();
    assert.equal((await list(sandbox, await foreign.clientCertificate())).status, 200);
  });

  it('makes client certificates with the chosen common name', async () => {
    const sandbox = await httpsSandbox();
    const { cert } = await sandbox.clientCertificate({ commonName: 'a,b+CN=c' });
    assert.equal(new X509Certificate(cert).toLegacyObject().subject.CN, 'a,b+CN=c');
    const standard = new X509Certificate((await sandbox.clientCertificate()).cert);
    assert.match(standard.subject, /^CN=.*\.X26\.api\.mesh-client\.nhs\.uk$/);
  });

  it('uses the configured certificate', async () => {
    const authority = await makeCertificateAuthority('Trust CA');
    const sandbox = await httpsSandbox({ tls: await authority.serverCertificate('localhost') });
    assert.equal(sandbox.ca, undefined);
    assert.equal((await list(sandbox, { ca: authority.cert })).status, 200);
    const pair = await sandbox.clientCertificate();
    assert.equal((await list(sandbox, { ca: authority.cert, ...pair })).status, 200);
  });

  it('refuses an invalid certificate', async () => {
    await assert.rejects(httpsSandbox({ tls: { cert: 'x', key: 'y' } }), { code: 'MESH_CONFIGURATION' });
  });

  it('has no certificates on http', async () => {
    const sandbox = await sandboxFor();
    assert.equal(sandbox.ca, undefined);
    await assert.rejects(sandbox.clientCertificate(), { code: 'MESH_CONFIGURATION' });
    await assert.rejects(sandboxFor({ clientCertificate: 'required' }), { code: 'MESH_CONFIGURATION' });
  });

  it('carries large bodies in both directions', async () => {
    const sandbox = await httpsSandbox();
    const body = Buffer.alloc(5_000_003, 'abcdefghijk');
    const id = await send(sandbox, { body });
    assert.ok((await download(sandbox, id, { version: 1 })).body.equals(body));
  });
});

function peerCertificate(sandbox: Sandbox): Promise<X509Certificate> {
  const { hostname, port } = new URL(sandbox.url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), ca: sandbox.ca }, () => {
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      if (certificate) resolve(certificate);
      else reject(new Error('no certificate'));
    });
    socket.on('error', reject);
  });
}

function protocol(sandbox: Sandbox, version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): Promise<string | null> {
  const { hostname, port } = new URL(sandbox.url);
  return new Promise((resolve, reject) => {
    // Security level 0, so that the server and not our own OpenSSL refuses the old version.
    const options = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const socket = connect({ host: hostname, port: Number(port), ca: sandbox.ca, ...options }, () => {
      resolve(socket.getProtocol());
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
