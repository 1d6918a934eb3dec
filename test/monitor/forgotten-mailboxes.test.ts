/** Mailboxes for which messages wait in the storage, although nothing opens them. */
import assert from 'node:assert/strict';
import { findForgottenMailboxes } from '../../lib/index';
import { consumer, pollAndWait } from '../harness/consumer';
import { mailboxAt } from '../harness/mailboxes';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';

describe('a mailbox that nothing opens', () => {
  it('is found while messages wait in it: to be sent, or received and not done', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const { url } = server;
    const sender = outboxAt(server, { storage });
    await sender.outbox.enqueue(letter());
    const receiver = outboxAt(server, { storage, mailboxId: 'X26ABC2' });
    const inbox = receiver.inbox({ minimumIntervalMs: 0 });
    const taken = consumer();
    inbox.add(taken);
    receiver.start();
    await mailboxAt(server).send(letter());
    await pollAndWait(inbox, taken);
    assert.equal(taken.deliveries.length, 1);
    assert.deepEqual(await findForgottenMailboxes(storage), [{ url, mailboxId: 'X26ABC1', waiting: 1 }]);

    await inbox.close();
    await receiver.close();
    assert.deepEqual(await findForgottenMailboxes(storage), [
      { url, mailboxId: 'X26ABC1', waiting: 1 },
      { url, mailboxId: 'X26ABC2', waiting: 0, pending: 1 },
    ]);

    sender.start();
    assert.deepEqual(await findForgottenMailboxes(storage), [{ url, mailboxId: 'X26ABC2', waiting: 0, pending: 1 }]);
  });
});
