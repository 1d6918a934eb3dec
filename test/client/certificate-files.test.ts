/** Certificate files that are renewed on disk: real files, and a server that demands a client certificate. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import * as promises from 'node:fs/promises';
import { createServer } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { checkConnection } from '../../lib/check/check-connection';
import { setFiles, type Files } from '../../lib/files';
import { findConditions, type DurableMailbox, type MailboxOptions, type TlsOptions } from '../../lib/index';
import { authority, type Authority, type CertificateAndKey } from '../harness/certificates';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { connectProxy } from '../harness/connect-proxy';
import { listening } from '../harness/listening';
import { outboxAt, storageIn } from '../harness/outboxes';
import { until } from '../harness/until';

const DAY = 24 * 60 * 60 * 1000;
const GARBAGE = 'SECRET-GARBAGE';

/** A server that accepts any handshake by a certificate of the CA. */
interface Mesh {
  url: string;
  /** The common names of the certificates, one for each request. */
  clients: string[];
  /** Holds the responses back until the function that it returns is called. */
  hold(): () => void;
}

describe('certificate files that are renewed on disk', () => {
  let ca: Authority;
  let server: CertificateAndKey;
  let old: CertificateAndKey;
  let renewed: CertificateAndKey;
  before(async () => {
    ca = await authority('Renewal CA');
    server = await ca.issue();
    const issue = (commonName: string, days: number): Promise<CertificateAndKey> =>
      ca.issue({ commonName, usage: 'client', notAfter: new Date(Date.now() + days * DAY) });
    [old, renewed] = [await issue('old', 6), await issue('renewed', 90)];
  });

  async function meshServer(pair = server): Promise<Mesh> {
    const clients: string[] = [];
    let held = Promise.resolve();
    const https = createServer(
      { ...pair, ca: ca.cert, requestCert: true, rejectUnauthorized: true, keepAliveTimeout: 60_000 },
      (request, response) => {
        clients.push(String((request.socket as TLSSocket).getPeerCertificate().subject.CN));
        void held.then(() => response.setHeader('Content-Type', 'application/json').end('{}'));
      },
    );
    const port = await listening(https);
    const hold = (): (() => void) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      afterThisTest(resolve);
      return resolve;
    };
    return { url: `https://localhost:${port}`, clients, hold };
  }

  /** Writes the files as a person does, and returns what was read from them. */
  async function filesIn(folder: string, { cert, key }: CertificateAndKey): Promise<TlsOptions> {
    const files = { ca: join(folder, 'ca.pem'), cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
    const contents = { ca: ca.cert, cert, key };
    for (const kind of ['ca', 'cert', 'key'] as const) await writeFile(files[kind], contents[kind]);
    return { ...contents, files };
  }

  async function mailboxWith(
    { url }: Pick<Mesh, 'url'>,
    tls: TlsOptions,
    rest: Partial<MailboxOptions> = {},
  ): Promise<DurableMailbox & { changes: Array<string | null> }> {
    const mailbox = outboxAt({ url }, { storage: await storageIn(), tls, ...rest });
    const changes: Array<string | null> = [];
    mailbox.onCertificates((problem) => changes.push(problem));
    return Object.assign(mailbox, { changes });
  }

  it('are used by the next request', async () => {
    const mesh = await meshServer();
    const folder = await emptyFolder();
    const mailbox = await mailboxWith(mesh, await filesIn(folder, old));
    await mailbox.handshake();
    await mailbox.handshake();
    await filesIn(folder, renewed);
    await mailbox.handshake();
    assert.deepEqual(mesh.clients, ['old', 'old', 'renewed']);
    assert.deepEqual(mailbox.changes, [null]);
  });

  it('drop no request in progress', async () => {
    const mesh = await meshServer();
    const folder = await emptyFolder();
    const mailbox = await mailboxWith(mesh, await filesIn(folder, old));
    const release = mesh.hold();
    const inProgress = mailbox.handshake();
    await until('the request', () => mesh.clients.length === 1);
    await filesIn(folder, renewed);
    const next = mailbox.handshake();
    await until('the next request, by the renewed certificate', () => mesh.clients[1] === 'renewed');
    release();
    await Promise.all([inProgress, next]);
    assert.deepEqual(mesh.clients, ['old', 'renewed']);
  });

  it('are used by the next request through a proxy', async () => {
    const mesh = await meshServer();
    const folder = await emptyFolder();
    const proxy = await connectProxy();
    const mailbox = await mailboxWith(mesh, await filesIn(folder, old), { proxy: { url: proxy.url } });
    await mailbox.handshake();
    await filesIn(folder, renewed);
    await mailbox.handshake();
    assert.deepEqual(mesh.clients, ['old', 'renewed']);
    assert.equal(proxy.tunnels.length, 2);
  });

  it('are used after another file is renamed to their name, as certbot does', async () => {
    const mesh = await meshServer();
    const folder = await emptyFolder();
    const mailbox = await mailboxWith(mesh, await filesIn(folder, old));
    await mailbox.handshake();
    const beside = await emptyFolder();
    await filesIn(beside, renewed);
    for (const name of ['cert.pem', 'key.pem']) await rename(join(beside, name), join(folder, name));
    await mailbox.handshake();
    assert.deepEqual(mesh.clients, ['old', 'renewed']);
  });

  it('are used after a symbolic link to their folder is swapped, as cert-manager does', async () => {
    const mesh = await meshServer();
    const folder = await emptyFolder();
    for (const [name, pair] of [
      ['1', old],
      ['2', renewed],
    ] as const) {
      await mkdir(join(folder, name));
      await filesIn(join(folder, name), pair);
    }
    await symlink('1', join(folder, 'data'));
    const files = { cert: join(folder, 'data', 'cert.pem'), key: join(folder, 'data', 'key.pem') };
    const mailbox = await mailboxWith(mesh, { ca: ca.cert, ...old, files });
    await mailbox.handshake();
    await symlink('2', join(folder, 'next'));
    await rename(join(folder, 'next'), join(folder, 'data'));
    await mailbox.handshake();
    assert.deepEqual(mesh.clients, ['old', 'renewed']);
  });

  it('are used when they were renewed between the start of Node-RED and the first request', async () => {
    const mesh = await meshServer();
    const folder = await emptyFolder();
    const { files } = await filesIn(folder, renewed);
    const tls = { ca: ca.cert, ...old, ...(files && { files }) };
    const mailbox = await mailboxWith(mesh, tls);
    await mailbox.handshake();
    assert.deepEqual(mesh.clients, ['renewed']);
    const access = { environment: mesh.url, mailboxId: 'X26ABC1', password: 'password', sharedKey: 'TestKey' };
    const steps = await checkConnection({ ...access, tls });
    assert.equal(steps.find(({ step }) => step === 'handshake')?.outcome, 'passed', JSON.stringify(steps));
    assert.match(JSON.stringify(steps.find(({ step }) => step === 'certificate')), /renewed/);
    assert.deepEqual(mesh.clients, ['renewed', 'renewed']);
  });

  for (const first of ['cert', 'key'] as const) {
    it(`keep the old pair while half is renewed (${first} first), and are used once both are`, async () => {
      const mesh = await meshServer();
      const folder = await emptyFolder();
      const mailbox = await mailboxWith(mesh, await filesIn(folder, old));
      await filesIn(folder, { ...old, [first]: renewed[first] });
      await mailbox.handshake();
      await mailbox.handshake();
      assert.deepEqual(mesh.clients, ['old', 'old']);
      assert.equal(mailbox.changes.length, 1, 'one warning');
      assert.match(String(mailbox.changes[0]), /the private key does not belong to the certificate/);
      await filesIn(folder, renewed);
      await mailbox.handshake();
      assert.deepEqual(mesh.clients, ['old', 'old', 'renewed']);
      assert.equal(mailbox.changes.length, 2);
      assert.equal(mailbox.changes[1], null);
      assert.equal(mailbox.health().certificateProblem, null);
    });
  }

  const spoil: ReadonlyArray<readonly [string, RegExp, (folder: string) => Promise<unknown>]> = [
    [
      'a certificate of garbage',
      /the certificate file is not/,
      (folder) => writeFile(join(folder, 'cert.pem'), GARBAGE),
    ],
    ['a key of garbage', /the private key file holds no/, (folder) => writeFile(join(folder, 'key.pem'), GARBAGE)],
    ['a CA of garbage', /the CA file is not/, (folder) => writeFile(join(folder, 'ca.pem'), GARBAGE)],
    ['an empty CA', /the CA file is not/, (folder) => writeFile(join(folder, 'ca.pem'), '')],
    [
      'a chain that ends within its second certificate',
      /the certificate file is not/,
      (folder) => writeFile(join(folder, 'cert.pem'), `${old.cert}\n${ca.cert.slice(0, 200)}`),
    ],
    ['a key that is gone', /the private key file cannot be read \(ENOENT\)/, (folder) => rm(join(folder, 'key.pem'))],
    [
      'a folder in place of the certificate',
      /the certificate file is no regular file/,
      (folder) => rm(join(folder, 'cert.pem')).then(() => mkdir(join(folder, 'cert.pem'))),
    ],
    [
      'a pipe in place of the key',
      /the private key file is no regular file/,
      async (folder) => {
        await rm(join(folder, 'key.pem'));
        execFileSync('sh', ['-c', 'mkfifo "$0"', join(folder, 'key.pem')]);
      },
    ],
    [
      'a key of 5 MB',
      /the private key file is too large/,
      (folder) => writeFile(join(folder, 'key.pem'), Buffer.alloc(5_000_000)),
    ],
  ];
  for (const [what, reason, action] of spoil) {
    it(`keep what was in use, with one warning and a condition without path or content, for ${what}`, async () => {
      const mesh = await meshServer();
      const folder = await emptyFolder();
      const mailbox = await mailboxWith(mesh, await filesIn(folder, old));
      await mailbox.handshake();
      await action(folder);
      await mailbox.handshake();
      await mailbox.handshake();
      assert.deepEqual(mesh.clients, ['old', 'old', 'old']);
      assert.equal(mailbox.changes.length, 1, 'one warning');
      const now = Date.now();
      const seen = { now, monitoredSince: now, health: mailbox.health(), freeBytes: null, oldestUnacknowledged: null };
      const counts = { held: 0, unknown: 0, overdue: 0, redelivered: 0, parked: 0, unclaimed: 0 };
      const found = findConditions({ ...seen, counts }, { stoppedMs: 0, minFreeBytes: 0 });
      const condition = found.find(({ kind }) => kind === 'certificate');
      assert.equal(condition?.stage, '7, files unusable');
      assert.match(condition?.text ?? '', /^The client certificate expires on .* The certificate files on disk/);
      for (const text of [String(mailbox.changes[0]), condition?.text ?? '']) {
        assert.match(text, reason);
        assert.ok(![folder, '.pem', GARBAGE, 'BEGIN'].some((secret) => text.includes(secret)), text);
      }
    });
  }

  it('are over as a problem when the old files are put back', async () => {
    const mesh = await meshServer();
    const folder = await emptyFolder();
    const mailbox = await mailboxWith(mesh, await filesIn(folder, old));
    await writeFile(join(folder, 'cert.pem'), GARBAGE);
    await mailbox.handshake();
    assert.notEqual(mailbox.health().certificateProblem, null);
    await filesIn(folder, old);
    await mailbox.handshake();
    assert.equal(mailbox.health().certificateProblem, null);
    assert.deepEqual(mesh.clients, ['old', 'old']);
  });

  it('are used when they were changed twice within a tick of their file system', async () => {
    const mesh = await meshServer();
    const folder = await emptyFolder();
    const mailbox = await mailboxWith(mesh, await filesIn(folder, old));
    const times = await promises.stat(join(folder, 'key.pem'), { bigint: true });
    setFiles({ ...promises, stat: async () => times } as unknown as Files);
    afterThisTest(() => setFiles());
    await mailbox.handshake();
    await filesIn(folder, renewed);
    await mailbox.handshake();
    assert.deepEqual(mesh.clients, ['old', 'renewed']);
  });

  it('trust a new CA that is put beside the old one', async () => {
    const other = await authority('Next CA');
    const mesh = await meshServer(await other.issue());
    const folder = await emptyFolder();
    const mailbox = await mailboxWith(mesh, await filesIn(folder, old));
    await assert.rejects(mailbox.handshake());
    await writeFile(join(folder, 'ca.pem'), `${ca.cert}\n${other.cert}`);
    await mailbox.handshake();
    assert.deepEqual(mesh.clients, ['old']);
  });

  it('may be a PFX', async () => {
    const mesh = await meshServer();
    const folder = await emptyFolder();
    const pfxFile = join(folder, 'both.pfx');
    const writePfx = async (pair: CertificateAndKey, passphrase: string): Promise<Buffer> => {
      await filesIn(folder, pair);
      const made = ['pkcs12', '-export', '-in', 'cert.pem', '-inkey', 'key.pem', '-out', 'both.pfx'];
      execFileSync('openssl', [...made, '-passout', `pass:${passphrase}`], { cwd: folder, stdio: 'ignore' });
      return readFile(pfxFile);
    };
    const pfx = await writePfx(old, 'open sesame');
    const tls = { ca: ca.cert, pfx, passphrase: 'open sesame', files: { pfx: pfxFile } };
    const mailbox = await mailboxWith(mesh, tls);
    await mailbox.handshake();
    await writePfx(renewed, 'another one');
    await mailbox.handshake();
    assert.match(String(mailbox.changes[0]), /the PFX file cannot be used: its passphrase is another one/);
    await writePfx(renewed, 'open sesame');
    await mailbox.handshake();
    assert.deepEqual(mesh.clients, ['old', 'old', 'renewed']);
  });

  it('are shown with their new expiry, also by a mailbox that makes no request', async () => {
    const folder = await emptyFolder();
    const mailbox = await mailboxWith({ url: 'https://localhost:1' }, await filesIn(folder, old));
    const daysLeft = (): number =>
      Math.round((Date.parse(mailbox.health().certificate?.validTo ?? '') - Date.now()) / DAY);
    assert.equal(daysLeft(), 6);
    await filesIn(folder, renewed);
    await until('the new expiry', () => daysLeft() === 90);
    assert.equal(mailbox.health().certificate?.commonName, 'renewed');
  });
});
