/** Messages that fail again and again: the others go on first, the repeats thin out, and one error says so. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { toMeshError } from '../../lib/receive/inbox-rules';
import { emptyFolder } from '../harness/cleanup';
import { consumer, pollAndWait } from '../harness/consumer';
import { hostileMesh, NO_SUCH_MESSAGE, type HostileMesh, type HostileResponse } from '../harness/hostile-mesh';
import { inboxOf, storageIn } from './durable-support';
import { chunkOf, gzip, spoilt } from './hostile-cases';

const GZIP = gzipSync(Buffer.from('a letter of some length'));
const BROKEN: HostileResponse = { headers: gzip, body: spoilt(GZIP, 6) };
const GONE: HostileResponse = {
  status: 410,
  body: Buffer.from('{"detail":[{"event":"SEND","code":"Message already accepted","msg":"gone"}]}'),
};
const UNAVAILABLE: HostileResponse = { status: 500 };

/** Lists BAD and, unless they are acknowledged, the good messages after it; BAD gets `respond` for each request. */
async function listing(
  respond: (chunk: number, attempt: number) => HostileResponse,
  good = ['GOOD1', 'GOOD2'],
): Promise<HostileMesh> {
  const left = new Set(['BAD', ...good]);
  return hostileMesh(({ method, path }, attempt) => {
    const [, id = '', chunk = '1'] = /\/inbox\/(\w+)(?:\/(\d+))?/.exec(path) ?? [];
    if (path.endsWith('/inbox')) return { body: Buffer.from(JSON.stringify({ messages: [...left] })) };
    if (method === 'PUT') {
      left.delete(id);
      return {};
    }
    return id === 'BAD' ? respond(Number(chunk), attempt) : { body: Buffer.from('good') };
  });
}

const fetches = (server: HostileMesh): number =>
  server.seen.filter(({ method, path }) => method === 'GET' && path.endsWith('/BAD')).length;

describe('what the operating system refuses', () => {
  it('is never the message’s fault: it is tried again, and no path is told', async () => {
    const thrown: unknown = await readdir('/no such folder/9997877896').catch((error: unknown) => error);
    const error = toMeshError(thrown, 'M1');
    assert.deepEqual([error.code, error.retry, error.messageId], ['MESH_STORAGE', 'safe', 'M1']);
    assert.match(error.message, /ENOENT \(scandir\)/);
    assert.doesNotMatch(error.message, /9997877896/);
    assert.equal(toMeshError(new TypeError('x'), 'M1').retry, 'never');
  });
});

describe('a message that fails again and again', () => {
  it('with a broken body is fetched twice in a poll, and a poll later only after the others', async () => {
    const server = await listing(() => BROKEN, []);
    const one = consumer();
    const inbox = inboxOf(server, await storageIn(await emptyFolder()), { attempts: 5 });
    inbox.add(one);
    await pollAndWait(inbox, one);
    assert.equal(fetches(server), 2);
    const late = await listing(() => BROKEN, ['GOOD1', 'GOOD2', 'GOOD3']);
    const other = consumer();
    const second = inboxOf(late, await storageIn(await emptyFolder()), { attempts: 5, meshAcknowledge: 'when-done' });
    second.add(other);
    await pollAndWait(second, other);
    assert.deepEqual(other.ids(), ['GOOD1', 'GOOD2', 'GOOD3']);
  });

  it('is tried after the new messages of a later poll', async () => {
    const left = ['BAD'];
    const server = await hostileMesh(({ method, path }) => {
      const [, id = ''] = /\/inbox\/(\w+)/.exec(path) ?? [];
      if (path.endsWith('/inbox')) return { body: Buffer.from(JSON.stringify({ messages: left })) };
      if (method === 'PUT') return {};
      return id === 'BAD' ? BROKEN : { body: Buffer.from('good') };
    });
    const one = consumer();
    const inbox = inboxOf(server, await storageIn(await emptyFolder()));
    inbox.add(one);
    await pollAndWait(inbox, one);
    left.push('NEW1', 'NEW2');
    await pollAndWait(inbox, one);
    const order = server.seen.filter(({ method }) => method === 'GET').map(({ path }) => path.split('/').at(-1));
    assert.deepEqual(order, ['inbox', 'BAD', 'inbox', 'NEW1', 'NEW2', 'BAD']);
  });

  for (const [what, respond] of [
    ['a broken body', () => BROKEN],
    ['a first chunk that is gone', () => GONE],
    ['a second chunk that is gone', (chunk: number) => (chunk === 1 ? chunkOf(Buffer.from('half'))(1, 2) : GONE)],
    ['a second chunk that MESH does not have', (n: number) => (n === 1 ? chunkOf(GZIP)(1, 2) : NO_SUCH_MESSAGE)],
    ['a status 500', () => UNAVAILABLE],
    ['a page in its place', () => ({ headers: { 'mex-messageid': '' }, body: Buffer.from('<html>') })],
  ] as const) {
    it(`(${what}) raises one error, is tried more and more rarely, and the others arrive`, async () => {
      const server = await listing(respond);
      const one = consumer();
      const inbox = inboxOf(server, await storageIn(await emptyFolder()), { maxDeliveries: 100 });
      inbox.add(one);
      const polls = 40;
      for (let poll = 0; poll < polls; poll += 1) await pollAndWait(inbox, one);
      assert.deepEqual(one.ids(), ['GOOD1', 'GOOD2']);
      const ofBad = one.failures.filter(({ messageId }) => messageId === 'BAD');
      assert.equal(ofBad.length, 1, ofBad.map(({ error }) => error.message).join('\n'));
      assert.ok(fetches(server) <= 12, `${fetches(server)} fetches in ${polls} polls`);
      assert.ok(fetches(server) >= 6, 'it is not forgotten');
      assert.deepEqual(one.parkedMessages, []);
    });
  }

  it('is received as soon as it can be, within twelve polls', async () => {
    let isGood = false;
    const server = await listing(() => (isGood ? { body: Buffer.from('better') } : BROKEN), []);
    const one = consumer();
    const inbox = inboxOf(server, await storageIn(await emptyFolder()), { maxDeliveries: 100 });
    inbox.add(one);
    for (let poll = 0; poll < 30; poll += 1) await pollAndWait(inbox, one);
    isGood = true;
    for (let poll = 0; poll < 12; poll += 1) await pollAndWait(inbox, one);
    assert.deepEqual(one.ids(), ['BAD']);
  });

  it('is parked after the maximum of attempts, once', async () => {
    const server = await listing(() => BROKEN);
    const one = consumer();
    const inbox = inboxOf(server, await storageIn(await emptyFolder()), { maxDeliveries: 3 });
    inbox.add(one);
    for (let poll = 0; poll < 20; poll += 1) await pollAndWait(inbox, one);
    assert.deepEqual(
      one.parkedMessages.map(({ messageId, error }) => [messageId, error?.code]),
      [['BAD', 'MESH_DOWNLOAD']],
    );
    assert.equal(fetches(server), 3);
  });

  it('but gets a chunk further each time is not given up', async () => {
    const total = 8;
    const part = Buffer.alloc(70_000, 'x');
    const server = await hostileMesh(({ method, path }, attempt) => {
      const [, number = '1'] = /\/inbox\/BAD(?:\/(\d+))?$/.exec(path) ?? [];
      if (path.endsWith('/inbox')) return { body: Buffer.from('{"messages":["BAD"]}') };
      if (method === 'PUT') return {};
      // Each chunk but the first breaks once.
      if (attempt === 1 && number !== '1')
        return chunkOf(part)(Number(number), total, {
          headers: { 'content-length': part.length },
          body: part.subarray(1),
          ending: 'break',
        });
      return chunkOf(part)(Number(number), total);
    });
    const one = consumer();
    const inbox = inboxOf(server, await storageIn(await emptyFolder()), { maxDeliveries: 3 });
    inbox.add(one);
    for (let poll = 0; poll < 20 && one.deliveries.length === 0; poll += 1) await pollAndWait(inbox, one);
    assert.deepEqual([one.parkedMessages, one.ids()], [[], ['BAD']]);
  });
});
