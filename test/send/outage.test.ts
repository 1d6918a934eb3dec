/** docs/design.md, The line out: messages queued during an outage of MESH are sent after it. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { steppedClock } from '../harness/clocks';
import { gateTo } from '../harness/mesh-gate';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { eventually } from '../harness/until';

const MINUTE = 60_000;
/** `npm run test:outage` uses 10,000, the messages of a day. */
const MESSAGES = Number(process.env['MESH_OUTAGE_MESSAGES'] ?? 1000);

describe('outbox: MESH unavailable for a day', () => {
  it(`${MESSAGES} messages of four mailboxes arrive in order, once; memory stays bounded`, async function () {
    this.timeout(20 * MINUTE);
    const senders = ['X26ABC1', 'X26ABC2', 'X26ABC3', 'X26ABC4'];
    const server = await tlsSandbox();
    server.addMailbox({ mailboxId: 'X26ABC4', password: 'password' });
    const gate = await gateTo(server);
    const clock = steppedClock();
    const storage = await storageIn();
    const mailboxes = senders.map((mailboxId) => {
      const mailbox = outboxAt(gate, { storage, clock, mailboxId, compression: 'never' });
      // The recorded events would take most of the memory.
      mailbox.events.push = () => 0;
      return { mailbox, ids: [] as string[] };
    });
    gate.shut();
    for (const { mailbox } of mailboxes) mailbox.start();
    for (let hour = 0; hour < 25; hour += 1) {
      for (const { mailbox, ids } of mailboxes) {
        const taken = await Promise.all(
          Array.from({ length: MESSAGES / 100 }, (_, index) => mailbox.outbox.enqueue(letter(`${hour} ${index}`))),
        );
        ids.push(...taken.map(({ message }) => message.id));
      }
      clock.advance(60 * MINUTE);
      await sleep(1);
    }
    const counts = () => Promise.all(mailboxes.map(({ mailbox }) => storage.store.countOutgoing(mailbox.storeKey)));
    assert.equal(
      (await counts()).reduce((sum, { messages }) => sum + messages.queued, 0),
      MESSAGES,
    );
    const before = memory();
    gate.open();
    let maximum = 0;
    let accepted = -1;
    await eventually(
      'empty outboxes',
      async () => {
        maximum = Math.max(maximum, memory());
        const now = (await counts()).reduce((sum, { messages }) => sum + messages.accepted, 0);
        // An attempt in progress when MESH came back fails late, and its retry waits by the clock.
        if (now === accepted) clock.advance(10 * MINUTE);
        accepted = now;
        await sleep(500);
        return accepted === MESSAGES;
      },
      19 * MINUTE,
    );
    const arrived = server.messages();
    assert.equal(arrived.length, MESSAGES);
    for (const { ids } of mailboxes) {
      const mine = new Set(ids);
      assert.deepEqual(
        arrived.flatMap(({ localId = '' }) => (mine.has(localId) ? [localId] : [])),
        ids,
      );
    }
    assert.ok(maximum - before < 300e6, `${maximum - before} bytes more`);
  });
});

/** Bytes of the heap and of external memory, including the sandbox's own messages. */
function memory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
