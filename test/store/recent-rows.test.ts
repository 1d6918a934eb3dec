import assert from 'node:assert/strict';
import { RecentRows } from '../../lib/store/recent-rows';
import type { Outgoing } from '../../lib/store/store';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';

const row = (id = 'small', bytes = 10): Pick<Outgoing, 'id' | 'payload'> => ({
  id,
  payload: { kind: 'inline', bytes: new Uint8Array(bytes) },
});
const MIB = 1024 * 1024;

describe('rows that were just committed', () => {
  it('are sent as they were enqueued, in order, without being read back from the store', async () => {
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
      // The flow may write into it again.
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
      read.filter((count) => count > 0),
      [],
    );
  });

  it('are kept up to 8 MiB; those beyond are read from the store', () => {
    const rows = new RecentRows<Pick<Outgoing, 'id' | 'payload'>>();
    for (let i = 0; i < 20; i += 1) rows.add(`m${i}`, row(`m${i}`, MIB - 1024));
    assert.equal(rows.takeFirst(Array.from({ length: 20 }, (_, i) => `m${i}`)).length, 8);
    rows.add('small', row());
    assert.deepEqual(
      rows.takeFirst(['small']).map(({ id }) => id),
      ['small'],
    );
  });

  it('are returned once, from the first on, up to one that is missing', () => {
    const rows = new RecentRows<Pick<Outgoing, 'id' | 'payload'>>();
    for (const id of ['a', 'b', 'd']) rows.add(id, row(id));
    assert.deepEqual(
      rows.takeFirst(['a', 'b', 'c', 'd']).map(({ id }) => id),
      ['a', 'b'],
    );
    assert.deepEqual(rows.takeFirst(['a']), []);
    rows.forget('d');
    assert.deepEqual(rows.takeFirst(['d']), []);
  });

  it('no longer count when they are forgotten', () => {
    const rows = new RecentRows<Pick<Outgoing, 'id' | 'payload'>>();
    for (let i = 0; i < 30; i += 1) {
      rows.add('big', row('big', 5 * MIB));
      rows.forget('big');
    }
    rows.add('last', row('last', 5 * MIB));
    assert.equal(rows.takeFirst(['last']).length, 1);
  });
});
