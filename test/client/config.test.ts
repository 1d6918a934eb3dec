import assert from 'node:assert/strict';
import { readMailboxOptions, type MailboxOptions } from '../../lib/config';
import { ConfigurationError, openMailbox } from '../../lib/index';
import { authority } from '../harness/certificates';
import { fullErrorText, thrown } from '../harness/failure';

const MARK = 'MARK7f3a';
const good: MailboxOptions = {
  environment: 'http://127.0.0.1:1',
  mailboxId: 'X26ABC1',
  password: 'password',
  sharedKey: 'TestKey',
};

describe('the options of a mailbox', () => {
  it('have defaults except for four', () => {
    const config = readMailboxOptions({ ...good, environment: 'https://localhost:8700/mesh/' });
    assert.equal(config.compression, 'auto');
    assert.equal(config.compressionLevel, 3);
    assert.equal(config.chunks, 'allowed');
    assert.equal(config.checksum, 'none');
    assert.equal(config.maxRequestBytes, 100_000_000);
    assert.equal(config.chunkBytes, 20_000_000);
    assert.equal(config.maxBufferBytes, 256 * 1024 * 1024);
    assert.deepEqual(config.timeouts, { connectMs: 20_000, headersMs: 120_000, bodyMs: 120_000 });
    assert.deepEqual(config.retry, { attempts: 5, baseMs: 500, capMs: 30_000 });
    assert.equal(config.connections, 1);
    assert.equal(config.url.href, 'https://localhost:8700/mesh/');
    assert.match(config.userAgent, /^node-red-nhs-mesh==\d+\.\d+\.\d+;/);
  });

  it('know NHS England’s environments by name', () => {
    const url = (environment: string): string => readMailboxOptions({ ...good, environment }).url.href;
    assert.equal(url('integration'), 'https://msg.intspineservices.nhs.uk/');
    assert.equal(url(' LIVE '), 'https://mesh-sync.spineservices.nhs.uk/');
  });

  it('put the mailbox id into capitals and trim it', () =>
    assert.equal(readMailboxOptions({ ...good, mailboxId: ' x26abc1 ' }).mailboxId, 'X26ABC1'));

  it('name the application ahead of this package', () => {
    const config = readMailboxOptions({ ...good, application: 'my-app/1.2' });
    assert.match(config.clientVersion, /^my-app\/1\.2;node-red-nhs-mesh==/);
    assert.ok(config.userAgent.startsWith(config.clientVersion));
  });

  const bad: Array<[option: string, wrong: Record<string, unknown>]> = [
    ['environment', { environment: '' }],
    ['environment', { environment: MARK }],
    ['environment', { environment: `ftp://${MARK}` }],
    ['environment', { environment: `https://${MARK}:pw@host` }],
    ['environment', { environment: `https://:${MARK}@host` }],
    ['environment', { environment: `https://host?key=${MARK}` }],
    ['environment', { environment: `https://host#${MARK}` }],
    ['environment', { environment: 'constructor' }],
    ['mailboxId', { mailboxId: '' }],
    ['mailboxId', { mailboxId: `${MARK}/../x` }],
    ['mailboxId', { mailboxId: `${MARK}:` }],
    ['mailboxId', { mailboxId: undefined }],
    ['password', { password: '' }],
    ['password', { password: undefined }],
    ['sharedKey', { sharedKey: '' }],
    ['sharedKey', { sharedKey: [MARK] }],
    ['compression', { compression: MARK }],
    ['compressionLevel', { compressionLevel: 0 }],
    ['compressionLevel', { compressionLevel: 10 }],
    ['maxRequestBytes', { maxRequestBytes: 0 }],
    ['maxRequestBytes', { maxRequestBytes: 100_000_001 }],
    ['chunkBytes', { chunkBytes: 0 }],
    ['chunkBytes', { chunkBytes: 1.5 }],
    ['chunks', { chunks: MARK }],
    ['checksum', { checksum: MARK }],
    ['maxBufferBytes', { maxBufferBytes: -1 }],
    ['maxBufferBytes', { maxBufferBytes: MARK }],
    ['timeouts.connectMs', { timeouts: { connectMs: 0 } }],
    ['timeouts.headersMs', { timeouts: { headersMs: MARK } }],
    ['timeouts.bodyMs', { timeouts: { bodyMs: Infinity } }],
    ['retry.attempts', { retry: { attempts: 0 } }],
    ['retry.baseMs', { retry: { baseMs: -1 } }],
    ['retry.capMs', { retry: { capMs: Number.NaN } }],
    ['connections', { connections: 0 }],
    ['application', { application: `${MARK}\r\nX: y` }],
    ['application', { application: 'é' }],
    ['proxy.url', { proxy: { url: MARK } }],
    ['proxy.url', { proxy: { url: `socks5://${MARK}:1` } }],
    ['proxy.url', { proxy: {} }],
    ['proxy.noProxy', { proxy: { url: 'http://p:1', noProxy: MARK } }],
    ['tls', { tls: { rejectUnauthorized: false } }],
    ['tls.ca', { tls: { ca: 5 } }],
    ['tls.pfx', { tls: { pfx: MARK } }],
    ['tls.passphrase', { tls: { passphrase: 5 } }],
    ['tls.servername', { tls: { servername: '' } }],
  ];
  for (const [option, wrong] of bad) {
    it(`${JSON.stringify(wrong)} is an error that names ${option} and does not repeat its value`, () => {
      const error = thrown(ConfigurationError, () => openMailbox({ ...good, ...wrong }));
      assert.match(error.message, new RegExp(`(^|[ ;])${option.replace('.', '\\.')}: `));
      assert.equal(error.code, 'MESH_CONFIGURATION');
      assert.equal(error.retry, 'never');
      assert.ok(!fullErrorText(error).includes(MARK), 'the value is repeated');
    });
  }

  it('every invalid option is named in one error', () => {
    const error = thrown(ConfigurationError, () => openMailbox({ ...good, password: '', connections: 0 }));
    assert.match(error.message, /password: .*connections: /);
  });

  describe('for TLS', () => {
    const secure = { ...good, environment: 'https://127.0.0.1:1' };

    it('a certificate without its key, and a key without its certificate, are refused', async () => {
      const { cert, key } = await (await authority('CA')).issue({ usage: 'client' });
      for (const tls of [{ cert }, { key }]) {
        const error = thrown(ConfigurationError, () => openMailbox({ ...secure, tls }));
        assert.match(error.message, /both its certificate and its private key/);
      }
    });

    it('a key of another certificate is refused, and the error does not repeat the key', async () => {
      const ca = await authority('CA');
      const [one, other] = [await ca.issue(), await ca.issue()];
      const error = thrown(ConfigurationError, () =>
        openMailbox({ ...secure, tls: { cert: one.cert, key: other.key } }),
      );
      assert.match(error.message, /^tls: /);
      assert.ok(!fullErrorText(error).includes(other.key.split('\n')[1] ?? ''));
    });

    for (const [what, tls] of [
      ['text that is not PEM', { ca: 'x', cert: MARK, key: MARK }],
      ['bytes that are not PFX', { pfx: Buffer.from(MARK) }],
    ] as const) {
      it(`${what} is refused without repeating it`, () => {
        const error = thrown(ConfigurationError, () => openMailbox({ ...secure, tls }));
        assert.match(error.message, /^tls: /);
        assert.ok(!fullErrorText(error).includes(MARK));
      });
    }
  });
});
