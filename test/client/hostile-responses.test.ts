/**
 * A slow, endless or foreign server in place of MESH, for calls whose response is small JSON: each call ends in time
 * with an error of this library, in bounded memory, and closes its connection. Downloads are in test/receive.
 */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { MeshError, ProtocolError, UnknownOutcomeError, type Mailbox, type MailboxOptions } from '../../lib/index';
import { fullErrorText, failure } from '../harness/failure';
import { hostileMesh } from '../harness/hostile-mesh';
import { listening } from '../harness/listening';
import { mailboxAt } from '../harness/mailboxes';
import { until } from '../harness/until';

const SECRET = 'MARKpassword';
const quick: Partial<MailboxOptions> = {
  password: SECRET,
  sharedKey: 'MARKkey',
  retry: { attempts: 1 },
  timeouts: { headersMs: 400, bodyMs: 400 },
  maxRequestBytes: 10,
  chunkBytes: 10,
  compression: 'never',
};
const message = { to: 'X26ABC2', workflowId: 'WF' };

/** One call for each way of reading a response: JSON, an error's JSON, and bodies that are only drained. */
const CALLS: Record<string, (mailbox: Mailbox) => Promise<unknown>> = {
  handshake: (mailbox) => mailbox.handshake(),
  'inbox list': (mailbox) => mailbox.listInbox(),
  track: (mailbox) => mailbox.track('MID'),
  acknowledge: (mailbox) => mailbox.acknowledge('MID'),
  send: (mailbox) => mailbox.send({ ...message, payload: 'short' }),
  'send in chunks': (mailbox) => mailbox.send({ ...message, payload: 'more than ten' }),
};

const call = (name: string, mailbox: Mailbox): Promise<unknown> => CALLS[name]?.(mailbox) ?? assert.fail(name);

/** Calls that ignore the body of a success. */
const STATUS_IS_ENOUGH = new Set(['acknowledge', 'handshake']);

/** A server without TLS that writes raw bytes: its open sockets and the number of bytes it has written. */
interface Raw {
  readonly url: string;
  readonly ca: undefined;
  open(): number;
  sent(): number;
}

/** Calls `respond` once for each connection, when the request has arrived; `write` rejects once the client has gone. */
async function rawServer(respond: (write: (piece: string | Buffer) => Promise<void>) => Promise<void>): Promise<Raw> {
  const sockets = new Set<Socket>();
  let sent = 0;
  const server = createServer((socket) => {
    const write = async (piece: string | Buffer): Promise<void> => {
      if (socket.destroyed) throw new Error('closed');
      await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
      sent = Math.max(sent, socket.bytesWritten);
    };
    socket.once('data', () => void respond(write).catch(() => undefined));
  });
  const port = await listening(server, sockets);
  return { url: `http://127.0.0.1:${port}`, ca: undefined, open: () => sockets.size, sent: () => sent };
}

const moment = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 20));

/** Asserts that every call ends with an error of ours without a secret, and that no connection stays open. */
async function assertAllEnd(server: Raw): Promise<void> {
  await Promise.all(
    Object.entries(CALLS).map(async ([name, call]) => {
      const error = await call(mailboxAt(server, quick)).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      // The status of the response is enough; its body does not matter.
      if (error === undefined && STATUS_IS_ENOUGH.has(name)) return;
      assert.ok(error instanceof MeshError, `${name}: ${fullErrorText(error)}`);
      assert.ok(error.advice, name);
      assert.ok(!/MARK|NHSMESH /.test(fullErrorText(error)), `${name}: ${fullErrorText(error)}`);
      assert.ok(fullErrorText(error).length < 50_000, `${name} has too long an error`);
      if (name === 'send')
        assert.ok(error instanceof UnknownOutcomeError || error.code === 'MESH_REJECTED', error.code);
    }),
  );
  await until('every connection to close', () => server.open() === 0, 10_000);
}

const STATUSES = ['200 OK', '202 Accepted', '400 Bad Request', '500 Error'];

describe('a hostile server’s response', () => {
  it('whose headers drip endlessly is given up', async () => {
    const server = await rawServer(async (write) => {
      await write('HTTP/1.1 200 OK\r\n');
      for (let line = 0; ; line += 1) {
        await write(`x-${line}: y\r\n`);
        await moment();
      }
    });
    await assertAllEnd(server);
  });

  for (const [what, line] of [
    ['many', 'x-header: value\r\n'],
    ['one', 'x'.repeat(10_000)],
  ] as const) {
    it(`with endless headers (${what}) is given up after a bounded number of bytes`, async () => {
      const server = await rawServer(async (write) => {
        await write('HTTP/1.1 200 OK\r\n');
        for (;;) await write(line);
      });
      const error = await failure(MeshError, call('handshake', mailboxAt(server, quick)));
      assert.match(error.message, /HEADERS?_OVERFLOW/);
      await assertAllEnd(server);
      assert.ok(server.sent() < 16_000_000, `${server.sent()} bytes of headers were taken`);
    });
  }

  for (const status of STATUSES) {
    it(`${status} whose body drips endlessly is given up`, async () => {
      const server = await rawServer(async (write) => {
        await write(`HTTP/1.1 ${status}\r\ncontent-length: 100000\r\n\r\n`);
        for (;;) {
          await write(' ');
          await moment();
        }
      });
      await assertAllEnd(server);
    });

    it(`${status} with an endless body is given up, in bounded memory`, async () => {
      const before = process.memoryUsage().rss;
      const piece = Buffer.alloc(64 * 1024, ' ');
      const server = await rawServer(async (write) => {
        await write(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: 999999999999\r\n\r\n`);
        for (;;) await write(piece);
      });
      await assertAllEnd(server);
      assert.ok(server.sent() < 64_000_000, `${server.sent()} bytes were taken`);
      const grown = process.memoryUsage().rss - before;
      assert.ok(grown < 400_000_000, `grown by ${grown} bytes`);
    });
  }

  it('that is a zip bomb is not expanded', async () => {
    const bomb = gzipSync(Buffer.alloc(300_000_000, ' '));
    const before = process.memoryUsage().rss;
    for (const status of STATUSES) {
      const server = await rawServer(async (write) => {
        const encoding = 'content-encoding: gzip\r\nconnection: close\r\n';
        await write(`HTTP/1.1 ${status}\r\n${encoding}content-length: ${bomb.length}\r\n\r\n`);
        await write(bomb);
      });
      // Only calls that read the body.
      for (const name of ['inbox list', 'track', 'send'])
        await failure(MeshError, call(name, mailboxAt(server, quick)));
    }
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 150_000_000, `grown by ${grown} bytes`);
  });

  it('that redirects is not followed, whatever its status', async () => {
    const elsewhere = await hostileMesh(() => ({ body: Buffer.from('{"messages":[],"message_id":"X"}') }));
    for (const status of [301, 302, 303, 307, 308]) {
      const location = `${elsewhere.url}/messageexchange/X26ABC1/inbox`;
      const server = await hostileMesh(() => ({ status, headers: { location } }));
      for (const [name, call] of Object.entries(CALLS)) {
        const error = await failure(MeshError, call(mailboxAt(server, quick)));
        assert.equal(error.status, status, name);
        assert.ok(!fullErrorText(error).includes(String(elsewhere.port)), name);
      }
      assert.equal(server.seen.length, Object.keys(CALLS).length, 'one request each');
    }
    assert.deepEqual([elsewhere.seen.length, elsewhere.connections()], [0, 0]);
  });

  it('about another message is refused', async () => {
    const body = '{"message_id":"OTHER","local_id":"other","status":"acknowledged"}';
    const server = await hostileMesh(() => ({ headers: { 'mex-messageid': 'OTHER' }, body: Buffer.from(body) }));
    const mailbox = mailboxAt(server, quick);
    await failure(ProtocolError, mailbox.track('MID'));
    await failure(ProtocolError, mailbox.trackByLocalId('mine'));
    await failure(MeshError, mailbox.head('MID'));
    await failure(MeshError, mailbox.receive('MID'));
    assert.equal((await mailbox.track('other')).messageId, 'OTHER');
    assert.equal((await mailbox.trackByLocalId('OTHER')).messageId, 'OTHER');
    assert.equal(server.count('PUT'), 0);
  });

  it('whose error code, event and id are huge is reported briefly and without control characters', async () => {
    const huge = `\u001b[31m\r\n${'x'.repeat(1_000_000)}`;
    const body = Buffer.from(
      JSON.stringify({ message_id: huge, errorCode: huge, errorEvent: huge, errorDescription: huge }),
    );
    for (const status of [200, 202, 400, 403, 404, 417, 500, 503]) {
      const server = await hostileMesh(() => ({ status, body }));
      for (const name of ['handshake', 'inbox list', 'track', 'send', 'send in chunks']) {
        const error = await failure(MeshError, call(name, mailboxAt(server, quick)));
        if (error.description) assert.ok(error.description.length <= 300);
        const text = [error.message, error.advice, error.meshCode, error.event, error.messageId].join('|');
        // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
        assert.doesNotMatch(text, /[\u0000-\u001f]/, `${status} ${name}`);
        assert.ok(JSON.stringify(error).length < 2000, `${status} ${name}: ${JSON.stringify(error).length}`);
      }
    }
  });

  for (const [what, header] of [
    ['a NUL', 'mex-subject: a\u0000MARK'],
    ['an escape', 'mex-subject: a\u001b[31mMARK'],
    ['a lone carriage return', 'mex-subject: a\rmex-to: MARK'],
    ['a folded line', 'mex-subject: a\r\n MARK'],
    ['a name with a space', 'mex subject: MARK'],
    ['two lengths', 'content-length: 2\r\ncontent-length: 7'],
    ['a length and chunks', 'transfer-encoding: chunked\r\ncontent-length: 7'],
  ] as const) {
    it(`with ${what} in its headers is accepted or refused, without repeating it`, async () => {
      const server = await rawServer(async (write) => {
        await write(`HTTP/1.1 200 OK\r\n${header}\r\nconnection: close\r\n\r\n{}`);
        await moment();
      });
      for (const call of [...Object.values(CALLS), (mailbox: Mailbox) => mailbox.head('MID')]) {
        const error = await call(mailboxAt(server, quick)).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        if (error === undefined) continue;
        assert.ok(error instanceof MeshError, fullErrorText(error));
        assert.doesNotMatch(fullErrorText(error), /MARK/);
      }
    });
  }
});
