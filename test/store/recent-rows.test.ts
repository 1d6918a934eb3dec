import assert from 'node:assert/strict';
import { RecentRows } from '../../lib/store/recent-rows';
import type { Outgoing } from '../../lib/store/store';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';

const row = (id = 'small', bytes = 10): Pick<Outgoing, 'id' | 'payload'> => ({
  id,
  payload: { kind: 'inline', bytes: new Uint8Array(bytes) },
});
const MIB = 1024 * 1024;

describe('rows that were just stored', () => {
  it('of messages to be sent: they are sent as they were taken, in order, without being read back from the store', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const read: number[] = [];
    const mailbox = outboxAt(server, {
      storage: {
        ...storage,
        store: {
          ...storage.store,
          async nextToSend(...args) {
            const rows = await storage.store.nextToSend(...args);
            read.push(rows.length);
            return rows;
          },
        },
      },
    });
    const payload = Buffer.alloc(9);
    const ids: string[] = [];
    for (let i = 0; i < 20; i += 1) {
      payload.write(`letter ${String(i).padStart(2, '0')}`);
      ids.push((await mailbox.outbox.enqueue(letter(payload))).message.id);
      // It is the flow's again.
      payload.fill('x');
    }
    mailbox.start();
    for (const id of ids) await mailbox.outbox.accepted(id);
    const arrived = server.messages();
    assert.deepEqual(
      arrived.map(({ localId }) => localId),
      ids,
    );
    const recipient = outboxAt(server, { storage: await storageIn(), mailboxId: 'X26ABC2' });
    for (const [i, { messageId }] of arrived.entries()) {
      const received = await recipient.receive(messageId);
      assert.equal(received.payload?.toString(), `letter ${String(i).padStart(2, '0')}`);
    }
    assert.deepEqual(
      read.filter((rows) => rows > 0),
      [],
    );
  });

  it('are held up to 8 MiB; what is beyond is left to the store', () => {
    const held = new RecentRows<Pick<Outgoing, 'id' | 'payload'>>();
    for (let i = 0; i < 20; i += 1) held.add(`m${i}`, row(`m${i}`, MIB - 1024));
    assert.equal(held.takeFirst(Array.from({ length: 20 }, (_, i) => `m${i}`)).length, 8);
    held.add('small', row());
    assert.deepEqual(
      held.takeFirst(['small']).map(({ id }) => id),
      ['small'],
    );
  });

  it('are given once, from the first on, as far as they are held', () => {
    const held = new RecentRows<Pick<Outgoing, 'id' | 'payload'>>();
    for (const id of ['a', 'b', 'd']) held.add(id, row(id));
    assert.deepEqual(
      held.takeFirst(['a', 'b', 'c', 'd']).map(({ id }) => id),
      ['a', 'b'],
    );
    assert.deepEqual(held.takeFirst(['a']), []);
    held.forget('d');
    assert.deepEqual(held.takeFirst(['d']), []);
  });

  it('make room for others when they are forgotten', () => {
    const held = new RecentRows<Pick<Outgoing, 'id' | 'payload'>>();
    for (let i = 0; i < 30; i += 1) {
      held.add('big', row('big', 5 * MIB));
      held.forget('big');
    }
    held.add('last', row('last', 5 * MIB));
    assert.equal(held.takeFirst(['last']).length, 1);
  });
});
