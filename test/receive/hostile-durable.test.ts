/**
 * A durable inbox and the hostile server: nothing of it is stored, delivered or acknowledged, and the next message is.
 */
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { DownloadError, StorageError, TooLargeError } from '../../lib/index';
import { emptyFolder } from '../harness/cleanup';
import { consumer, pollAndWait, type TestConsumer } from '../harness/consumer';
import { hostileMesh, NO_SUCH_MESSAGE, type HostileResponse, type HostileMesh } from '../harness/hostile-mesh';
import { chunkOf, gzip, hostileCases } from './hostile-cases';
import {
  inboxOf,
  noise,
  rowsOf,
  spoolFiles,
  storageIn,
  type InboxOptions,
  type StorageFolder,
} from './durable-support';

/** Without MESH's header of a message. */
const NO_ID = { 'mex-messageid': '' };

/** Lists MID and a good message after it, until they are acknowledged. */
function listing(chunks: readonly HostileResponse[]): Promise<HostileMesh> {
  const left = new Set(['MID', 'GOOD']);
  return hostileMesh(({ method, path }) => {
    const [, id = '', number = '1'] = /\/inbox\/([A-Z]+)(?:\/(\d+))?/.exec(path) ?? [];
    if (method === 'PUT') left.delete(id);
    if (path.endsWith('/inbox')) return { body: Buffer.from(JSON.stringify({ messages: [...left] })) };
    if (method === 'PUT') return {};
    if (id === 'GOOD') return { headers: { 'mex-messagetype': 'DATA' }, body: Buffer.from('good') };
    return chunks[Number(number) - 1] ?? NO_SUCH_MESSAGE;
  });
}

/** Polls twice, and returns the server, the storage and the consumer. */
async function collected(
  chunks: readonly HostileResponse[],
  options: InboxOptions = {},
): Promise<{ server: HostileMesh; storage: StorageFolder; one: TestConsumer }> {
  const server = await listing(chunks);
  const storage = await storageIn(await emptyFolder());
  const one = consumer();
  const inbox = inboxOf(server, storage, { maxDeliveries: 2, ...options });
  inbox.add(one);
  await pollAndWait(inbox, one);
  await pollAndWait(inbox, one);
  await inbox.close();
  return { server, storage, one };
}

async function assertNothingOfIt({ server, storage, one }: Awaited<ReturnType<typeof collected>>): Promise<void> {
  assert.deepEqual(one.ids(), ['GOOD']);
  assert.deepEqual(
    (await rowsOf(server, storage)).map(({ messageId }) => messageId),
    ['GOOD'],
  );
  const acknowledged = server.seen.filter(({ method }) => method === 'PUT').map(({ path }) => path.split('/').at(-3));
  assert.deepEqual(acknowledged, ['GOOD']);
}

describe('the durable inbox and a hostile server', () => {
  // Too large for a row: the payload goes to the spool.
  for (const [what, responses] of Object.entries(hostileCases(noise(70_000)))) {
    it(`${what} is parked after two polls, and the next message is delivered`, async () => {
      const result = await collected(responses);
      await assertNothingOfIt(result);
      assert.deepEqual(
        result.one.parkedMessages.map(({ messageId, error }) => [messageId, error?.code]),
        [['MID', 'MESH_DOWNLOAD']],
      );
      assert.ok(result.one.parkedMessages[0]?.error instanceof DownloadError);
      // A complete chunk may be kept for the next attempt; nothing else is left.
      assert.deepEqual(
        (await spoolFiles(result.storage)).filter((name) => !name.startsWith('part-')),
        [],
      );
    });
  }

  it('a message larger than the limit is parked at once, and its bytes are removed', async () => {
    const result = await collected([{ headers: gzip, body: gzipSync(noise(300_000)) }], { maxExpandedBytes: 200_000 });
    await assertNothingOfIt(result);
    assert.ok(result.one.parkedMessages[0]?.error instanceof TooLargeError);
    assert.equal(result.server.seen.filter(({ path }) => path.endsWith('/MID')).length, 1);
    assert.deepEqual(await spoolFiles(result.storage), []);
  });

  it('a message that does not fit on the disk stays in MESH and is reported, and the next is delivered', async () => {
    const huge = { headers: { 'content-length': 2 ** 52 }, body: noise(100), ending: 'break' } as const;
    const result = await collected([huge], { maxDeliveries: 1 });
    await assertNothingOfIt(result);
    assert.deepEqual(result.one.parkedMessages, []);
    assert.equal(result.one.failures.length, 1);
    assert.ok(result.one.failures[0]?.error instanceof StorageError);
    assert.match(result.one.failures[0]?.error.message ?? '', /not enough disk space for message MID/);
  });

  for (const [what, page] of [
    ...[200, 202, 204, 206, 302, 304, 400, 403, 404, 407, 408, 409, 410, 417, 421, 423, 511].map(
      (status) => [`a page with status ${status}`, { status, headers: NO_ID, body: Buffer.from('<html>') }] as const,
    ),
    ['an error of MESH with status 200', { headers: NO_ID, body: Buffer.from('{"errorCode":"20","errorEvent":"X"}') }],
    ['another message', { headers: { 'mex-messageid': 'OTHER' }, body: Buffer.from('other') }],
    ['an empty body with status 200', { headers: NO_ID }],
  ] as const) {
    for (const chunk of [1, 2]) {
      it(`${what} in place of chunk ${chunk} is neither stored, parked nor acknowledged; then the message is`, async () => {
        let isForeign = true;
        let isListed = true;
        const server = await hostileMesh(({ method, path }) => {
          if (path.endsWith('/inbox')) return { body: Buffer.from(`{"messages":[${isListed ? '"MID"' : ''}]}`) };
          if (method === 'PUT') {
            isListed = false;
            return {};
          }
          const number = path.endsWith('/2') ? 2 : 1;
          if (number === chunk && isForeign) return page;
          return chunkOf(Buffer.from('half'))(number, 2);
        });
        const storage = await storageIn(await emptyFolder());
        const one = consumer();
        const inbox = inboxOf(server, storage, { maxDeliveries: 1 });
        inbox.add(one);
        for (let poll = 1; poll <= 3; poll += 1) {
          await pollAndWait(inbox, one);
          assert.deepEqual([one.ids(), one.parkedMessages, await rowsOf(server, storage)], [[], [], []]);
        }
        assert.equal(server.count('PUT'), 0);
        assert.deepEqual(
          one.failures.map(({ error }) => error.code),
          ['MESH_PROTOCOL'],
        );
        isForeign = false;
        await pollAndWait(inbox, one);
        assert.deepEqual(one.ids(), ['MID']);
        assert.equal(server.count('PUT'), 1);
      });
    }
  }

  for (const status of [200, 202, 204, 302, 404, 410, 417]) {
    it(`a page with status ${status} to the acknowledgement is none: it is repeated until MESH has it`, async () => {
      let pages = 2;
      let isListed = true;
      const server = await hostileMesh(({ method, path }) => {
        if (path.endsWith('/inbox')) return { body: Buffer.from(`{"messages":[${isListed ? '"MID"' : ''}]}`) };
        if (method !== 'PUT') return { body: Buffer.from('good') };
        pages -= 1;
        if (pages >= 0) return { status, body: Buffer.from('<html>') };
        isListed = false;
        return {};
      });
      const storage = await storageIn(await emptyFolder());
      const one = consumer();
      const inbox = inboxOf(server, storage);
      inbox.add(one);
      await pollAndWait(inbox, one);
      assert.equal((await rowsOf(server, storage))[0]?.acknowledgedAt, null);
      for (let poll = 0; poll < 3; poll += 1) await pollAndWait(inbox, one);
      assert.notEqual((await rowsOf(server, storage))[0]?.acknowledgedAt, null);
      assert.deepEqual([server.count('PUT'), one.ids()], [3, ['MID']]);
    });
  }
});
