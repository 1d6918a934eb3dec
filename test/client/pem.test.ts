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
      assert.equal(chain.match(/-----BEGIN CERTIFICATE-----\n/g)?.length, 2);
    });
  }

  it('that is whole, has headers, or is none is left as it is', () => {
    const withHeaders =
      '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n';
    for (const text of [issued.cert, withHeaders, 'not PEM', '/path/to/cert.pem', 'AAAA']) {
      assert.equal(repairPem(text), text);
    }
    fc.assert(fc.property(fc.string(), (text) => assert.equal(repairPem(text), text)));
  });
});
