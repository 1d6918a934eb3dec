/** A server that sends less than it declares, or more, or something else: none of it may pass for a message. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { DownloadError, TooLargeError, type Mailbox, type MailboxOptions } from '../../lib/index';
import { MeshClient } from '../../lib/client/client';
import { createTransport } from '../../lib/client/transport';
import { readMailboxOptions } from '../../lib/config';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { fullErrorText, failure } from '../harness/failure';
import { hostileMesh, NO_SUCH_MESSAGE, type HostileResponse, type HostileMesh } from '../harness/hostile-mesh';
import { mailboxAt } from '../harness/mailboxes';
import { chunkOf, gzip, hostileCases, range, spoilt } from './hostile-cases';

const TEXT = Buffer.from('The whole message, of some length, MARKpatient');
const GZIP = gzipSync(TEXT);
const wrongCrc = spoilt(GZIP, 6);
const chunk = chunkOf(TEXT);
const RATIO = /raise “Maximum expansion” \(maxExpansionRatio, 0 for no such limit\)/;

/** Responds to chunk n with the n-th entry, or with its function of the attempt; lists an empty inbox. */
async function serving(
  ...chunks: Array<HostileResponse | ((attempt: number) => HostileResponse)>
): ReturnType<typeof servingTo> {
  return servingTo({}, ...chunks);
}

async function servingTo(
  options: Partial<MailboxOptions>,
  ...chunks: Array<HostileResponse | ((attempt: number) => HostileResponse)>
): Promise<{ server: HostileMesh; mailbox: Mailbox }> {
  const server = await hostileMesh(({ path }, attempt) => {
    const [, number = '1'] = /\/inbox\/MID(?:\/(\d+))?$/.exec(path) ?? [undefined, undefined];
    if (path.endsWith('/inbox')) return { body: Buffer.from('{"messages":[]}') };
    const response = chunks[Number(number) - 1] ?? NO_SUCH_MESSAGE;
    return typeof response === 'function' ? response(attempt) : response;
  });
  return { server, mailbox: mailboxAt(server, { retry: { attempts: 2, baseMs: 1 }, ...options }) };
}

/** The client alone: the test reads the body at its own pace. */
function clientAt({ url, ca }: HostileMesh, bodyMs: number): MeshClient {
  const timeouts = { bodyMs };
  const login = { mailboxId: 'X26ABC1', password: 'password', sharedKey: 'TestKey' };
  const config = readMailboxOptions({ environment: url, ...login, tls: { ca }, timeouts, retry: { attempts: 1 } });
  const transport = createTransport(config);
  afterThisTest(() => transport.close());
  return new MeshClient(config, transport);
}

describe('a hostile server', () => {
  for (const [what, responses] of Object.entries(hostileCases(TEXT))) {
    for (const where of ['memory', 'a folder'] as const) {
      it(`${what} is a download error: nothing is written (${where}) or acknowledged; the mailbox works`, async () => {
        const { server, mailbox } = await serving(...responses);
        const folder = await emptyFolder();
        const error = await failure(DownloadError, mailbox.receive('MID', where === 'memory' ? {} : { folder }));
        assert.equal(error.messageId, 'MID');
        assert.equal(error.retry, 'safe');
        assert.ok(error.advice);
        assert.match(error.message, /(not|nor) acknowledged/);
        assert.ok(!fullErrorText(error).includes('MARKpatient'));
        assert.deepEqual(await readdir(folder), []);
        assert.equal(server.count('PUT'), 0);
        // The only connection is not stuck.
        assert.deepEqual(await mailbox.listInbox(), { messageIds: [] });
      });
    }
  }

  it('a body that stalls is given up in time', async () => {
    const { server } = await serving({ headers: { 'content-length': 1000 }, body: TEXT, ending: 'hang' });
    const mailbox = mailboxAt(server, { timeouts: { bodyMs: 100 }, retry: { attempts: 1 } });
    await failure(DownloadError, mailbox.receive('MID'));
    await mailbox.listInbox();
  });

  it('a body that drips is given up, and its connection is released', async () => {
    const drops = Array.from({ length: 10_000 }, () => Buffer.from('x'));
    const { server } = await serving({ headers: { 'content-length': 10_000 }, body: drops, every: 20 });
    const mailbox = mailboxAt(server, { timeouts: { bodyMs: 400 }, retry: { attempts: 1 } });
    const error = await failure(DownloadError, mailbox.receive('MID'));
    assert.match(error.message, /too slow/);
    assert.deepEqual(await mailbox.listInbox(), { messageIds: [] });
  });

  it('a slow reader is not taken for a slow sender: a body that waits to be read is not given up', async () => {
    const body = randomBytes(6_000_000);
    const { server } = await serving({ headers: { 'content-length': body.length }, body });
    const client = clientAt(server, 100);
    let bytes = 0;
    await client.download('MID', 1, async (download) => {
      for await (const pieces of download.body) {
        for (const piece of pieces) bytes += piece.length;
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    });
    assert.equal(bytes, body.length);
  });

  for (const where of ['memory', 'a folder'] as const) {
    it(`an endless body is too large: memory stays bounded and nothing is left (${where})`, async () => {
      const limit = 50_000_000;
      const piece = Buffer.alloc(1_000_000, 'x');
      const { server, mailbox } = await servingTo(
        { maxExpandedBytes: limit, maxBufferBytes: limit * 2 },
        { body: Array.from({ length: 2000 }, () => piece), every: 0 },
      );
      const folder = await emptyFolder();
      const before = process.memoryUsage().rss;
      await failure(TooLargeError, mailbox.receive('MID', where === 'memory' ? {} : { folder }));
      const grown = process.memoryUsage().rss - before;
      assert.ok(grown < limit * 6, `grown by ${grown} bytes`);
      assert.deepEqual(await readdir(folder), []);
      assert.equal(server.count('PUT'), 0);
    });
  }

  it('a body that arrives faster than it is read waits at the sender', async () => {
    const piece = Buffer.alloc(1_000_000, 'x');
    let written = 0;
    const { server } = await serving({
      body: Array.from({ length: 200 }, () => piece),
      every: 0,
      onWritten: (bytes) => (written += bytes),
    });
    const client = clientAt(server, 60_000);
    await failure(
      DownloadError,
      client.download('MID', 1, async (download) => {
        // Read nothing until the sender can write no more.
        for (let last = -1; last !== written;) {
          last = written;
          await new Promise((resolve) => setTimeout(resolve, 300));
        }
        download.body.cancel(new DownloadError('enough', {}));
        for await (const pieces of download.body) void pieces;
      }),
    );
    assert.ok(written < 50_000_000, `${written} bytes were taken`);
  });

  it('bytes beyond Content-Length are cut off or an error, never the response to the next request', async () => {
    const { mailbox } = await serving({ headers: { 'content-length': 10 }, body: TEXT });
    const received = await mailbox.receive('MID').catch((error: unknown) => error as Error);
    if (!(received instanceof Error)) assert.equal(received.bytes, 10);
    assert.deepEqual(await mailbox.listInbox(), { messageIds: [] });
  });

  it('a large body that is never read leaves the only connection free', async () => {
    for (const wrong of [range('2:2'), { 'content-encoding': 'br' }]) {
      const { mailbox } = await serving({ headers: wrong, body: Buffer.alloc(5_000_000) });
      await failure(DownloadError, mailbox.receive('MID'));
      assert.deepEqual(await mailbox.listInbox(), { messageIds: [] });
    }
  });

  it('several gzip members in a row are one payload', async () => {
    const other = gzipSync('and more');
    for (const body of [Buffer.concat([GZIP, other]), [GZIP, other], [...GZIP].map((byte) => Buffer.from([byte]))]) {
      const { mailbox } = await serving({ headers: gzip, body });
      const { payload } = await mailbox.receive('MID');
      const expected = Array.isArray(body) && body.length > 2 ? TEXT : Buffer.concat([TEXT, Buffer.from('and more')]);
      assert.equal(payload?.toString(), expected.toString());
    }
  });

  it('an encoding named in capitals is the same encoding', async () => {
    const { mailbox } = await serving({ headers: { 'Content-Encoding': 'GZIP' }, body: GZIP });
    assert.equal((await mailbox.receive('MID')).bytes, TEXT.length);
  });

  it('a body that breaks once is received from that chunk on', async () => {
    const whole = randomBytes(300_000);
    const { server, mailbox } = await serving(chunk(1, 2), (attempt) =>
      attempt === 1
        ? chunk(2, 2, {
            headers: { 'content-length': whole.length },
            body: whole.subarray(0, 200_000),
            ending: 'break',
          })
        : chunk(2, 2, { body: whole }),
    );
    const { sha256, bytes } = await mailbox.receive('MID', { folder: await emptyFolder() });
    assert.equal(bytes, TEXT.length + whole.length);
    assert.equal(sha256, createHash('sha256').update(TEXT).update(whole).digest('hex'));
    assert.deepEqual(
      server.seen.map((request) => request.path.split('/inbox/')[1]),
      ['MID', 'MID/2', 'MID/2'],
    );
  });

  it('a broken chunk is downloaded again at once, even while the next one hangs', async () => {
    const server = await hostileMesh(({ path }, attempt) => {
      if (path.endsWith('/2')) return attempt === 1 ? 'hang' : chunk(2, 2);
      return chunk(1, 2, { headers: gzip, body: attempt === 1 ? GZIP.subarray(0, -1) : GZIP });
    });
    const { payload } = await mailboxAt(server, { retry: { attempts: 2, baseMs: 1 } }).receive('MID');
    assert.equal(payload?.toString(), TEXT.toString().repeat(2));
  });

  it('a REPORT with a body is a REPORT without a payload', async () => {
    const { mailbox } = await serving({ headers: { 'mex-messagetype': 'REPORT', 'mex-linkedmsgid': 'L' }, body: TEXT });
    const { message, payload, bytes } = await mailbox.receive('MID');
    assert.equal(message.linkedMessageId, 'L');
    assert.equal(payload, undefined);
    assert.equal(bytes, 0);
  });

  it('ten bad downloads in a row leave the mailbox usable', async () => {
    const { mailbox } = await serving({
      headers: { ...gzip, 'content-length': 100_000 },
      body: wrongCrc,
      ending: 'break',
    });
    for (let n = 0; n < 10; n += 1) await failure(DownloadError, mailbox.receive('MID'));
    await mailbox.listInbox();
  });

  for (const [what, maxExpandedBytes, body, setting] of [
    [
      'a payload larger than the limit',
      1000,
      gzipSync(randomBytes(1001)),
      /raise “Maximum received” \(maxExpandedBytes\)/,
    ],
    ['a chunk that expands absurdly, long before the limit', 20_000_000, gzipSync(Buffer.alloc(5_000_000)), RATIO],
    ['a message that expands absurdly beyond 64 MiB', 200_000_000_000, gzipSync(Buffer.alloc(70_000_000)), RATIO],
  ] as const) {
    it(`${what} is too large: nothing is written, acknowledged or tried again`, async () => {
      const { server, mailbox } = await servingTo({ maxExpandedBytes }, { headers: gzip, body });
      const folder = await emptyFolder();
      const error = await failure(TooLargeError, mailbox.receive('MID', { folder }));
      assert.equal(error.retry, 'never');
      assert.match(error.advice ?? '', setting);
      assert.deepEqual(await readdir(folder), []);
      assert.deepEqual([server.count('PUT'), server.count('GET')], [0, 1]);
      assert.deepEqual(await mailbox.listInbox(), { messageIds: [] });
    });
  }

  it('a payload may expand as far as maxExpansionRatio says, and without limit if it is 0', async () => {
    const bytes = 5_000_000;
    const padded = { headers: gzip, body: gzipSync(Buffer.alloc(bytes, ' ')) };
    const rules = { maxExpandedBytes: 20_000_000 };
    const ratio = bytes / padded.body.length;
    for (const maxExpansionRatio of [Math.ceil(ratio), 0]) {
      const { mailbox } = await servingTo({ ...rules, maxExpansionRatio }, padded);
      assert.equal((await mailbox.receive('MID')).bytes, bytes);
    }
    const { mailbox } = await servingTo({ ...rules, maxExpansionRatio: ratio / 2 }, padded);
    await failure(TooLargeError, mailbox.receive('MID'));
    const small = await servingTo({ maxExpandedBytes: bytes - 1, maxExpansionRatio: 0 }, padded);
    await failure(TooLargeError, small.mailbox.receive('MID'));
  });

  it('chunks that expand absurdly together are too large, though none of them is', async () => {
    const part = { headers: gzip, body: gzipSync(Buffer.alloc(600_000)) };
    const rules = { maxExpandedBytes: 20_000_000 };
    const { mailbox } = await servingTo(rules, chunk(1, 3, part), chunk(2, 3, part), chunk(3, 3, part));
    await failure(TooLargeError, mailbox.receive('MID'));
    const real = { headers: gzip, body: gzipSync(randomBytes(600_000)) };
    const other = await servingTo(rules, chunk(1, 3, real), chunk(2, 3, real), chunk(3, 3, real));
    assert.equal((await other.mailbox.receive('MID')).bytes, 1_800_000);
  });

  it('a plain payload larger than the limit is too large', async () => {
    const { mailbox } = await servingTo({ maxExpandedBytes: TEXT.length * 2 - 1 }, chunk(1, 2), chunk(2, 2));
    await failure(TooLargeError, mailbox.receive('MID'));
  });

  it('a checksum that matches, has an unknown algorithm or is not to be verified is accepted', async () => {
    const fits = [createHash('md5').update(TEXT).digest('hex'), 'sha1-x', 'a note', '12345', 'SHA-256 abcdef'];
    for (const value of fits) {
      const { mailbox } = await serving({ headers: { 'mex-content-checksum': value }, body: TEXT });
      assert.equal((await mailbox.receive('MID')).bytes, TEXT.length);
    }
    const wrong = { headers: { 'mex-content-checksum': '0'.repeat(32) }, body: TEXT };
    const { mailbox } = await servingTo({ checkChecksum: false }, wrong);
    assert.equal((await mailbox.receive('MID')).bytes, TEXT.length);
  });
});
