/** Durable inboxes on the real sandbox over TLS, with the real store and spool, each in its own folder. */
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { MeshClient } from '../../lib/client/client';
import { createTransport } from '../../lib/client/transport';
import { readMailboxOptions } from '../../lib/config';
import type { InboxPoller, Mailbox } from '../../lib/index';
import { Spool } from '../../lib/payload/spool';
import { createDurableInbox } from '../../lib/receive/durable-inbox';
import type { DurableInboxOptions } from '../../lib/receive/durable-inbox-types';
import type { Sandbox } from '../../lib/sandbox/index';
import { openSqliteStore } from '../../lib/store/sqlite/open-sqlite-store';
import { mailboxKey, type Incoming, type Store } from '../../lib/store/store';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { mailboxAt, sandbox } from '../harness/mailboxes';
import { spooledIn } from '../harness/spool-files';
import { ownerOf } from '../harness/spool-owner';

/** A server to receive from. */
export type Server = Pick<Sandbox, 'url' | 'ca'>;

/** The storage folder of a process, with its open store and spool. */
export interface StorageFolder {
  folder: string;
  store: Store;
  spool: Spool;
  /** Closes and opens the store as a restart does, and removes orphans from the spool. */
  reopen(): Promise<void>;
}

/** A sandbox over TLS, a sender, and storage in an empty folder. */
export async function world(): Promise<{ server: Sandbox; alice: Mailbox; storage: StorageFolder }> {
  const server = await sandbox({ protocol: 'https' });
  const alice = mailboxAt(server);
  return { server, alice, storage: await storageIn(await emptyFolder()) };
}

export async function storageIn(folder: string): Promise<StorageFolder> {
  const open = async (): Promise<{ store: Store; spool: Spool }> => {
    const store = await openSqliteStore({ folder });
    const owner = await ownerOf(store);
    const spool = await Spool.open(join(folder, 'spool'), { owner });
    await spool.quarantineOrphans(await store.spoolNames());
    return { store, spool };
  };
  const storage: StorageFolder = {
    folder,
    ...(await open()),
    async reopen() {
      await storage.store.close();
      Object.assign(storage, await open());
    },
  };
  afterThisTest(() => storage.store.close());
  return storage;
}

export type InboxOptions = Partial<DurableInboxOptions> & { attempts?: number };

/** An inbox for X26ABC2 without a minimum interval; closed after the test. */
export function inboxOf(server: Server, storage: StorageFolder, options: InboxOptions = {}): InboxPoller {
  const { attempts = 1, ...rest } = options;
  const config = readMailboxOptions({
    environment: server.url,
    mailboxId: 'X26ABC2',
    password: 'password',
    sharedKey: 'TestKey',
    ...(server.ca === undefined ? {} : { tls: { ca: server.ca } }),
    retry: { attempts, baseMs: 2, capMs: 10 },
  });
  const transport = createTransport(config);
  afterThisTest(() => transport.close());
  const inbox = createDurableInbox({
    client: new MeshClient(config, transport),
    mailboxId: config.mailboxId,
    url: server.url,
    store: storage.store,
    spool: storage.spool,
    storeKey: keyOf(server),
    maxBufferBytes: config.maxBufferBytes,
    maxExpandedBytes: config.maxExpandedBytes,
    maxExpansionRatio: config.maxExpansionRatio,
    minimumIntervalMs: 0,
    freshStart: true,
    ...rest,
  });
  afterThisTest(() => inbox.close());
  return inbox;
}

export const keyOf = (server: Server): string => mailboxKey(server.url, 'X26ABC2');

/** All rows, oldest first, without payloads. */
export function rowsOf(server: Server, storage: StorageFolder): Promise<Incoming[]> {
  return storage.store.listIncoming(keyOf(server), ['spooled', 'acknowledged', 'delivered', 'done', 'parked'], {
    limit: 100_000,
  });
}

/** The state of each row, oldest first. */
export async function statesOf(server: Server, storage: StorageFolder): Promise<string[]> {
  return (await rowsOf(server, storage)).map((row) => row.state);
}

/** The ledger events of a message. */
export async function eventsOf(server: Server, storage: StorageFolder, messageId: string): Promise<string[]> {
  return (await storage.store.history(keyOf(server), messageId)).map(({ event }) => event);
}

export const spoolFiles = (storage: StorageFolder): Promise<string[]> => spooledIn(join(storage.folder, 'spool'));

/** Bytes that gzip cannot shrink. */
export const noise = (bytes: number): Buffer => randomBytes(bytes);

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
