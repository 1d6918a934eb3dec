/**
 * The contract of every back end: each method and each rule of lib/store/roles. A back end's own tests call
 * describeStore with a function that opens a new, empty store.
 */
import assert from 'node:assert/strict';
import { AbortedError } from '../../lib/errors';
import type { Store } from '../../lib/store/store';
import { failure } from '../harness/failure';
import { describeAcknowledgements } from './contract/acknowledgements';
import { describeEnqueue } from './contract/enqueue';
import { describeInbox } from './contract/inbox';
import { describeLedger } from './contract/ledger';
import { describeOutcomes } from './contract/outcomes';
import { describeReplies } from './contract/replies';
import { describeOutbox } from './contract/outbox';
import { describeOverview } from './contract/overview';
import { describeRetention } from './contract/retention';
import { MAILBOX, note, outgoing } from './contract/support';

/** A new, empty store, and how to open it again. */
export interface Opened {
  store: Store;
  /** Opens the same store again, after its close. */
  reopen(): Promise<Store>;
  /** Removes it; called after each test, when every store is closed. */
  remove(): Promise<void>;
}

/** Runs the contract. */
export function describeStore(name: string, open: () => Promise<Opened>): void {
  describe(`the contract of the store: ${name}`, () => {
    let opened: Opened;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(async () => {
      await opened.store.close();
      await opened.remove();
    });
    const store = (): Store => opened.store;

    describeEnqueue(store);
    describeOutbox(store);
    describeInbox(store);
    describeOutcomes(store);
    describeAcknowledgements(store);
    describeReplies(store);
    describeLedger(store);
    describeOverview(store);
    describeRetention(store);

    describe('close', () => {
      it('waits for the operations called before it', async () => {
        const messages = Array.from({ length: 100 }, () => outgoing());
        const enqueuing = Promise.all(messages.map((message) => store().enqueue(message, note('queued'))));
        await store().close();
        assert.equal((await enqueuing).length, 100);
        const again = await opened.reopen();
        assert.equal((await again.countOutgoing(MAILBOX)).messages.queued, 100);
        await again.close();
      });

      it('may be repeated, and every operation after it fails', async () => {
        await Promise.all([store().close(), store().close()]);
        await store().close();
        await failure(AbortedError, store().countOutgoing(MAILBOX));
        await failure(AbortedError, store().enqueue(outgoing(), note('queued')));
      });

      it('loses nothing', async () => {
        const message = outgoing({ onceKey: 'K' });
        const { message: before } = await store().enqueue(message, note('queued'));
        const history = await store().history(MAILBOX, message.id);
        await store().close();
        const again = await opened.reopen();
        assert.deepEqual(await again.getOutgoing(message.id), before);
        assert.deepEqual(await again.history(MAILBOX, message.id), history);
        assert.equal((await again.enqueue(outgoing({ onceKey: 'K' }), note('queued'))).isNew, false);
        await again.close();
      });
    });
  });
}
