/**
 * What other instances do is told by NOTIFY, and heard on a connection of its own. It only saves waiting: a notice may be
 * missed while that connection is broken, so whoever listens looks by himself now and then, and after a break at once.
 */
import type { Client, Notification } from 'pg';
import type { RemoteChange } from '../store';
import type { Connections } from './connections';
import { showPresence, stillAlive } from './instances';
import { queriesOn } from './queries';

const AGAIN_AFTER_MS = 2000;
/** A connection that is dead and does not know it: asked so often. */
const ALIVE_EVERY_MS = 30_000;

/** Whether a connection keeps the program alive: the driver's types do not have it. */
interface KeepsAlive {
  ref(): void;
  unref(): void;
}

/** Hears for one store. */
export class Notices {
  readonly #connections: Connections;
  readonly #own: string;
  readonly #listeners = new Map<string, Set<(change: RemoteChange) => void>>();
  readonly #closing = new AbortController();
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `own` marks what this instance tells, which it does not hear. */
  constructor(connections: Connections, own: string) {
    this.#connections = connections;
    this.#own = own;
  }

  /** Begins to hear. Throws if the database is away; later breaks are mended. */
  async open(): Promise<void> {
    const client = await this.#connections.single();
    client.on('notification', (notice) => this.#heard(notice));
    client.once('end', () => this.#again(client));
    await client.query(`LISTEN "${this.#connections.schema}"`);
    this.#client = client;
    if (this.#closing.signal.aborted) {
      await client.end();
      return;
    }
    const queries = queriesOn(client);
    const alive = (): Promise<void> => stillAlive(queries, this.#own);
    await alive();
    await showPresence(queries, this.#connections.schema, this.#own);
    this.#timer = setInterval(() => void alive().catch(() => client.end()), ALIVE_EVERY_MS);
    this.#timer.unref();
    // Listening does not keep a program alive.
    (client as Client & KeepsAlive).unref();
  }

  /** Calls `listener` for what others do with the mailbox; gives a function that ends it. */
  on(mailbox: string, listener: (change: RemoteChange) => void): () => void {
    const listeners = this.#listeners.get(mailbox) ?? new Set();
    this.#listeners.set(mailbox, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#timer);
    // Whoever closes waits for it, though.
    (this.#client as (Client & KeepsAlive) | undefined)?.ref();
    await this.#client?.end().catch(() => undefined);
  }

  #again(broken: Client): void {
    if (this.#client === broken) this.#client = undefined;
    clearInterval(this.#timer);
    if (this.#closing.signal.aborted) return;
    setTimeout(() => {
      if (this.#closing.signal.aborted) return;
      this.open().then(
        () => this.#tellAll({ kind: 'missed' }),
        () => this.#again(broken),
      );
    }, AGAIN_AFTER_MS).unref();
  }

  /** `from kind subject mailbox`; a mailbox key has spaces, the others have none. */
  #heard({ payload = '' }: Notification): void {
    const [from, kind, subject = '', ...rest] = payload.split(' ');
    if (from === this.#own) return;
    const listeners = this.#listeners.get(rest.join(' ')) ?? [];
    const change = changeOf(kind, subject);
    if (change) for (const listener of listeners) listener(change);
  }

  #tellAll(change: RemoteChange): void {
    for (const listeners of this.#listeners.values()) for (const listener of listeners) listener(change);
  }
}

function changeOf(kind: string | undefined, subject: string): RemoteChange | undefined {
  if (kind === 'out') return { kind, id: subject };
  if (kind === 'in') return { kind, messageId: subject };
  // Whoever waits for a lease asks for it; that it is another role's does no harm.
  return kind === 'lease' ? { kind } : undefined;
}
