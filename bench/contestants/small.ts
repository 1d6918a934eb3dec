/** The library with small messages: sent directly, sent through the durable outbox, received by the durable inbox. */
import type { DurableMailbox, InboxConsumer, InboxPoller, Mailbox, Storage } from '../../lib/index';
import { readPart } from '../files';
import type { Address } from '../harness/connection';
import { measured, serve } from '../harness/serve';
import { mailboxOptions, openMailbox, openStorage } from './library';

/** Messages that a flow enqueues at the same time, as for a file of many lines. */
const CONCURRENCY = 64;

let mailbox: Mailbox;
let durable: DurableMailbox;
let storage: Storage;
let inbox: InboxPoller;

interface Batch {
  count: number;
  file: string;
  bytes: number;
}

/** Enqueues `count` messages and waits until MESH has accepted them all. */
async function enqueueAll(payload: Buffer, count: number): Promise<void> {
  let accepted = 0;
  let left = count;
  let unsubscribe: () => void = () => undefined;
  const all = new Promise<void>((resolve, reject) => {
    unsubscribe = durable.outbox.onEvent(({ event }) => {
      if (event === 'accepted' && (accepted += 1) === count) resolve();
      if (['rejected', 'parked', 'unknown'].includes(event)) reject(new Error(`a message was ${event}`));
    });
  });
  const enqueueNext = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await durable.outbox.enqueue({ to: 'X26ABC2', workflowId: 'BENCH', payload });
    }
  };
  await Promise.all([all, ...Array.from({ length: CONCURRENCY }, enqueueNext)]);
  unsubscribe();
}

/** Polls until `count` messages are delivered and the flow has finished with them. */
function receiveAll(count: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let delivered = 0;
    let bytes = 0;
    let leased = 0;
    const end = (): void => {
      if (delivered < count || leased > 0) return;
      inbox.remove(consumer);
      resolve(bytes);
    };
    const consumer: InboxConsumer = {
      workflows: [],
      maxLeases: 100,
      intervalMs: 0,
      acknowledge: 'after-delivery',
      async deliver({ received }) {
        delivered += 1;
        bytes += received.bytes;
      },
      parked: (_message, error) => reject(error ?? new Error('a message was parked')),
      failed: reject,
      changed(now) {
        ({ leased } = now);
        end();
      },
    };
    inbox.add(consumer);
    const poll = (): void => {
      const polled = inbox.poll();
      if (!polled.started) setTimeout(poll, Math.max(1, polled.nextPoll.getTime() - Date.now()));
    };
    poll();
  });
}

serve({
  connect(address: Address) {
    mailbox = openMailbox(mailboxOptions(address));
  },
  async connectDurable({ folder, ...address }: Address & { folder: string }) {
    storage = await openStorage({ folder });
    durable = openMailbox({ ...mailboxOptions(address), storage });
    durable.start();
    inbox = durable.inbox({ minimumIntervalMs: 1 });
  },
  async close() {
    await inbox.close();
    await durable.close();
    await storage.close();
  },
  smallSend: ({ count, file, bytes }: Batch) => {
    const payload = readPart({ file, start: 0, end: bytes });
    return measured(async () => {
      for (let i = 0; i < count; i += 1) await mailbox.send({ to: 'X26ABC2', workflowId: 'BENCH', payload });
      return { bytes: count * bytes, messages: count };
    });
  },
  smallDurableSend: ({ count, file, bytes }: Batch) => {
    const payload = readPart({ file, start: 0, end: bytes });
    return measured(async () => {
      await enqueueAll(payload, count);
      return { bytes: count * bytes, messages: count };
    });
  },
  smallReceive: ({ count }: { count: number }) =>
    measured(async () => ({ bytes: await receiveAll(count), messages: count })),
});
