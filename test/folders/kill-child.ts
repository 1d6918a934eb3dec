/**
 * A process that uses the folders and kills itself at the given rename: `out|in <root> <rename> <before|after>`; 0 for
 * never. It notes the offered pairs in `<root>/offered`, as an outbox would.
 */
import { appendFileSync } from 'node:fs';
// oxlint-disable-next-line no-namespace -- its rename is replaced: the module under test calls it by this object
import promises = require('node:fs/promises');
import { join } from 'node:path';
import { InFolder } from '../../lib/folders/in-folder';
import { OutFolder } from '../../lib/folders/out-folder';
import { LETTER, RECEIVED } from './letters';

const [direction, root = '', at = '0', when] = process.argv.slice(2);
const real = promises.rename;
let renames = 0;

async function renameOrDie(from: string, to: string): Promise<void> {
  renames += 1;
  const isIt = renames === Number(at);
  if (isIt && when === 'before') process.kill(process.pid, 'SIGKILL');
  await real(from, to);
  if (isIt) process.kill(process.pid, 'SIGKILL');
}
promises.rename = renameOrDie as typeof real;

async function out(): Promise<void> {
  const folder = OutFolder.at(root);
  const end = Date.now() + 10_000;
  for (;;) {
    const scan = await folder.scan({ settledForMs: 1, patienceMs: 60_000, maxInFlight: 5 });
    for (const { id, file } of scan.offered) {
      const content = await promises.readFile(file, 'utf8');
      appendFileSync(join(root, 'offered'), `${id} ${content === LETTER}\n`);
      const status = { time: new Date().toISOString(), event: 'TRANSFER', success: true, code: '00', description: '' };
      await folder.settle(id, { folder: 'sent', fields: { DTSId: 'M1' }, status });
    }
    const left = await promises.readdir(join(root, 'out'));
    const open = await promises.readdir(join(root, 'temp', 'out')).catch(() => []);
    if ((left.length === 0 && open.length === 0) || Date.now() > end) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const work =
  direction === 'out' ? out() : new InFolder(root).write({ message: RECEIVED, payload: Buffer.from(LETTER) });
work.then(
  () => process.exit(0),
  () => process.exit(1),
);
