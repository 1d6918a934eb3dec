/**
 * PostgreSQL notifications: instances NOTIFY each other of their changes, and LISTEN on a connection of its own.
 * Notifications only save waiting: one may be missed while the connection is broken, so listeners also look at the
 * store now and then, and at once after a break.
 */
import type { Client, Notification } from 'pg';
import type { RemoteChange } from '../store';
import type { Connections } from './connections';
import { showPresence, signOfLife } from './instances';
import { queriesOn } from './queries';

const RECONNECT_AFTER_MS = 2000;
/** How often a query finds out that the connection is dead, and shows the other instances that this one is alive. */
const ALIVE_EVERY_MS = 30_000;

/** How an instance is named in the notifications of its changes. */
export interface Notify {
  /** Name of the channel: the schema. */
  channel: string;
  /** Id of the instance. */
  from: string;
}

/** Whether a connection keeps the program alive: missing in the driver's types. */
interface KeepsAlive {
  ref(): void;
  unref(): void;
}

/** The notifications that one store receives. */
export class Notifications {
  readonly #connections: Connections;
  readonly #own: string;
  readonly #listeners = new Map<string, Set<(change: RemoteChange) => void>>();
  readonly #closing = new AbortController();
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `own` is the id of this instance, whose own notifications are ignored. */
  constructor(connections: Connections, own: string) {
    this.#connections = connections;
    this.#own = own;
  }

  /**
   * Begins to listen, and reconnects after every later break.
   * @throws StorageError when the database cannot be reached now
   */
  async open(): Promise<void> {
    const client = await this.#connections.single();
    client.on('notification', (notification) => this.#received(notification));
    client.once('end', () => this.#reconnect(client));
    await client.query(`LISTEN "${this.#connections.schema}"`);
    this.#client = client;
    if (this.#closing.signal.aborted) {
      await client.end();
      return;
    }
    const queries = queriesOn(client);
    const alive = (): Promise<void> => signOfLife(queries, this.#own);
    await alive();
    await showPresence(queries, this.#connections.schema, this.#own);
    this.#timer = setInterval(() => void alive().catch(() => client.end()), ALIVE_EVERY_MS);
    this.#timer.unref();
    // Listening does not keep a program alive.
    (client as Client & KeepsAlive).unref();
  }

  /** Calls `listener` for changes of other instances to the mailbox; returns a function that ends this. */
  on(mailbox: string, listener: (change: RemoteChange) => void): () => void {
    const listeners = this.#listeners.get(mailbox) ?? new Set();
    this.#listeners.set(mailbox, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#timer);
    // Closing does.
    (this.#client as (Client & KeepsAlive) | undefined)?.ref();
    await this.#client?.end().catch(() => undefined);
  }

  #reconnect(broken: Client): void {
    if (this.#client === broken) this.#client = undefined;
    clearInterval(this.#timer);
    if (this.#closing.signal.aborted) return;
    setTimeout(() => {
      if (this.#closing.signal.aborted) return;
      this.open().then(
        () => this.#notifyAll({ kind: 'missed' }),
        () => this.#reconnect(broken),
      );
    }, RECONNECT_AFTER_MS).unref();
  }

  /** `from kind subject mailbox`; a mailbox key has spaces, the others have none. */
  #received({ payload = '' }: Notification): void {
    const [from, kind, subject = '', ...rest] = payload.split(' ');
    if (from === this.#own) return;
    const listeners = this.#listeners.get(rest.join(' ')) ?? [];
    const change = changeOf(kind, subject);
    if (change) for (const listener of listeners) listener(change);
  }

  #notifyAll(change: RemoteChange): void {
    for (const listeners of this.#listeners.values()) for (const listener of listeners) listener(change);
  }
}

function changeOf(kind: string | undefined, subject: string): RemoteChange | undefined {
  if (kind === 'out') return { kind, id: subject };
  if (kind === 'in') return { kind, messageId: subject };
  // Who waits for a lease tries to take it; a lease of another role does no harm.
  return kind === 'lease' ? { kind } : undefined;
}
