/** Messages of multipart/form-data that a consumer has unwrapped, in memory and to files. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { InboxConsumer, InboxPoller, Mailbox } from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import { emptyFolder } from '../harness/cleanup';
import { consumer, pollAndWait, type TestConsumer } from '../harness/consumer';
import { inboxOf, keyOf, statesOf, world, type StorageFolder } from './durable-support';

describe('a multipart/form-data payload', () => {
  let server: Sandbox;
  let alice: Mailbox;
  let storage: StorageFolder;
  beforeEach(async () => ({ server, alice, storage } = await world()));

  async function send(
    parts: Array<[name: string, content: Buffer, fileName?: string]>,
    cut = Infinity,
  ): Promise<string> {
    const form = new FormData();
    for (const [name, content, fileName] of parts) {
      if (fileName === undefined) form.append(name, content.toString());
      else form.append(name, new Blob([content as never], { type: 'application/pdf' }), fileName);
    }
    const response = new Response(form);
    const payload = Buffer.from(await response.arrayBuffer()).subarray(0, cut);
    const contentType = response.headers.get('content-type') ?? '';
    return (await alice.send({ to: 'X26ABC2', workflowId: 'WF', payload, contentType })).messageId;
  }

  let inbox: InboxPoller;
  beforeEach(() => (inbox = inboxOf(server, storage)));

  /** Receives with a consumer in the place of `before`. */
  async function receive(options: Partial<InboxConsumer>, before?: TestConsumer): Promise<TestConsumer> {
    const one = consumer({ unwrapMultipart: true, ...options });
    if (before) inbox.remove(before);
    inbox.add(one);
    await pollAndWait(inbox, one, 20_000);
    return one;
  }

  it('is delivered as its parts, with name, file name, content type and bytes', async () => {
    const pdf = randomBytes(300);
    const messageId = await send([
      ['note', Buffer.from('Grüße')],
      ['letter', pdf, 'Brief Łódź.pdf'],
    ]);
    const [delivery] = (await receive({})).deliveries;
    assert.equal(delivery?.received.message.messageId, messageId);
    assert.equal(delivery.received.payload, undefined);
    assert.deepEqual(delivery.received.parts, [
      { name: 'note', payload: Buffer.from('Grüße'), bytes: 7 },
      { name: 'letter', fileName: 'Brief Łódź.pdf', contentType: 'application/pdf', payload: pdf, bytes: 300 },
    ]);
  });

  it('is delivered whole where unwrapping is off, and other content types always are', async () => {
    await send([['note', Buffer.from('x')]]);
    const whole = await receive({ unwrapMultipart: false });
    assert.match(whole.deliveries[0]?.received.payload?.toString() ?? '', /Content-Disposition/);
    await alice.send({ to: 'X26ABC2', workflowId: 'WF', payload: 'plain' });
    const one = await receive({}, whole);
    assert.equal(one.deliveries.at(-1)?.received.payload?.toString(), 'plain');
  });

  it('of many megabytes is written to a file for each part, under a safe name, and nothing else is in the folder', async () => {
    const folder = await emptyFolder();
    const contents: [Buffer, Buffer, Buffer] = [randomBytes(9_000_001), randomBytes(5_000_000), Buffer.from('small')];
    const messageId = await send([
      ['a', contents[0], '../../evil.pdf'],
      ['b', contents[1], 'same.pdf'],
      ['c', contents[2], 'same.pdf'],
    ]);
    const [delivery] = (await receive({ folder })).deliveries;
    const parts = delivery?.received.parts ?? [];
    assert.deepEqual(
      parts.map(({ file = '' }) => basename(file)),
      [`${messageId}-1_evil.pdf`, `${messageId}-2_same.pdf`, `${messageId}-3_same.pdf`],
    );
    for (const [index, { file = '', bytes }] of parts.entries()) {
      assert.equal(dirname(file), folder);
      assert.ok((await readFile(file)).equals(contents[index] ?? Buffer.alloc(0)));
      assert.equal(bytes, contents[index]?.length);
    }
    assert.equal((await readdir(folder)).length, 3);
  });

  for (const to of ['memory', 'a folder'] as const) {
    it(`that is cut is parked whole with an error, leaves no file, and is delivered whole once unwrapping is off (${to})`, async () => {
      const folder = to === 'memory' ? undefined : join(await emptyFolder(), 'files');
      const place = folder === undefined ? {} : { folder };
      const messageId = await send(
        [
          ['a', randomBytes(200_000), 'a.pdf'],
          ['b', randomBytes(200_000), 'b.pdf'],
        ],
        350_000,
      );
      const one = await receive(place);
      assert.deepEqual(one.deliveries, []);
      const [parked] = one.parkedMessages;
      assert.equal(parked?.messageId, messageId);
      assert.match(parked.error?.message ?? '', /is not multipart\/form-data.*ends before its last boundary.*parked/);
      assert.match(parked.error?.advice ?? '', /unwrapping off/);
      assert.equal(parked.error?.messageId, messageId);
      assert.deepEqual(await statesOf(server, storage), ['parked']);
      if (folder !== undefined) assert.deepEqual(await readdir(folder), []);
      await inbox.redeliver(messageId);
      const other = await receive({ unwrapMultipart: false }, one);
      assert.equal(other.deliveries[0]?.received.payload?.length, 350_000);
    });
  }

  for (const unwrapMultipart of [true, false]) {
    const how = unwrapMultipart ? 'in parts' : 'whole';
    it(`that is damaged in the store leaves the files of the delivery before it as they were (${how})`, async () => {
      const folder = await emptyFolder();
      const messageId = await send([
        ['a', randomBytes(200_000), 'a.pdf'],
        ['b', randomBytes(200_000), 'b.pdf'],
      ]);
      const one = await receive({ folder, unwrapMultipart });
      assert.equal(one.deliveries.length, 1);
      const written = await contentsOf(folder);
      const row = await storage.store.getIncoming(keyOf(server), messageId);
      assert.ok(row?.payload?.kind === 'spool');
      const payload = storage.spool.path(row.payload.name);
      const bytes = await readFile(payload);
      // In the last part: the others are written by the time that it is noticed.
      bytes.writeUInt8(bytes.readUInt8(390_000) ^ 1, 390_000);
      await writeFile(payload, bytes);
      // As after a restart.
      await inbox.close();
      inbox = inboxOf(server, storage);
      const two = await receive({ folder, unwrapMultipart });
      assert.deepEqual(two.deliveries, []);
      assert.equal(two.parkedMessages[0]?.error?.code, 'MESH_PAYLOAD');
      assert.deepEqual(await contentsOf(folder), written);
    });
  }

  it('of which one file cannot get its name leaves none of them, and is delivered when it can', async () => {
    const folder = await emptyFolder();
    const messageId = await send([
      ['a', Buffer.from('first'), 'a.txt'],
      ['b', Buffer.from('second'), 'b.txt'],
    ]);
    const inTheWay = `${messageId}-2_b.txt`;
    await mkdir(join(folder, inTheWay));
    const one = await receive({ folder });
    assert.deepEqual([one.deliveries, one.failures[0]?.error.code], [[], 'MESH_STORAGE']);
    assert.deepEqual(await readdir(folder), [inTheWay]);
  });
});

/** The files of a folder with their contents. */
async function contentsOf(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder);
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'latin1')])),
  ) as Record<string, string>;
}
