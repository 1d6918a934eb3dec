/** Enqueues a message for each line of its input, whose id the line is, and prints how that ended. */
import { createInterface } from 'node:readline';
import { MeshError } from '../../../lib/errors';
import { openSqliteStore } from '../../../lib/store/sqlite/open-sqlite-store';
import { note, outgoing } from '../contract/support';

const [folder = ''] = process.argv.slice(2);

async function main(): Promise<void> {
  const store = await openSqliteStore({ folder });
  process.stdout.write('opened\n');
  for await (const line of createInterface(process.stdin)) {
    const ids = line.split(' ');
    const ended = await Promise.allSettled(ids.map((id) => store.enqueue(outgoing({ id }), note('queued'))));
    const codes = ended.map((each) => {
      if (each.status === 'fulfilled') return 'stored';
      return each.reason instanceof MeshError ? each.reason.code : String(each.reason);
    });
    process.stdout.write(`${codes.join(' ')}\n`);
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
