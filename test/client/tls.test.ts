import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AuthenticationError, ConnectionError, MeshError, TlsError } from '../../lib/index';
import { authority } from '../harness/certificates';
import { emptyFolder } from '../harness/cleanup';
import { failure, thrown } from '../harness/failure';
import { hostileMesh } from '../harness/hostile-mesh';
import { mailboxAt, sandbox } from '../harness/mailboxes';

const DAY = 24 * 60 * 60 * 1000;
const ok = (): { body: Buffer } => ({ body: Buffer.from('{}') });

describe('TLS', () => {
  it('accepts a client certificate as PFX with its passphrase', async () => {
    const server = await sandbox({ clientCertificate: 'required' });
    const folder = await emptyFolder();
    const { cert, key } = await server.clientCertificate();
    await writeFile(join(folder, 'cert.pem'), cert);
    await writeFile(join(folder, 'key.pem'), key);
    const made = ['pkcs12', '-export', '-in', 'cert.pem', '-inkey', 'key.pem', '-out', 'both.pfx'];
    execFileSync('openssl', [...made, '-passout', 'pass:open sesame'], { cwd: folder, stdio: 'ignore' });
    const pfx = await readFile(join(folder, 'both.pfx'));
    const ca = server.ca as string;

    await mailboxAt(server, { tls: { ca, pfx, passphrase: 'open sesame' } }).handshake();
    const error = thrown(MeshError, () => mailboxAt(server, { tls: { ca, pfx, passphrase: 'wrong' } }));
    assert.equal(error.code, 'MESH_CONFIGURATION');
    assert.match(error.advice ?? '', /passphrase/);
  });

  it('accepts a client certificate as Buffers', async () => {
    const server = await sandbox({ clientCertificate: 'required' });
    const { cert, key } = await server.clientCertificate();
    const tls = { ca: [Buffer.from(server.ca as string)], cert: Buffer.from(cert), key: Buffer.from(key) };
    await mailboxAt(server, { tls }).handshake();
  });

  it('refuses an unknown issuer at the first attempt and names the missing CA', async () => {
    const ca = await authority('NHS Somewhere Root');
    const server = await hostileMesh(ok, await ca.issue());
    const error = await failure(TlsError, mailboxAt(server).handshake());
    assert.match(error.message, /The missing CA: CN=NHS Somewhere Root/);
    assert.match(error.advice ?? '', /root and sub-CA/);
    assert.equal(error.retry, 'never');
    assert.equal(server.seen.length, 0, 'no request was sent');
  });

  it('trusts the operating system’s CAs, and no others, if no CA is configured', async () => {
    const server = await hostileMesh(ok);
    await failure(TlsError, mailboxAt(server, { tls: {} }).handshake());
    assert.equal(server.seen.length, 0);
  });

  it('keeps control characters of the CA’s name out of the error', async () => {
    const ca = await authority('Evil\u001b[31m\nCA');
    const server = await hostileMesh(ok, await ca.issue());
    const error = await failure(TlsError, mailboxAt(server).handshake());
    assert.match(error.message, /Evil\?/);
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    assert.doesNotMatch(error.message, /[\u0000-\u001f]/);
  });

  it('refuses a certificate for another host name', async () => {
    const ca = await authority('CA');
    const server = await hostileMesh(ok, await ca.issue({ names: ['elsewhere.example'] }));
    const error = await failure(TlsError, mailboxAt({ url: server.url, ca: ca.cert }).handshake());
    assert.match(error.message, /ALTNAME/);
    assert.match(error.advice ?? '', /another host name/);
    assert.equal(server.seen.length, 0);
  });

  it('verifies the configured name instead of the host name', async () => {
    const ca = await authority('CA');
    const server = await hostileMesh(ok, await ca.issue({ names: ['elsewhere.example'] }));
    await mailboxAt(server, { tls: { ca: ca.cert, servername: 'elsewhere.example' } }).handshake();
    await failure(TlsError, mailboxAt(server, { tls: { ca: ca.cert, servername: 'other.example' } }).handshake());
  });

  it('refuses a server certificate that has expired', async () => {
    const ca = await authority('CA');
    const server = await hostileMesh(ok, await ca.issue({ notAfter: new Date(Date.now() - DAY) }));
    const error = await failure(TlsError, mailboxAt({ url: server.url, ca: ca.cert }).handshake());
    assert.match(error.advice ?? '', /has expired/);
    assert.equal(server.seen.length, 0);
  });

  it('refuses a server that offers TLS 1.1 at most', async () => {
    const server = await hostileMesh(ok, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
    const error = await failure(TlsError, mailboxAt(server).handshake());
    assert.equal(error.retry, 'never');
    assert.match(error.advice ?? '', /TLS 1\.2 or later/);
    assert.equal(server.seen.length, 0);
  });

  it('accepts TLS 1.2', async () => {
    const server = await hostileMesh(ok, { maxVersion: 'TLSv1.2' });
    await mailboxAt(server).handshake();
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const [what, days] of [
      ['a missing', undefined],
      ['an expired', -1],
    ] as const) {
      it(`has advice if a server on ${version} ends the handshake for ${what} client certificate`, async () => {
        const ca = await authority('CA');
        const server = await hostileMesh(ok, {
          ...(await ca.issue()),
          ca: ca.cert,
          requestCert: true,
          rejectUnauthorized: true,
          minVersion: version,
          maxVersion: version,
        });
        const pair =
          days === undefined ? {} : await ca.issue({ usage: 'client', notAfter: new Date(Date.now() + days * DAY) });
        const error = await failure(
          MeshError,
          mailboxAt(server, { tls: { ca: ca.cert, ...pair }, retry: { attempts: 1 } }).handshake(),
        );
        assert.equal(server.seen.length, 0);
        // Node's own server, which checks the certificate itself, ends the connection without an alert.
        if (error instanceof TlsError) assert.match(error.advice ?? '', /refused our client certificate/);
        else assert.ok(error instanceof ConnectionError, error.code);
      });
    }
  }

  it('has advice if the server does not speak TLS', async () => {
    const server = await sandbox();
    const error = await failure(
      TlsError,
      mailboxAt({ url: server.url.replace('http:', 'https:'), ca: undefined }).handshake(),
    );
    assert.match(error.advice ?? '', /Check the address/);
  });

  it('lets a valid certificate in and refuses one of another CA', async () => {
    const server = await sandbox({ clientCertificate: 'required' });
    const other = await authority('CA');
    const foreign = await other.issue({ usage: 'client' });
    const ca = server.ca as string;
    await failure(AuthenticationError, mailboxAt(server, { tls: { ca, ...foreign } }).handshake());
    await mailboxAt(server, { tls: { ca, ...(await server.clientCertificate()) } }).handshake();
  });
});
