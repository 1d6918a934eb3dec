import assert from 'node:assert/strict';
import { findForgottenMailboxes } from '../../lib/index';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';

describe('mailboxes with messages to send', () => {
  it('are found with URL, id and number of messages while they are not open, and only then', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const moved = outboxAt({ url: 'https://localhost:1/old', ca: undefined }, { storage, mailboxId: 'X26ABC3' });
    for (let count = 0; count < 3; count += 1) await moved.outbox.enqueue(letter());
    const sandbox = outboxAt(server, { storage, instance: 'one' });
    await sandbox.outbox.enqueue(letter());
    const done = outboxAt(server, { storage });
    done.start();
    const { message } = await done.outbox.enqueue(letter());
    await done.outbox.accepted(message.id);
    await done.close();

    const named = [{ url: 'https://localhost:1/old', mailboxId: 'X26ABC3', waiting: 3 }];
    assert.deepEqual(await findForgottenMailboxes(storage), named);
    moved.start();
    moved.start();
    assert.deepEqual(await findForgottenMailboxes(storage), []);
    await moved.close();
    await moved.close();
    assert.deepEqual(await findForgottenMailboxes(storage), named);
  });
});
