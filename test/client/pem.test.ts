import assert from 'node:assert/strict';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import * as fc from 'fast-check';
import { repairPem } from '../../lib/pem';
import { serverCertificate } from '../harness/certificates';

/** What becomes of a text on its way through environment files, compose files and secrets. */
const WAYS: Record<string, (pem: string) => string> = {
  'line breaks that became spaces': (pem) => pem.replaceAll('\n', ' '),
  'line breaks that became backslash n': (pem) => pem.replaceAll('\n', '\\n'),
  'line breaks that became backslash r backslash n': (pem) => pem.replaceAll('\n', '\\r\\n'),
  'no line breaks': (pem) => pem.replaceAll('\n', ''),
  'several backslashes before each n': (pem) => pem.replaceAll('\n', '\\\\n'),
  'line breaks of Windows': (pem) => pem.replaceAll('\n', '\r\n'),
  'a byte order mark': (pem) => `\uFEFF${pem}`,
  'the indentation of a YAML file': (pem) => pem.replaceAll(/^(?=.)/gm, '    '),
  'the quotes of an environment file': (pem) => `"${pem.trim()}"`,
  'quotes, and backslash n': (pem) => `'${pem.trim().replaceAll('\n', '\\n')}'`,
  'trailing spaces on each line': (pem) => pem.replaceAll('\n', '  \n'),
  'base64 of it all': (pem) => Buffer.from(pem).toString('base64'),
  'base64 of it all, wrapped': (pem) => Buffer.from(pem).toString('base64').replaceAll(/.{76}/g, '$&\n'),
};

describe('PEM from an environment variable', () => {
  let issued = { ca: '', cert: '', key: '' };
  before(async () => {
    const { ca, server } = await serverCertificate();
    issued = { ca, cert: server.cert, key: server.key };
  });

  for (const [how, through] of Object.entries(WAYS)) {
    it(`with ${how} is read: certificate, key and chain`, () => {
      const { ca, cert, key } = issued;
      assert.equal(new X509Certificate(repairPem(through(cert))).raw.equals(new X509Certificate(cert).raw), true);
      assert.ok(createPrivateKey(repairPem(through(key))).equals(createPrivateKey(key)));
      const chain = repairPem(through(cert + ca));
      assert.equal(chain.match(/-----BEGIN CERTIFICATE-----\r?\n/g)?.length, 2);
    });
  }

  it('as bytes of UTF-16, which PowerShell writes, or after a byte order mark is read', () => {
    const { cert } = issued;
    const fingerprint = new X509Certificate(cert).fingerprint256;
    for (const bytes of [
      Buffer.from(`\uFEFF${cert}`, 'utf16le'),
      Buffer.from(`\uFEFF${cert}`, 'utf16le').swap16(),
      Buffer.from(`\uFEFF${cert}`),
    ]) {
      assert.equal(new X509Certificate(repairPem(bytes)).fingerprint256, fingerprint);
    }
  });

  it('that has lost its first and last line is read: certificate and key, wrapped or not', () => {
    const { cert, key } = issued;
    const bare = (pem: string): string => pem.replaceAll(/-----[^-]+-----/g, '').trim();
    for (const through of [
      bare,
      (pem: string) => bare(pem).replaceAll('\n', ''),
      (pem: string) => bare(pem).replaceAll('\n', ' '),
    ]) {
      assert.equal(
        new X509Certificate(repairPem(through(cert))).fingerprint256,
        new X509Certificate(cert).fingerprint256,
      );
      assert.ok(createPrivateKey(repairPem(through(key))).equals(createPrivateKey(key)));
    }
  });

  it('that is whole, has headers, or is none is left as it is', () => {
    const withHeaders =
      '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n';
    for (const text of [issued.cert, withHeaders, 'not PEM', '/path/to/cert.pem', 'AAAA']) {
      assert.equal(repairPem(text), text);
    }
    fc.assert(fc.property(fc.string(), (text) => assert.equal(repairPem(text), text)));
  });
});
