/** Durable mailboxes at a sandbox, in a folder of their own; closed after the test. */
import { openMailbox, openStorage, type DurableMailbox, type OutboxEvent, type Storage } from '../../lib/index';
import type { DurableOptions, MailboxOptions, OutboxState } from '../../lib/index';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../lib/sandbox/index';
import { Spool } from '../../lib/payload/spool';
import type { TestOptions } from '../../lib/store/sqlite/database';
import { openSqliteStore, type SqliteStore } from '../../lib/store/sqlite/open-sqlite-store';
import { join } from 'node:path';
import { serverCertificate } from './certificates';
import { afterThisTest, emptyFolder } from './cleanup';

/** A sandbox with TLS, under the certificate that all tests share: to make one for each would take their time. */
export async function tlsSandbox(options: SandboxOptions = {}): Promise<Sandbox & { ca: string }> {
  const { ca, server } = await serverCertificate();
  const started = await startSandbox({ tls: server, ...options });
  afterThisTest(() => started.close());
  return Object.assign(Object.create(started) as Sandbox, { ca, close: () => started.close() });
}

/** The state in `folder`, or in an empty one. */
export async function storageIn(folder?: string): Promise<Storage> {
  const storage = await openStorage({ folder: folder ?? (await emptyFolder()) });
  afterThisTest(() => storage.close());
  return storage;
}

/** A state whose store may grow by so many pages only. */
export const smallStorage = (spareMaxPages: number): Promise<Storage> => storageWith({ spareMaxPages });

/** A state whose store is slow or small. */
export async function storageWith(test: TestOptions): Promise<Storage & { store: SqliteStore }> {
  const folder = await emptyFolder();
  const store = await openSqliteStore({ folder, test });
  afterThisTest(() => store.close());
  const spool = await Spool.open(join(folder, 'spool'));
  return { folder, store, spool, scratch: spool, close: () => store.close() };
}

/** A mailbox with what it told. */
export interface TestOutbox extends DurableMailbox {
  readonly events: OutboxEvent[];
  readonly states: OutboxState[];
  /** Events of one message, in order. */
  eventsOf(id: string): string[];
}

type Options = Partial<MailboxOptions & DurableOptions> & { storage: Storage };

/** X26ABC1, not yet started. Its retries within a request are off: what is tested is the outbox's own. */
export function outboxAt(server: { url: string; ca: string | undefined }, options: Options): TestOutbox {
  const mailbox = openMailbox({
    environment: server.url,
    mailboxId: 'X26ABC1',
    password: 'password',
    sharedKey: 'TestKey',
    ...(server.ca === undefined ? {} : { tls: { ca: server.ca } }),
    retry: { attempts: 1 },
    ...options,
  });
  const events: OutboxEvent[] = [];
  const states: OutboxState[] = [];
  mailbox.outbox.onEvent((event) => events.push(event));
  mailbox.onSending((state) => states.push(state));
  afterThisTest(() => mailbox.close());
  const eventsOf = (id: string): string[] =>
    events.filter(({ message }) => message.id === id).map(({ event }) => event);
  return Object.assign(mailbox, { events, states, eventsOf });
}

/** A message to X26ABC2. */
export const letter = (payload: string | Buffer = 'letter', more: object = {}) => ({
  to: 'X26ABC2',
  workflowId: 'TEST_WORKFLOW',
  payload,
  ...more,
});

/** Waits until `fact`, which may ask a store, holds; fails after ten seconds, saying which. */
export async function eventually(what: string, fact: () => unknown, patienceMs = 10_000): Promise<void> {
  const end = Date.now() + patienceMs;
  while (!(await fact())) {
    if (Date.now() > end) throw new Error(`in vain waited for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
