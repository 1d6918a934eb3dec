import assert from 'node:assert/strict';
import { failureOfTransport, type RequestContext } from '../../lib/client/failures';
import { TransportFailure } from '../../lib/client/transport';
import { AbortedError, ConnectionError, TlsError, UnknownOutcomeError } from '../../lib/index';

const context: RequestContext = {
  operation: 'send_message',
  purpose: 'The message was not sent',
  mailboxId: 'X26ABC1',
  repeatable: false,
  host: 'mesh:443',
};
const failed = (code: string, requestSent: boolean): TransportFailure =>
  new TransportFailure(Object.assign(new Error('x'), { code }), requestSent);

describe('a whole message’s POST without a response', () => {
  for (const [code, requestSent, kind] of [
    ['ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC', true, UnknownOutcomeError],
    ['ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC', false, TlsError],
    ['EPROTO', true, UnknownOutcomeError],
    ['ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC', true, UnknownOutcomeError],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', true, TlsError],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', true, TlsError],
    ['CERT_HAS_EXPIRED', false, TlsError],
    ['ECONNRESET', true, UnknownOutcomeError],
    ['ECONNRESET', false, ConnectionError],
    ['UND_ERR_HEADERS_TIMEOUT', true, UnknownOutcomeError],
  ] as const) {
    it(`(${code}, ${requestSent ? 'after' : 'before'} its last byte) is a ${kind.name}`, () =>
      assert.equal(failureOfTransport(context, failed(code, requestSent)).constructor, kind));
  }

  it('that was aborted, whatever the reason, is aborted before its last byte and unknown after it', () => {
    const signal = AbortSignal.abort();
    const dom = new DOMException('x', 'AbortError');
    for (const reason of [dom, 'a text', undefined, 20, { code: 20 }, Object.assign(new Error('x'), { code: 20 })]) {
      const before = failureOfTransport({ ...context, signal }, new TransportFailure(reason, false));
      const after = failureOfTransport({ ...context, signal }, new TransportFailure(reason, true));
      assert.equal(before.constructor, AbortedError);
      assert.equal(after.constructor, UnknownOutcomeError);
    }
  });
});
