import assert from 'node:assert/strict';
import { JustQueued } from '../../lib/send/just-queued';
import type { Outgoing } from '../../lib/store/store';
import { letter, outboxAt, stateIn, tlsSandbox } from '../support/outboxes';

const row = (id: string, bytes = 10): Outgoing =>
  ({ id, payload: { kind: 'inline', bytes: new Uint8Array(bytes) } }) as Outgoing;
const MIB = 1024 * 1024;

describe('messages that were just queued', () => {
  it('are sent as they were taken, in order, without being read back from the store', async () => {
    const server = await tlsSandbox();
    const state = await stateIn();
    const read: number[] = [];
    const mailbox = outboxAt(server, {
      state: {
        ...state,
        store: {
          ...state.store,
          async nextToSend(...args) {
            const rows = await state.store.nextToSend(...args);
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
    const recipient = outboxAt(server, { state: await stateIn(), mailboxId: 'X26ABC2' });
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
    const held = new JustQueued();
    for (let i = 0; i < 20; i += 1) held.add(row(`m${i}`, MIB - 1024));
    assert.equal(held.take(Array.from({ length: 20 }, (_, i) => `m${i}`)).length, 8);
    held.add(row('small'));
    assert.deepEqual(
      held.take(['small']).map(({ id }) => id),
      ['small'],
    );
  });

  it('are given once, from the first on, as far as they are held', () => {
    const held = new JustQueued();
    for (const id of ['a', 'b', 'd']) held.add(row(id));
    assert.deepEqual(
      held.take(['a', 'b', 'c', 'd']).map(({ id }) => id),
      ['a', 'b'],
    );
    assert.deepEqual(held.take(['a']), []);
    held.forget('d');
    assert.deepEqual(held.take(['d']), []);
  });

  it('make room for others when they are forgotten', () => {
    const held = new JustQueued();
    for (let i = 0; i < 30; i += 1) {
      held.add(row('big', 5 * MIB));
      held.forget('big');
    }
    held.add(row('last', 5 * MIB));
    assert.equal(held.take(['last']).length, 1);
  });
});
