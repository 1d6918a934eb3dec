/**
 * A process that cuts a workflow over or hands it back, and kills itself before the n-th rename, or before or after the
 * n-th commit of several changes: `cutover|handback <storage folder> <client's folder> rename|before|after <n>`.
 */
// oxlint-disable-next-line no-namespace -- its rename is replaced: the module under test calls it by this object
import promises = require('node:fs/promises');
import { systemClock } from '../../lib/clock';
import { cutOver } from '../../lib/cutover/cut-over';
import { handBack } from '../../lib/cutover/hand-back';
import { openMailbox, openStorage } from '../../lib/index';
import type { Store } from '../../lib/store/store';
import { OFFLINE } from './offline';

const [direction, folder = '', root = '', at = '', nth = '0'] = process.argv.slice(2);
const die = (): true => process.kill(process.pid, 'SIGKILL');

let renames = 0;
const rename = promises.rename;
promises.rename = (async (from: string, to: string): Promise<void> => {
  // What opening the storage renames is not counted.
  if (from.startsWith(root)) renames += 1;
  if (at === 'rename' && renames === Number(nth)) die();
  await rename(from, to);
}) as typeof rename;

/** The store, whose n-th `changeBatch` kills this process. */
function dying(store: Store): Store {
  let commits = 0;
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== 'changeBatch') return typeof value === 'function' ? value.bind(target) : value;
      return async (...args: Parameters<Store['changeBatch']>) => {
        commits += 1;
        if (at === 'before' && commits === Number(nth)) die();
        const made = await target.changeBatch(...args);
        if (at === 'after' && commits === Number(nth)) die();
        return made;
      };
    },
  });
}

async function main(): Promise<void> {
  const storage = await openStorage({ folder });
  const { outbox, mailboxId, storeKey: mailbox } = openMailbox({ ...OFFLINE, storage });
  const { store, spool } = storage;
  if (direction === 'cutover') await cutOver({ outbox, mailboxId, clock: systemClock }, root, 'TEST_WORKFLOW');
  else await handBack({ store: dying(store), spool, clock: systemClock, mailbox, mailboxId }, root, 'TEST_WORKFLOW');
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(String(error));
    process.exit(1);
  },
);
