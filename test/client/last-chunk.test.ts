/** Once the last chunk may have arrived, nobody may say that the message was not sent. */
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
    ['is dropped after its effect, every time', { kind: 'drop', when: 'after' }],
    ['gets status 502 after its effect, every time', { kind: 'status', status: 502, after: true }],
  ] as const) {
    it(`whose answer ${what}: the outcome is unknown, and the error has MESH’s id`, async () => {
      const server = await sandbox();
      // 423 would be the answer to the second attempt, and that is good news: so that one is lost, too.
      server.fault({ operation: 'send_chunk', after: 1, times: Infinity, effect });
      const error = await failure(UnknownOutcomeError, mailboxAt(server, options).send(chunked));
      assert.equal(error.retry, 'unsafe');
      const [sent] = server.messages();
      assert.equal(error.messageId, sent?.messageId);
    });
  }

  it('that is broken off by its caller: the outcome is unknown', async () => {
    const server = await sandbox();
    server.fault({ operation: 'send_chunk', after: 1, effect: { kind: 'delay', ms: 2000 } });
    const ending = new AbortController();
    const mailbox = mailboxAt(server, options);
    const sending = mailbox.send(chunked, {
      signal: ending.signal,
      onProgress: ({ chunk }) => chunk === 2 && setTimeout(() => ending.abort(), 200),
    });
    await failure(UnknownOutcomeError, sending);
  });

  it('but a chunk before it that fails is no unknown outcome: MESH never delivers an orphan', async () => {
    const server = await sandbox();
    server.fault({ operation: 'send_chunk', times: Infinity, effect: { kind: 'drop', when: 'after' } });
    const error = await failure(ConnectionError, mailboxAt(server, options).send(chunked));
    assert.ok(!(error instanceof AbortedError));
    assert.equal(error.retry, 'safe');
  });
});
