/** A server that sends less, more or something else than it says. Nothing of it may pass for a message. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { DownloadError, type Mailbox } from '../../lib/index';
import { emptyFolder } from '../support/cleanup';
import { everythingSaid, failure } from '../support/failure';
import { hostileMesh, type Answer, type HostileMesh } from '../support/hostile-mesh';
import { mailboxAt } from '../support/mailboxes';

const TEXT = Buffer.from('The whole message, of some length, MARKpatient');
const GZIP = gzipSync(TEXT);
const gzip = { 'content-encoding': 'gzip' };
const range = (text: string): Record<string, string> => ({ 'mex-chunk-range': text });
const chunk = (number: number, total: number, more: Answer = {}): Answer => ({
  status: number < total ? 206 : 200,
  body: TEXT,
  ...more,
  headers: { ...range(`${number}:${total}`), ...more.headers },
});

/** Answers chunk n with the n-th answer, or function of the attempt; lists an empty inbox. */
async function serving(
  ...chunks: Array<Answer | ((attempt: number) => Answer)>
): Promise<{ server: HostileMesh; mailbox: Mailbox }> {
  const server = await hostileMesh(({ path }, attempt) => {
    const [, number = '1'] = /\/inbox\/MID(?:\/(\d+))?$/.exec(path) ?? [undefined, undefined];
    if (path.endsWith('/inbox')) return { body: Buffer.from('{"messages":[]}') };
    const answer = chunks[Number(number) - 1] ?? { status: 404 };
    return typeof answer === 'function' ? answer(attempt) : answer;
  });
  return { server, mailbox: mailboxAt(server, { retry: { attempts: 2, baseMs: 1 } }) };
}

const wrongCrc = Buffer.from(GZIP);
wrongCrc[GZIP.length - 6] = (wrongCrc[GZIP.length - 6] ?? 0) ^ 0xff;
const wrongLength = Buffer.from(GZIP);
wrongLength[GZIP.length - 1] = (wrongLength[GZIP.length - 1] ?? 0) ^ 0xff;

const BAD: Record<string, Answer[]> = {
  'a body shorter than its Content-Length, and a break': [
    { headers: { 'content-length': TEXT.length + 10 }, body: TEXT, ending: 'break' },
  ],
  'a chunked body that breaks off': [{ body: TEXT, ending: 'break' }],
  'a gzip shorter than its Content-Length, and a break': [
    { headers: { ...gzip, 'content-length': GZIP.length }, body: GZIP.subarray(0, 30), ending: 'break' },
  ],
  'a gzip that ends too early': [{ headers: gzip, body: GZIP.subarray(0, -1) }],
  'a gzip that ends after its first byte': [{ headers: gzip, body: GZIP.subarray(0, 1) }],
  'an empty body as a gzip': [{ headers: gzip }],
  'a gzip with a wrong checksum': [{ headers: gzip, body: wrongCrc }],
  'a gzip with a wrong length': [{ headers: gzip, body: wrongLength }],
  'a plain body that is said to be gzip': [{ headers: gzip, body: TEXT }],
  'garbage after the gzip': [{ headers: gzip, body: Buffer.concat([GZIP, Buffer.from('garbage')]) }],
  'garbage after the gzip, later': [{ headers: gzip, body: [GZIP, Buffer.from('garbage')] }],
  'zeros after the gzip': [{ headers: gzip, body: Buffer.concat([GZIP, Buffer.alloc(20)]) }],
  'zeros after the gzip, later': [{ headers: gzip, body: [GZIP, Buffer.alloc(20)] }],
  'zeros and another gzip after the gzip': [{ headers: gzip, body: Buffer.concat([GZIP, Buffer.alloc(3), GZIP]) }],
  'a second gzip that is broken': [{ headers: gzip, body: Buffer.concat([GZIP, wrongCrc]) }],
  'an unknown encoding': [{ headers: { 'content-encoding': 'br' }, body: TEXT }],
  'two encodings': [{ headers: { 'content-encoding': 'gzip, gzip' }, body: gzipSync(GZIP) }],
  'no chunk range where more is to follow': [{ status: 206, body: TEXT }],
  'no chunk range at chunk 2': [chunk(1, 2), { status: 200, body: TEXT }],
  'a chunk range that cannot be read': [{ headers: range('one of two'), body: TEXT }],
  'chunk 2 where chunk 1 was asked for': [chunk(2, 2)],
  'chunk 1 where chunk 2 was asked for': [chunk(1, 2), chunk(1, 2)],
  'chunk 3 where chunk 2 was asked for': [chunk(1, 3), chunk(3, 3)],
  'a total that becomes smaller': [chunk(1, 3), chunk(2, 2)],
  'a total that becomes larger': [chunk(1, 2), chunk(2, 3)],
  'status 206 at the last chunk': [chunk(1, 2), chunk(2, 2, { status: 206 })],
  'status 206 at the only chunk': [chunk(1, 1, { status: 206 })],
  'status 200 before the last chunk': [chunk(1, 2, { status: 200 })],
  'status 200 in the middle': [chunk(1, 3), chunk(2, 3, { status: 200 })],
  'a REPORT where chunk 2 was asked for': [chunk(1, 2), { headers: { 'mex-messagetype': 'REPORT' } }],
  'a REPORT with the range of chunk 2': [chunk(1, 2), chunk(2, 2, { headers: { 'mex-messagetype': 'REPORT' } })],
  'a broken gzip in chunk 2': [
    chunk(1, 2, { headers: gzip, body: GZIP }),
    chunk(2, 2, { headers: gzip, body: wrongCrc }),
  ],
};

describe('a hostile server', () => {
  for (const [what, answers] of Object.entries(BAD)) {
    for (const where of ['memory', 'a folder'] as const) {
      it(`${what}: a download error, nothing written (${where}) or acknowledged, and the mailbox goes on`, async () => {
        const { server, mailbox } = await serving(...answers);
        const folder = await emptyFolder();
        const error = await failure(DownloadError, mailbox.receive('MID', where === 'memory' ? {} : { folder }));
        assert.equal(error.messageId, 'MID');
        assert.equal(error.retry, 'safe');
        assert.ok(error.advice);
        assert.match(error.message, /not acknowledged/);
        assert.ok(!everythingSaid(error).includes('MARKpatient'));
        assert.deepEqual(await readdir(folder), []);
        assert.equal(server.count('PUT'), 0);
        // One connection for all: it is not stuck.
        assert.deepEqual(await mailbox.listInbox(), { messageIds: [] });
      });
    }
  }

  it('a body that stops without a break is given up in time', async () => {
    const { server } = await serving({ headers: { 'content-length': 1000 }, body: TEXT, ending: 'hang' });
    const mailbox = mailboxAt(server, { timeouts: { bodyMs: 100 }, retry: { attempts: 1 } });
    await failure(DownloadError, mailbox.receive('MID'));
    await mailbox.listInbox();
  });

  it('more bytes than Content-Length are cut or an error, and are no answer to the next request', async () => {
    const { mailbox } = await serving({ headers: { 'content-length': 10 }, body: TEXT });
    const received = await mailbox.receive('MID').catch((error: unknown) => error as Error);
    if (!(received instanceof Error)) assert.equal(received.bytes, 10);
    assert.deepEqual(await mailbox.listInbox(), { messageIds: [] });
  });

  it('a large body that is not even looked at leaves the one connection free', async () => {
    for (const wrong of [range('2:2'), { 'content-encoding': 'br' }]) {
      const { mailbox } = await serving({ headers: wrong, body: Buffer.alloc(5_000_000) });
      await failure(DownloadError, mailbox.receive('MID'));
      assert.deepEqual(await mailbox.listInbox(), { messageIds: [] });
    }
  });

  it('several gzips one after another are one payload', async () => {
    const other = gzipSync('and more');
    for (const body of [Buffer.concat([GZIP, other]), [GZIP, other], [...GZIP].map((byte) => Buffer.from([byte]))]) {
      const { mailbox } = await serving({ headers: gzip, body });
      const { payload } = await mailbox.receive('MID');
      const expected = Array.isArray(body) && body.length > 2 ? TEXT : Buffer.concat([TEXT, Buffer.from('and more')]);
      assert.equal(payload?.toString(), expected.toString());
    }
  });

  it('the encoding’s name in capitals is the same encoding', async () => {
    const { mailbox } = await serving({ headers: { 'Content-Encoding': 'GZIP' }, body: GZIP });
    assert.equal((await mailbox.receive('MID')).bytes, TEXT.length);
  });

  it('a body that is broken once and then whole is received, from that chunk', async () => {
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

  it('a REPORT with a body is a REPORT without a payload', async () => {
    const { mailbox } = await serving({ headers: { 'mex-messagetype': 'REPORT', 'mex-linkedmsgid': 'L' }, body: TEXT });
    const { message, payload, bytes } = await mailbox.receive('MID');
    assert.equal(message.linkedMessageId, 'L');
    assert.equal(payload, undefined);
    assert.equal(bytes, 0);
  });

  it('ten bad downloads one after another leave the mailbox as good as before', async () => {
    const { mailbox } = await serving({
      headers: { ...gzip, 'content-length': 100_000 },
      body: wrongCrc,
      ending: 'break',
    });
    for (let n = 0; n < 10; n += 1) await failure(DownloadError, mailbox.receive('MID'));
    await mailbox.listInbox();
  });
});
