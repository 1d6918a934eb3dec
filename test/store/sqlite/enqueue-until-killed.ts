/** Enqueues into the store of a folder until it is killed, and prints each id once its promise has resolved. */
import { openSqliteStore } from '../../../lib/store/sqlite/open-sqlite-store';
import { note, outgoing } from '../contract/support';

const [folder = '', first = ''] = process.argv.slice(2);

async function main(): Promise<void> {
  const store = await openSqliteStore({ folder });
  let count = 0;
  const enqueueAlways = async (): Promise<void> => {
    for (;;) {
      count += 1;
      const bytes = Buffer.alloc(count % 7 === 0 ? 65_536 : 100, count % 256);
      const message = outgoing({ id: `${first}-${count}`, size: bytes.length, payload: { kind: 'inline', bytes } });
      await store.enqueue(message, note('queued'));
      if (count % 3 === 0) await store.changeOutgoing(message.id, ['queued'], { state: 'accepted' }, note('accepted'));
      // A pipe is written at once: the line is out before the kill can come.
      process.stdout.write(`${message.id}\n`);
    }
  };
  await Promise.all([enqueueAlways(), enqueueAlways(), enqueueAlways()]);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
