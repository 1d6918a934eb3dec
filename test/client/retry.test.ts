/** Which requests are repeated, and which never are (docs/design.md, rule 1; docs/mesh.md, Sending). */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { withRetry } from '../../lib/client/retry';
import {
  AbortedError,
  ConnectionError,
  GoneError,
  MessageCompleteError,
  StorageError,
  UnavailableError,
  UnknownOutcomeError,
  type Mailbox,
} from '../../lib/index';
import type { Sandbox, SandboxFaultEffect } from '../../lib/sandbox/index';
import { emptyFolder } from '../harness/cleanup';
import { listening } from '../harness/listening';
import { failure } from '../harness/failure';
import { hostileMesh } from '../harness/hostile-mesh';
import { mailboxAt, operations, sandbox } from '../harness/mailboxes';

const MESSAGE = { to: 'X26ABC2', workflowId: 'WF', payload: 'four' } as const;
const REFUSALS = [425, 429, 503];
const BREAKDOWNS = [500, 502, 504];

const status = (code: number, after = false): SandboxFaultEffect => ({ kind: 'status', status: code, after });

/** Accepted messages at the sandbox. */
const accepted = (server: Sandbox): number => server.messages().filter((one) => one.status === 'accepted').length;

describe('the retry policy', () => {
  const policy = { attempts: 4, baseMs: 4, capMs: 6 };

  it('returns a result at once', async () => {
    assert.equal(await withRetry(policy, undefined, async (number) => number), 1);
  });

  it('counts its attempts and throws the last error', async () => {
    const numbers: number[] = [];
    const error = await failure(
      UnavailableError,
      withRetry(policy, undefined, async (number) => {
        numbers.push(number);
        throw new UnavailableError(`no ${number}`);
      }),
    );
    assert.deepEqual(numbers, [1, 2, 3, 4]);
    assert.equal(error.message, 'no 4');
  });

  for (const [what, error] of [
    ['never', new GoneError('x')],
    ['unsafe', new UnknownOutcomeError('x')],
    ['not one of ours', new Error('x')],
    ['an abort', new AbortedError('x')],
    ['a storage error', new StorageError('x')],
  ] as const) {
    it(`makes no further attempt after an error that is ${what}`, async () => {
      let attempts = 0;
      await failure(
        Error,
        withRetry(policy, undefined, async () => {
          attempts += 1;
          throw error;
        }),
      );
      assert.equal(attempts, 1);
    });
  }

  it('never waits longer than its cap', async () => {
    const began = Date.now();
    const many = withRetry({ attempts: 20, baseMs: 10_000, capMs: 5 }, undefined, async () => {
      throw new UnavailableError('x');
    });
    await failure(UnavailableError, many);
    assert.ok(Date.now() - began < 2000);
  });
});

describe('a request that MESH cannot process at the moment', () => {
  for (const code of [...REFUSALS, ...BREAKDOWNS]) {
    it(`succeeds after a ${code}`, async () => {
      const server = await sandbox();
      server.fault({ operation: 'list_messages', times: 2, effect: status(code) });
      assert.deepEqual((await mailboxAt(server).listInbox()).messageIds, []);
      assert.equal(operations(server).length, 3);
    });

    it(`fails with status ${code} if every attempt gets it`, async () => {
      const server = await sandbox();
      server.fault({ operation: 'list_messages', times: Infinity, effect: status(code) });
      const error = await failure(UnavailableError, mailboxAt(server).listInbox());
      assert.equal(error.status, code);
      assert.equal(error.retry, 'safe');
      assert.equal(operations(server).length, 3);
    });
  }

  it('waits for a Retry-After in seconds', async () => {
    const server = await sandbox();
    const effect = { kind: 'status', status: 429, headers: { 'Retry-After': '1' } } as const;
    server.fault({ operation: 'list_messages', effect });
    const began = Date.now();
    await mailboxAt(server).listInbox();
    assert.ok(Date.now() - began >= 990, `${Date.now() - began} ms`);
  });

  it('reads a Retry-After that is a date', async () => {
    const server = await sandbox();
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    server.fault({
      operation: 'list_messages',
      effect: { kind: 'status', status: 503, headers: { 'Retry-After': date } },
    });
    const error = await failure(UnavailableError, mailboxAt(server).listInbox());
    assert.ok(Math.abs((error.retryAfterMs ?? 0) - 3_600_000) < 5000);
  });

  it('counts a Retry-After that is a date from the server’s time, however this machine’s clock is set', async () => {
    const server = await sandbox();
    const date = new Date(Date.now() - 8 * 3_600_000).toUTCString();
    const later = new Date(Date.parse(date) + 3_600_000).toUTCString();
    const headers = { Date: date, 'Retry-After': later };
    server.fault({ operation: 'list_messages', effect: { kind: 'status', status: 503, headers } });
    const error = await failure(UnavailableError, mailboxAt(server).listInbox());
    assert.equal(error.retryAfterMs, 3_600_000);
  });

  it('fails at once if Retry-After is too long to wait for', async () => {
    const server = await sandbox();
    const effect = { kind: 'status', status: 429, headers: { 'Retry-After': '3600' } } as const;
    server.fault({ operation: 'list_messages', effect });
    const error = await failure(UnavailableError, mailboxAt(server).listInbox());
    assert.equal(error.retryAfterMs, 3_600_000);
    assert.equal(operations(server).length, 1);
  });

  for (const nonsense of ['soon', '-5', '1e999']) {
    it(`is tried again after a Retry-After of "${nonsense}"`, async () => {
      const server = await sandbox();
      const effect = { kind: 'status', status: 429, headers: { 'Retry-After': nonsense } } as const;
      server.fault({ operation: 'list_messages', effect });
      await mailboxAt(server).listInbox();
    });
  }

  it('is made again on a new connection when the old one breaks', async () => {
    const server = await sandbox();
    server.fault({ operation: 'list_messages', effect: { kind: 'drop', when: 'before' } });
    server.fault({ operation: 'list_messages', effect: { kind: 'drop', when: 'after' } });
    await mailboxAt(server).listInbox();
    assert.equal(operations(server).length, 3);
  });

  it('is made again if the response to its acknowledgement is lost', async () => {
    const server = await sandbox();
    const { messageId } = await mailboxAt(server).send(MESSAGE);
    server.fault({ operation: 'acknowledge_message', effect: { kind: 'drop', when: 'after' } });
    await mailboxAt(server, { mailboxId: 'X26ABC2' }).acknowledge(messageId);
    assert.equal(server.messages()[0]?.status, 'acknowledged');
  });
});

describe('the POST of a whole message', () => {
  for (const code of REFUSALS) {
    it(`is made again after a ${code}, and the message arrives once`, async () => {
      const server = await sandbox();
      server.fault({ operation: 'send_message', effect: status(code) });
      await mailboxAt(server).send(MESSAGE);
      assert.equal(accepted(server), 1);
      assert.equal(operations(server).length, 2);
    });
  }

  const lost: Array<[what: string, effect: SandboxFaultEffect]> = [
    ...BREAKDOWNS.map((code): [string, SandboxFaultEffect] => [`a ${code} after the effect`, status(code, true)]),
    ['a break after the effect', { kind: 'drop', when: 'after' }],
    ['a response that breaks off', { kind: 'truncate', bytes: 3 }],
    ['a 599 after the effect', status(599, true)],
  ];
  for (const [what, effect] of lost) {
    it(`is not made again after ${what}: one request, one message, and an unknown outcome`, async () => {
      const server = await sandbox();
      server.fault({ operation: 'send_message', effect });
      const error = await failure(UnknownOutcomeError, mailboxAt(server).send(MESSAGE));
      assert.equal(error.retry, 'unsafe');
      assert.equal(error.operation, 'send_message');
      assert.match(error.advice ?? '', /Do not resend it blindly/);
      assert.equal(accepted(server), 1);
      assert.equal(operations(server).length, 1);
    });
  }

  it('is not made again when the response does not come in time', async () => {
    const server = await hostileMesh(() => 'hang');
    const mailbox = mailboxAt(server, { timeouts: { headersMs: 100 } });
    await failure(UnknownOutcomeError, mailbox.send(MESSAGE));
    assert.equal(server.seen.length, 1);
  });

  for (const [what, bytes] of [
    ['no TLS at all', Buffer.from('HTTP/1.1 502 Bad Gateway\r\n\r\n')],
    ['a TLS record that cannot be decrypted', Buffer.concat([Buffer.from('1703030040', 'hex'), Buffer.alloc(64, 7)])],
  ] as const) {
    it(`is not made again when ${what} arrives after the message was sent`, async () => {
      const server = await hostileMesh(() => 'hang');
      const relay = await relayTo(server.port);
      const mailbox = mailboxAt({ url: `https://127.0.0.1:${relay.port}`, ca: server.ca });
      const sending = failure(UnknownOutcomeError, mailbox.send(MESSAGE));
      while (server.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      relay.inject(bytes);
      await sending;
      assert.equal(server.seen.length, 1);
    });
  }

  it('is made again if MESH cannot have received all of it', async () => {
    const server = await sandbox();
    const file = join(await emptyFolder(), 'large');
    await writeFile(file, Buffer.alloc(30_000_000, 'x'));
    server.fault({ operation: 'send_message', effect: { kind: 'drop', when: 'before' } });
    await mailboxAt(server, { compression: 'never' }).send({ ...MESSAGE, payload: { file } });
    assert.equal(accepted(server), 1);
    assert.equal(operations(server).length, 2);
  });

  it('is made again if there was no connection', async () => {
    const error = await failure(ConnectionError, mailboxAt({ url: 'http://127.0.0.1:1', ca: undefined }).send(MESSAGE));
    assert.equal(error.retry, 'safe');
  });

  it('is not made again after a permanent refusal', async () => {
    const server = await sandbox();
    server.fault({ operation: 'send_message', effect: status(400) });
    await failure(Error, mailboxAt(server).send(MESSAGE));
    assert.equal(operations(server).length, 1);
    assert.equal(server.messages().length, 0);
  });
});

describe('the POST of a chunk', () => {
  let server: Sandbox;
  let mailbox: Mailbox;
  beforeEach(async () => {
    server = await sandbox();
    mailbox = mailboxAt(server, { maxRequestBytes: 2, chunkBytes: 2 });
  });
  const SIX = { ...MESSAGE, payload: 'sixsix' };

  /** Asserts that one complete message has arrived. */
  async function assertArrived(): Promise<void> {
    const receiver = mailboxAt(server, { mailboxId: 'X26ABC2' });
    const { messageIds } = await receiver.listInbox();
    assert.equal(messageIds.length, 1);
    const { payload, message } = await receiver.receive(messageIds[0] ?? '');
    assert.equal(payload?.toString(), 'sixsix');
    assert.equal(message.totalChunks, 3);
  }

  const losses: Array<[string, SandboxFaultEffect]> = [
    ['429', status(429)],
    ['502 before the effect', status(502)],
    ['504 after the effect', status(504, true)],
    ['break before the effect', { kind: 'drop', when: 'before' }],
    ['break after the effect', { kind: 'drop', when: 'after' }],
  ];
  for (const [what, effect] of losses) {
    it(`the first of several is made again after a ${what}, and the orphan is never delivered`, async () => {
      server.fault({ operation: 'send_message', effect });
      await mailbox.send(SIX);
      assert.equal(accepted(server), 1);
      await assertArrived();
    });

    for (const [which, after] of [
      ['one in the middle', 0],
      ['the last', 1],
    ] as const) {
      it(`${which} is made again after a ${what}`, async () => {
        server.fault({ operation: 'send_chunk', after, effect });
        await mailbox.send(SIX);
        assert.equal(operations(server, 'send_message').length, 1);
        assert.equal(operations(server, 'send_chunk').length, 3);
        await assertArrived();
      });
    }
  }

  it('the last, whose response was lost, gets 423 and counts as accepted: it had arrived', async () => {
    server.fault({ operation: 'send_chunk', after: 1, effect: { kind: 'drop', when: 'after' } });
    assert.equal((await mailbox.send(SIX)).chunks, 3);
    assert.deepEqual(
      server.requests().map((request) => request.status),
      [202, 202, 0, 423],
    );
    await assertArrived();
  });

  it('the last fails if its first attempt gets 423', async () => {
    server.fault({ operation: 'send_chunk', after: 1, effect: status(423) });
    const error = await failure(MessageCompleteError, mailbox.send(SIX));
    assert.equal(error.status, 423);
    assert.equal(operations(server, 'send_chunk').length, 2);
  });

  it('one in the middle fails if it gets 423, even at a later attempt', async () => {
    server.fault({ operation: 'send_chunk', effect: { kind: 'drop', when: 'after' } });
    server.fault({ operation: 'send_chunk', effect: status(423) });
    await failure(MessageCompleteError, mailbox.send(SIX));
  });
});

/** Starts a relay; `inject` sends bytes of its own to the client. */
async function relayTo(port: number): Promise<{ port: number; inject: (bytes: Buffer) => void }> {
  const sockets = new Set<Socket>();
  const clients: Socket[] = [];
  const server = createServer((client) => {
    const target = connect(port, '127.0.0.1');
    client.pipe(target).pipe(client);
    sockets.add(target.on('error', () => undefined));
    clients.push(client);
  });
  return {
    port: await listening(server, sockets),
    inject: (bytes) => clients.forEach((client) => client.write(bytes)),
  };
}
