/** A process that receives until it is killed, from its parent’s sandbox; it reports on stdout in JSON lines. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MeshClient } from '../../lib/client/client';
import { createTransport } from '../../lib/client/transport';
import { readMailboxOptions } from '../../lib/config';
import type { Delivery, InboxConsumer } from '../../lib/index';
import { Spool } from '../../lib/payload/spool';
import { createDurableInbox } from '../../lib/receive/durable-inbox';
import { openSqliteStore } from '../../lib/store/sqlite/open-sqlite-store';
import { mailboxKey } from '../../lib/store/store';
import { ownerOf } from '../harness/spool-owner';

/** The first argument, as JSON. */
export interface ChildOptions {
  url: string;
  caFile: string;
  folder: string;
  meshAcknowledge: 'when-spooled' | 'when-done';
}

/** One line of the child's stdout. */
export interface ChildReport {
  event: 'delivered' | 'done' | 'parked';
  messageId: string;
  deliveryCount?: number;
  sha256?: string;
}

async function main(options: ChildOptions): Promise<void> {
  const config = readMailboxOptions({
    environment: options.url,
    mailboxId: 'X26ABC2',
    password: 'password',
    sharedKey: 'TestKey',
    tls: { ca: readFileSync(options.caFile, 'utf8') },
    retry: { attempts: 2, baseMs: 2, capMs: 5 },
  });
  const store = await openSqliteStore({ folder: options.folder });
  const owner = await ownerOf(store);
  const spool = await Spool.open(join(options.folder, 'spool'), { owner });
  await spool.quarantineOrphans(await store.spoolNames());
  const inbox = createDurableInbox({
    client: new MeshClient(config, createTransport(config)),
    mailboxId: config.mailboxId,
    url: options.url,
    store,
    spool,
    storeKey: mailboxKey(options.url, config.mailboxId),
    maxBufferBytes: config.maxBufferBytes,
    maxExpandedBytes: config.maxExpandedBytes,
    maxExpansionRatio: config.maxExpansionRatio,
    minimumIntervalMs: 0,
    freshStart: true,
    maxDeliveries: 1000,
    meshAcknowledge: options.meshAcknowledge,
  });
  const say = (report: ChildReport): void => void process.stdout.write(`${JSON.stringify(report)}\n`);
  const consumer = (workflows: string[], folder?: string): InboxConsumer => ({
    workflows,
    maxLeases: 4,
    intervalMs: 20,
    acknowledge: 'flow',
    ...(folder === undefined ? {} : { folder }),
    async deliver({ received, deliveryCount }: Delivery) {
      const { messageId } = received.message;
      const bytes = received.payload ?? (await readFile(received.file ?? ''));
      say({ event: 'delivered', messageId, deliveryCount, sha256: createHash('sha256').update(bytes).digest('hex') });
      // As a flow that ends with mesh-ack.
      void sleep(Math.random() * 30)
        .then(() => inbox.acknowledge(messageId))
        .then(() => say({ event: 'done', messageId }))
        .catch(() => undefined);
    },
    parked: ({ messageId }) => say({ event: 'parked', messageId }),
    failed: () => undefined,
  });
  inbox.add(consumer(['FILE'], join(options.folder, 'received')));
  inbox.add(consumer(['!FILE']));
}

void main(JSON.parse(process.argv[2] ?? '') as ChildOptions).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
