/** Neither the size of a message nor the number of pending ones may fill the memory or slow each one down. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { consumer, idle, pollAndWait } from '../harness/consumer';
import { emptyFolder } from '../harness/cleanup';
import { mailboxAt } from '../harness/mailboxes';
import { hostileMesh } from '../harness/hostile-mesh';
import { until } from '../harness/until';
import {
  inboxOf,
  keyOf,
  noise,
  sha256,
  storageIn,
  statesOf,
  world,
  type Server,
  type StorageFolder,
} from './durable-support';

/** Puts `count` acknowledged messages into the store, a thousand commits at once. */
async function fill(server: Server, storage: StorageFolder, count: number, bytes: Buffer): Promise<void> {
  const mailbox = keyOf(server);
  const sum = sha256(bytes);
  for (let from = 0; from < count; from += 1000) {
    await Promise.all(
      Array.from({ length: Math.min(1000, count - from) }, async (_, index) => {
        const messageId = `M${String(from + index).padStart(7, '0')}`;
        const headers = {
          mailboxId: 'X26ABC2',
          messageId,
          messageType: 'DATA',
          from: '',
          to: '',
          workflowId: 'W',
          totalChunks: 1,
        };
        const payload = { kind: 'inline', bytes } as const;
        const rest = { instance: null, workflowId: 'W', messageType: 'DATA', size: bytes.length, sha256: sum } as const;
        const receivedAt = from + index + 1;
        await storage.store.addIncoming(
          { mailbox, messageId, headers, payload, receivedAt, ...rest },
          { event: 'spooled', time: 1 },
        );
        await storage.store.changeIncoming(mailbox, messageId, ['spooled'], {
          state: 'acknowledged',
          acknowledgedAt: 1,
        });
      }),
    );
  }
}

describe('a full durable inbox', () => {
  it('takes about as long for each of 3,000 messages as for each of 300, and holds none in memory', async function () {
    this.timeout(120_000);
    const server = await hostileMesh(() => ({ body: Buffer.from('{"messages":[]}') }));
    const drain = async (count: number): Promise<number> => {
      const storage = await storageIn(await emptyFolder());
      await fill(server, storage, count, noise(20_000));
      let delivered = 0;
      let most = 0;
      // Earlier tests of this process may have left buffers.
      const before = process.memoryUsage().arrayBuffers;
      const one = consumer({ acknowledge: 'after-delivery', maxLeases: 10 });
      one.deliver = async () => {
        delivered += 1;
        if (delivered % 500 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      };
      const inbox = inboxOf(server, storage, {});
      const began = performance.now();
      inbox.add(one);
      await until('all', () => delivered === count, 100_000);
      await idle(one, 5000);
      const each = (performance.now() - began) / count;
      if (process.env['MESH_FIGURES'])
        console.log(`${count}: ${each.toFixed(2)} ms each, ${Math.round(most / 1e6)} MB of buffers`);
      assert.ok(most < 30e6, `${most} bytes of 60 MB in memory`);
      assert.ok((await statesOf(server, storage)).every((each) => each === 'done'));
      await inbox.close();
      await storage.store.close();
      return each;
    };
    await drain(100);
    const few = await drain(300);
    const many = await drain(3000);
    // Ten times as long is what quadratic work would take.
    assert.ok(many < few * 4 + 0.5, `${few} ms, then ${many} ms for each`);
  });

  it('delivers a message of 300 MB into a folder without holding it in memory', async function () {
    this.timeout(120_000);
    const { server, alice, storage } = await world();
    // Numbered: 300 MB that expand from less than a two-hundredth would be refused.
    const lines = Array.from({ length: 200_000 }, (_, n) => `A line like many others, and then number ${n}.\n`);
    const piece = Buffer.from(lines.join(''));
    const file = join(await emptyFolder(), 'large.bin');
    const hash = createHash('sha256');
    for (let n = 0; n < 32; n += 1) {
      hash.update(piece);
      await appendFile(file, piece);
    }
    const sender = mailboxAt(server, { maxRequestBytes: 50_000_000, chunkBytes: 50_000_000, compression: 'never' });
    await alice.close();
    await sender.send({ to: 'X26ABC2', workflowId: 'WF', payload: { file } });
    const one = consumer({ folder: await emptyFolder() });
    const inbox = inboxOf(server, storage);
    inbox.add(one);
    let most = 0;
    const sampling = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers)), 20);
    const began = performance.now();
    inbox.poll();
    await until('the delivery', () => one.deliveries.length === 1, 60_000);
    clearInterval(sampling);
    if (process.env['MESH_FIGURES']) {
      console.log(`300 MB in ${Math.round(performance.now() - began)} ms, ${Math.round(most / 1e6)} MB of buffers`);
    }
    await pollAndWait(inbox, one);
    const received = createHash('sha256');
    for await (const piece of createReadStream(one.deliveries[0]?.received.file ?? ''))
      received.update(piece as Buffer);
    assert.equal(received.digest('hex'), hash.digest('hex'));
    assert.ok(most < 150e6, `${most} bytes of 300 MB in memory`);
  });
});
