/** "Once per key": a repeat is the first message; another message with the key is refused, never accepted in silence. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyReusedError, OutboxFullError, type DurableMailbox } from '../../lib/index';
import type { Store } from '../../lib/store/store';
import { emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';

type Enqueue = DurableMailbox['outbox']['enqueue'];

const LARGE = Buffer.alloc(200_000, 'x');
const OTHER_LARGE = Buffer.alloc(200_000, 'y');

async function start(options: object = {}) {
  const server = await tlsSandbox();
  const storage = await storageIn();
  const mailbox = outboxAt(server, { storage, ...options });
  const spooled: string[] = [];
  const write = storage.spool.write.bind(storage.spool);
  storage.spool.write = (name, ...rest) => {
    spooled.push(name);
    return write(name, ...rest);
  };
  return { server, mailbox, outbox: mailbox.outbox, spooled };
}

describe('once per key', () => {
  const different: Array<[string, Parameters<Enqueue>[0], string]> = [
    ['recipient', letter('letter', { to: 'X26ABC3' }), 'another recipient.'],
    ['workflow', letter('letter', { workflowId: 'OTHER_WORKFLOW' }), 'another workflow.'],
    ['payload', letter('Letter'), 'another content.'],
    ['payload of another size', letter('letter '), 'another content.'],
    ['recipient and payload', letter('x', { to: 'X26ABC3' }), 'another recipient and content.'],
  ];
  for (const [what, other, words] of different) {
    it(`a key with another ${what} is an error that names the first message, and nothing is stored`, async () => {
      const { outbox } = await start();
      const { message } = await outbox.enqueue(letter(), { onceKey: 'k' });
      const error = await failure(KeyReusedError, outbox.enqueue(other, { onceKey: 'k' }));
      assert.deepEqual([error.code, error.retry], ['MESH_KEY_REUSED', 'never']);
      assert.ok(error.message.includes(message.id) && error.message.includes(words), error.message);
      assert.match(error.advice ?? '', /MSH-7/);
      assert.doesNotMatch(`${error.message} ${error.advice}`, /X26ABC|letter/);
      assert.equal((await outbox.list({})).length, 1);
    });
  }

  it('of two messages that race for a key one is stored, and the other is an error', async () => {
    const { outbox } = await start();
    for (const [one, other] of [
      ['a', 'b'],
      [LARGE, OTHER_LARGE],
    ] as const) {
      const onceKey = String(one.length);
      const ended = await Promise.allSettled([one, other].map((each) => outbox.enqueue(letter(each), { onceKey })));
      assert.deepEqual(ended.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    }
    assert.equal((await outbox.list({})).length, 2);
  });

  it('a large payload, a file and an object are compared by their content', async () => {
    const { outbox, spooled } = await start();
    const folder = await emptyFolder();
    const [file, copy, changed] = ['file', 'copy', 'changed'].map((name) => join(folder, name));
    await writeFile(file ?? '', LARGE);
    await writeFile(copy ?? '', LARGE);
    await writeFile(changed ?? '', OTHER_LARGE);
    const firsts = [LARGE, { file: file ?? '' }, { json: { a: 1 } }];
    const repeats = [Buffer.from(LARGE), { file: copy ?? '' }, { json: { a: 1 } }];
    const different = [OTHER_LARGE, { file: changed ?? '' }, { json: { a: 2 } }];
    for (const [i, payload] of firsts.entries()) {
      const options = { onceKey: `k${i}` };
      const first = await outbox.enqueue({ ...letter(), payload }, options);
      const repeat = await outbox.enqueue({ ...letter(), payload: repeats[i] ?? '' }, options);
      assert.deepEqual([repeat.isNew, repeat.message.id], [false, first.message.id]);
      await failure(KeyReusedError, outbox.enqueue({ ...letter(), payload: different[i] ?? '' }, options));
    }
    // What is refused or repeated is not written into the spool.
    assert.equal(spooled.length, 1);
  });

  it('a repeat whose own file is gone is still the first message', async () => {
    const { outbox } = await start();
    const file = join(await emptyFolder(), 'file');
    await writeFile(file, LARGE);
    const first = await outbox.enqueue({ ...letter(), payload: { file } }, { onceKey: 'k', copyFile: true });
    await rm(file);
    const repeat = await outbox.enqueue({ ...letter(), payload: { file } }, { onceKey: 'k', copyFile: true });
    assert.equal(repeat.message.id, first.message.id);
    await failure(KeyReusedError, outbox.enqueue({ ...letter(), to: 'X26ABC3', payload: { file } }, { onceKey: 'k' }));
  });

  it('with onceContent a payload that is made anew is a repeat, and other content is not', async () => {
    const { outbox } = await start();
    const options = { onceKey: 'k', onceContent: 'sha256 of the source' };
    const first = await outbox.enqueue(letter('made at 9:00'), options);
    const repeat = await outbox.enqueue(letter('made at 9:01'), options);
    assert.deepEqual([repeat.isNew, repeat.message.id], [false, first.message.id]);
    await failure(KeyReusedError, outbox.enqueue(letter('made at 9:00'), { ...options, onceContent: 'another' }));
    // The payload itself is never taken for such a content, nor the other way round.
    await failure(KeyReusedError, outbox.enqueue(letter('sha256 of the source'), { onceKey: 'k' }));
  });

  it('a small message, new or repeated, takes one trip to the store; a large one is looked up before it is written', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const calls: string[] = [];
    const store: Store = {
      ...storage.store,
      listOutgoing(...args) {
        calls.push('look-up');
        return storage.store.listOutgoing(...args);
      },
      enqueue(...args) {
        calls.push('row');
        return storage.store.enqueue(...args);
      },
    };
    const { outbox } = outboxAt(server, { storage: { ...storage, store } });
    const { message } = await outbox.enqueue(letter(), { onceKey: 'k' });
    const again = await outbox.enqueue(letter(), { onceKey: 'k' });
    assert.deepEqual([again.isNew, again.message.id], [false, message.id]);
    assert.deepEqual(calls, ['row', 'row']);
    await outbox.enqueue(letter(LARGE), { onceKey: 'large' });
    await outbox.enqueue(letter(LARGE), { onceKey: 'large' });
    assert.deepEqual(calls.slice(2), ['look-up', 'row', 'look-up']);
  });

  it('is compared after a restart too, and while the outbox is full', async () => {
    const server = await tlsSandbox();
    const folder = await emptyFolder();
    const before = await storageIn(folder);
    const one = outboxAt(server, { storage: before });
    const { message } = await one.outbox.enqueue(letter(), { onceKey: 'k' });
    await one.close();
    await before.close();
    const { outbox } = outboxAt(server, { storage: await storageIn(folder), limits: { maxMessages: 1 } });
    assert.equal((await outbox.enqueue(letter(), { onceKey: 'k' })).message.id, message.id);
    await failure(KeyReusedError, outbox.enqueue(letter('other'), { onceKey: 'k' }));
    await failure(OutboxFullError, outbox.enqueue(letter('other'), { onceKey: 'k2' }));
  });
});
