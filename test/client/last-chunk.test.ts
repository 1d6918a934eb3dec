/** Once the last chunk may have arrived, no error may say that the message was not sent. */
import assert from 'node:assert/strict';
import { AbortedError, ConnectionError, UnknownOutcomeError } from '../../lib/index';
import { failure } from '../harness/failure';
import { mailboxAt, sandbox } from '../harness/mailboxes';

const chunked = {
  to: 'X26ABC2',
  workflowId: 'TEST_WORKFLOW',
  payload: Buffer.alloc(250),
  compression: 'never',
} as const;
const options = { maxRequestBytes: 100, chunkBytes: 100, retry: { attempts: 2, baseMs: 1, capMs: 1 } } as const;

describe('the last chunk of a message', () => {
  for (const [what, effect] of [
    ['is lost after its effect, every time', { kind: 'drop', when: 'after' }],
    ['has status 502 after its effect, every time', { kind: 'status', status: 502, after: true }],
  ] as const) {
    it(`whose response ${what}, has an unknown outcome, and the error has MESH’s id`, async () => {
      const server = await sandbox();
      // The second attempt would get 423, which counts as accepted: so its response is lost, too.
      server.fault({ operation: 'send_chunk', after: 1, times: Infinity, effect });
      const error = await failure(UnknownOutcomeError, mailboxAt(server, options).send(chunked));
      assert.equal(error.retry, 'unsafe');
      const [sent] = server.messages();
      assert.equal(error.messageId, sent?.messageId);
    });
  }

  it('that its caller aborts has an unknown outcome', async () => {
    const server = await sandbox();
    server.fault({ operation: 'send_chunk', after: 1, effect: { kind: 'delay', ms: 2000 } });
    const aborter = new AbortController();
    const mailbox = mailboxAt(server, options);
    const sending = mailbox.send(chunked, {
      signal: aborter.signal,
      onProgress: ({ chunk }) => chunk === 2 && setTimeout(() => aborter.abort(), 200),
    });
    await failure(UnknownOutcomeError, sending);
  });

  it('is the only one with an unknown outcome: MESH never delivers an incomplete message', async () => {
    const server = await sandbox();
    server.fault({ operation: 'send_chunk', times: Infinity, effect: { kind: 'drop', when: 'after' } });
    const error = await failure(ConnectionError, mailboxAt(server, options).send(chunked));
    assert.ok(!(error instanceof AbortedError));
    assert.equal(error.retry, 'safe');
  });
});
