/** A process that sends the messages in a storage folder until it is killed. Arguments: folder, URL, CA file. */
import { readFileSync } from 'node:fs';
import { openMailbox, openStorage } from '../../lib/index';

async function main([folder = '', url = '', ca = '']: string[]): Promise<void> {
  const storage = await openStorage({ folder });
  const mailbox = openMailbox({
    environment: url,
    mailboxId: 'X26ABC1',
    password: 'password',
    sharedKey: 'TestKey',
    tls: { ca: readFileSync(ca) },
    retry: { attempts: 1 },
    maxRequestBytes: 100_000,
    chunkBytes: 100_000,
    compression: 'never',
    storage,
  });
  mailbox.outbox.onEvent(({ event }) => process.stdout.write(`${event}\n`));
  mailbox.start();
  process.stdin.on('end', () => void mailbox.close().then(() => storage.close()));
  process.stdin.resume();
}

void main(process.argv.slice(2));
