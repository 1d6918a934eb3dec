/** Which of certificate, key and CA cannot be used, and why. All material is real: of our own CAs, or made by openssl. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkConnection, ConfigurationError, MeshError, TlsError, type TlsOptions } from '../../lib/index';
import { CertificateFiles } from '../../lib/client/certificate-files';
import { authority, type Authority, type CertificateAndKey } from '../harness/certificates';
import { emptyFolder } from '../harness/cleanup';
import { failure, fullErrorText, thrown } from '../harness/failure';
import { hostileMesh } from '../harness/hostile-mesh';
import { accessTo, mailboxAt } from '../harness/mailboxes';

const DAY = 24 * 60 * 60 * 1000;
const SERVER = { url: 'https://localhost:1', ca: undefined };
const der = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');

/** Returns what openssl makes of `input` in a folder of its own; `args` name the files `in` and `out`. */
async function openssl(input: string | Buffer, ...args: string[]): Promise<Buffer> {
  const folder = await emptyFolder();
  await writeFile(join(folder, 'in'), input);
  execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  return readFile(join(folder, 'out'));
}

describe('certificates that cannot be used', () => {
  let ca: Authority;
  let own: CertificateAndKey;
  let other: CertificateAndKey;
  const encryptedKey = (): string =>
    createPrivateKey(own.key)
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open sesame' })
      .toString();

  before(async () => {
    ca = await authority('Test CA');
    own = await ca.issue({ usage: 'client', commonName: 'own' });
    other = await ca.issue({ usage: 'client', commonName: 'other' });
  });

  type Case = readonly [what: string, make: () => TlsOptions | Promise<TlsOptions>, text: RegExp, advice: RegExp];
  const pair = (changed: TlsOptions): TlsOptions => ({ cert: own.cert, key: own.key, ca: ca.cert, ...changed });
  const without = (part: 'cert' | 'key'): TlsOptions =>
    Object.fromEntries(Object.entries(pair({})).filter(([name]) => name !== part));
  const CERT = (why: string): RegExp =>
    new RegExp(`^tls: the client certificate is not made of certificates in PEM: ${why}`);
  const KEY = (why: string): RegExp =>
    new RegExp(`^tls: the private key holds no private key that can be used: ${why}`);
  const CA = (why: string): RegExp => new RegExp(`^tls: the CA ${why}`);

  const CASES: Case[] = [
    ['an empty certificate', () => pair({ cert: ' \n' }), CERT('it is empty'), /environment variable/],
    ['a variable that nobody resolved', () => pair({ cert: '${MESH_CERT}' }), CERT('.*MESH_CERT is not set'), /Set it/],
    [
      'a certificate in DER',
      () => pair({ cert: der(own.cert) }),
      CERT('it is a certificate in DER'),
      /x509 -inform DER/,
    ],
    ['a certificate that is the key', () => pair({ cert: own.key }), CERT('it is a private key'), /exchanged/],
    [
      'a signing request in place of the certificate',
      async () => pair({ cert: await openssl(own.key, 'req', '-new', '-key', 'in', '-subj', '/CN=x', '-out', 'out') }),
      CERT('it is a signing request'),
      /issued for it/,
    ],
    [
      'PKCS#7 in place of the certificate',
      async () => pair({ cert: await openssl(own.cert, 'crl2pkcs7', '-nocrl', '-certfile', 'in', '-out', 'out') }),
      CERT('it is PKCS#7'),
      /openssl pkcs7/,
    ],
    [
      'PKCS#7 in DER in place of the certificate',
      async () =>
        pair({
          cert: await openssl(own.cert, 'crl2pkcs7', '-nocrl', '-certfile', 'in', '-outform', 'DER', '-out', 'out'),
        }),
      CERT('it is PKCS#7'),
      /openssl pkcs7 -inform DER/,
    ],
    [
      'PFX in place of the certificate',
      async () =>
        pair({
          cert: await openssl(
            `${own.cert}\n${own.key}`,
            'pkcs12',
            '-export',
            '-in',
            'in',
            '-out',
            'out',
            '-passout',
            'pass:x',
          ),
        }),
      CERT('it is PFX'),
      /Choose PFX/,
    ],
    ['a path in place of the certificate', () => pair({ cert: '/etc/mesh/cert.pem' }), CERT('it is a path'), /file/],
    ['a web page in place of the certificate', () => pair({ cert: '<html>404</html>' }), CERT('it is a web page'), /./],
    ['a text in place of the certificate', () => pair({ cert: 'secret' }), CERT('it is something else'), /in PEM/],
    [
      'UTF-16',
      () => pair({ cert: Buffer.from('\ufeffno certificate', 'utf16le') }),
      CERT('it is text in UTF-16'),
      /UTF-8/,
    ],
    ['a certificate that ends too early', () => pair({ cert: own.cert.slice(0, 300) }), CERT('it is damaged'), /again/],
    [
      'a certificate with a changed byte',
      () => pair({ cert: own.cert.replace(/\n.{8}/, '\nAAAAAAAA') }),
      CERT('it is damaged'),
      /again/,
    ],
    [
      'a chain whose second certificate ends too early',
      () => pair({ cert: own.cert + ca.cert.slice(0, 300) }),
      CERT('one of them is damaged'),
      /again/,
    ],
    [
      'a chain whose issuer is first',
      () => pair({ cert: `${ca.cert}\n${own.cert}` }),
      /^tls: the client certificate has another certificate before it: the private key belongs to number 2/,
      /first/,
    ],
    ['a certificate without its key', () => without('key'), /private key is missing/, /both/],
    ['a key without its certificate', () => without('cert'), /client certificate is missing/, /both/],
    ['an empty key', () => pair({ key: '' }), KEY('it is empty'), /environment variable/],
    ['a key in DER', () => pair({ key: der(own.key) }), KEY('it is a private key in DER'), /pkey -inform DER/],
    ['a key that is the certificate', () => pair({ key: own.cert }), KEY('it is a certificate'), /exchanged/],
    [
      'a public key',
      () => pair({ key: new X509Certificate(own.cert).publicKey.export({ type: 'spki', format: 'pem' }) }),
      KEY('it is a public key'),
      /private key/,
    ],
    [
      'a key of OpenSSH',
      () => pair({ key: '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n' }),
      KEY('it is in OpenSSH’s own format'),
      /ssh-keygen/,
    ],
    ['a key that ends too early', () => pair({ key: own.key.slice(0, 80) }), KEY('it ends too early'), /again/],
    [
      'the key of another certificate',
      () => pair({ key: other.key }),
      /^tls: the private key does not belong to the client certificate/,
      /signing request/,
    ],
    [
      'an encrypted key without a passphrase',
      () => pair({ key: encryptedKey() }),
      KEY('it is encrypted, and'),
      /passphrase/,
    ],
    [
      'an encrypted key with another passphrase',
      () => pair({ key: encryptedKey(), passphrase: 'wrong-MARK' }),
      KEY('its passphrase is another one'),
      /passphrase/,
    ],
    [
      'an encrypted key of the older form without a passphrase',
      () => {
        const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
        const options = { type: 'pkcs1', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' } as const;
        return pair({ key: privateKey.export(options) });
      },
      KEY('it is encrypted, and'),
      /passphrase/,
    ],
    ['an empty CA', () => pair({ ca: '' }), CA('is not made of certificates in PEM: it is empty'), /./],
    ['a CA in DER', () => pair({ ca: der(ca.cert) }), CA('is not made.*: it is a certificate in DER'), /openssl x509/],
    ['a CA of a key', () => pair({ ca: own.key }), CA('is not made.*: it is a private key'), /exchanged/],
    [
      'a CA that is no CA',
      () => pair({ ca: other.cert }),
      CA('has no certificate of a CA: it is of other'),
      /root and sub-CAs/,
    ],
    [
      'a CA that is the client certificate',
      () => pair({ ca: own.cert }),
      CA('has no certificate of a CA: it is the client certificate itself'),
      /root and sub-CAs/,
    ],
    ['an empty PFX', () => ({ pfx: Buffer.alloc(0) }), /^tls: the PFX cannot be used: it is empty/, /./],
    [
      'PEM in place of PFX',
      () => ({ pfx: Buffer.from(own.cert) }),
      /^tls: the PFX cannot be used: it is a certificate/,
      /./,
    ],
    ...(['wrong-MARK', undefined] as const).map((passphrase): Case => [
      `PFX with ${passphrase === undefined ? 'no' : 'another'} passphrase`,
      async () => ({
        pfx: await openssl(
          `${own.cert}\n${own.key}`,
          'pkcs12',
          '-export',
          '-in',
          'in',
          '-out',
          'out',
          '-passout',
          'pass:open sesame',
        ),
        ...(passphrase && { passphrase }),
      }),
      passphrase === undefined
        ? /^tls: the PFX.*encrypted, and there is no/
        : /^tls: the PFX.*passphrase is another one/,
      /passphrase/,
    ]),
    [
      'a key that is too short',
      async () => {
        const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 512 });
        const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
        const args = ['req', '-x509', '-new', '-key', 'in', '-subj', '/CN=x', '-days', '9', '-out', 'out'];
        return { cert: await openssl(key, ...args), key };
      },
      /^tls: the client certificate cannot be used: its key is too short/,
      /new one/,
    ],
  ];

  for (const [what, make, text, advice] of CASES) {
    it(`are named, with why and what to do: ${what}`, async () => {
      const tls = await make();
      const error = thrown(ConfigurationError, () => mailboxAt(SERVER, { tls }));
      assert.match(error.message, text);
      assert.match(error.advice ?? '', advice);
      for (const secret of ['MARK', 'sesame', own.key.split('\n')[1] ?? '']) {
        assert.ok(!fullErrorText(error).includes(secret));
      }
      const steps = await checkConnection({ ...accessTo(SERVER), tls });
      const step = steps.find(({ outcome }) => outcome === 'failed');
      const sentence = error.message.replace('tls: the', 'The');
      assert.deepEqual([step?.step, step?.text, step?.advice], ['certificate', sentence, error.advice]);
    });
  }

  it('are named in the same way when they come as files that were renewed', async () => {
    const folder = await emptyFolder();
    const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
    await writeFile(files.cert, own.cert);
    await writeFile(files.key, encryptedKey());
    const read = new CertificateFiles({ cert: own.cert, key: own.key, files });
    await read.check();
    assert.match(
      read.problem ?? '',
      /the private key file holds no private key that can be used: it is encrypted, and/,
    );
    await writeFile(files.key, own.key);
    await writeFile(files.cert, der(own.cert));
    await read.check();
    assert.match(
      read.problem ?? '',
      /the certificate file is not made of certificates in PEM: it is a certificate in DER/,
    );
  });

  it('are none: whole chains, encrypted keys with their passphrase, several CAs, and files without line breaks', async () => {
    const second = await authority('Second');
    for (const tls of [
      pair({ cert: own.cert + ca.cert }),
      pair({ key: encryptedKey(), passphrase: 'open sesame' }),
      pair({ ca: [ca.cert, Buffer.from(second.cert)] }),
      pair({ ca: `${other.cert}${ca.cert}` }),
      pair({ cert: Buffer.from(own.cert.replaceAll('\n', '\\n')), key: Buffer.from(own.key.replaceAll('\n', ' ')) }),
      // In quotes, with the lines as they should be.
      pair({ cert: `"${own.cert.trim()}"` }),
    ]) {
      mailboxAt(SERVER, { tls });
    }
  });
});

describe('certificates that are out of date', () => {
  const ok = (): { body: Buffer } => ({ body: Buffer.from('{}') });

  it('are named where the server refuses our expired one', async () => {
    const ca = await authority('CA');
    const pair = await ca.issue({ usage: 'client', commonName: 'expired one', notAfter: new Date(Date.now() - DAY) });
    const server = await hostileMesh(ok, {
      ...(await ca.issue()),
      ca: ca.cert,
      requestCert: true,
      rejectUnauthorized: true,
      maxVersion: 'TLSv1.2',
    });
    const mailbox = mailboxAt({ url: server.url }, { tls: { ca: ca.cert, ...pair }, retry: { attempts: 1 } });
    const error = await failure(MeshError, mailbox.handshake());
    assert.match(
      error.advice ?? '',
      /^The client certificate expired one expired on \d{4}-\d\d-\d\d\. Request a new one/,
    );
  });

  it('are named where the CA in the settings has expired, and not the server’s certificate', async () => {
    const ca = await authority('Old CA', { notAfter: new Date(Date.now() - DAY) });
    const server = await hostileMesh(ok, await ca.issue());
    const error = await failure(TlsError, mailboxAt({ url: server.url, ca: ca.cert }).handshake());
    assert.match(error.advice ?? '', /^The CA Old CA expired on \d{4}-\d\d-\d\d\. Configure the new certificate/);
    const steps = await checkConnection({ ...accessTo({ url: server.url, ca: ca.cert }) });
    assert.match(JSON.stringify(steps), /The CA Old CA expired on/);
  });
});
