/** Durable mailboxes at a sandbox, each with its own storage; closed after the test. */
import { openMailbox, openStorage, type DurableMailbox, type OutboxEvent, type Storage } from '../../lib/index';
import type { DurableOptions, MailboxOptions, OutboxState } from '../../lib/index';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../lib/sandbox/index';
import { Spool } from '../../lib/payload/spool';
import type { TestOptions } from '../../lib/store/sqlite/database';
import { openSqliteStore, type SqliteStore } from '../../lib/store/sqlite/open-sqlite-store';
import { join } from 'node:path';
import { serverCertificate } from './certificates';
import { afterThisTest, emptyFolder } from './cleanup';
import { accessTo, type Address } from './mailboxes';
import { ownerOf } from './spool-owner';

/** Starts a sandbox with TLS and the certificate that all tests share: creating one for each would take too long. */
export async function tlsSandbox(options: SandboxOptions = {}): Promise<Sandbox & { ca: string }> {
  const { ca, server } = await serverCertificate();
  const started = await startSandbox({ tls: server, ...options });
  afterThisTest(() => started.close());
  return Object.assign(Object.create(started) as Sandbox, { ca, close: () => started.close() });
}

/** Opens the storage in `folder`, or in an empty folder. */
export async function storageIn(folder?: string): Promise<Storage> {
  const storage = await openStorage({ folder: folder ?? (await emptyFolder()) });
  afterThisTest(() => storage.close());
  return storage;
}

/** Opens a storage whose store may grow by this many pages only. */
export const smallStorage = (spareMaxPages: number): Promise<Storage> => storageWith({ spareMaxPages });

/** Opens a storage whose store is slow or small. */
export async function storageWith(test: TestOptions): Promise<Storage & { store: SqliteStore }> {
  const folder = await emptyFolder();
  const store = await openSqliteStore({ folder, test });
  afterThisTest(() => store.close());
  const spool = await Spool.open(join(folder, 'spool'), { owner: await ownerOf(store) });
  return { folder, store, spool, scratch: spool, close: () => store.close() };
}

/** A mailbox with the events and states that it emitted. */
export interface TestOutbox extends DurableMailbox {
  readonly events: OutboxEvent[];
  readonly states: OutboxState[];
  /** Returns the events of one message, in order. */
  eventsOf(id: string): string[];
}

type Options = Partial<MailboxOptions & DurableOptions> & { storage: Storage };

/** Opens X26ABC1 without starting it. Its retries within a request are off, so that the outbox's own are tested. */
export function outboxAt(server: Address & { close?: () => Promise<void> }, options: Options): TestOutbox {
  const mailbox = openMailbox({ ...accessTo(server), retry: { attempts: 1 }, ...options });
  const events: OutboxEvent[] = [];
  const states: OutboxState[] = [];
  mailbox.outbox.onEvent((event) => events.push(event));
  mailbox.onSending((state) => states.push(state));
  // With its server: a request that the server holds back would keep the mailbox open for five seconds.
  afterThisTest(() => Promise.all([mailbox.close(), server.close?.()]));
  const eventsOf = (id: string): string[] =>
    events.filter(({ message }) => message.id === id).map(({ event }) => event);
  return Object.assign(mailbox, { events, states, eventsOf });
}

/** Returns a message to X26ABC2. */
export const letter = (payload: string | Buffer = 'letter', more: object = {}) => ({
  to: 'X26ABC2',
  workflowId: 'TEST_WORKFLOW',
  payload,
  ...more,
});
