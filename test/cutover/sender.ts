/** A process that sends what is in an outbox, until it is killed or nothing is queued: `<storage folder> <url of MESH>`. */
import { openMailbox, openStorage } from '../../lib/index';
import { OFFLINE } from './offline';

const [folder = '', environment = ''] = process.argv.slice(2);

async function main(): Promise<void> {
  const storage = await openStorage({ folder });
  const mailbox = openMailbox({ ...OFFLINE, environment, storage });
  mailbox.start();
  for (let left = 1; left > 0;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    left = (await mailbox.outbox.list({ states: ['queued', 'sending'] }, { limit: 1 })).length;
  }
  await mailbox.close();
  await storage.close();
}

void main().then(() => process.exit(0));
