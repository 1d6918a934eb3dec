/** The connections to the database: one small pool, TLS, and the settings of each session. */
import type { Client, ClientBase, ClientConfig, Pool, PoolClient } from 'pg';
import { readFileSync } from '../../files';
import { ConfigurationError } from '../../errors';
import { fileErrorPasses } from '../rules/opening';
import { asMeshError, isAway, isCollision } from './failures';
import { type Queries, queriesOn, type Watch } from './queries';

/** The database's address, and how to use it. */
export interface ConnectionOptions {
  /**
   * `postgres://user:password@host:port/database?sslmode=verify-full`. Several hosts for failover, separated by commas,
   * are tried in turn for one that accepts writes.
   */
  url: string;
  /** Certificate authorities (PEM) for the server's certificate. Default: the URL's `sslrootcert`, else Node's own. */
  ca?: string;
  /** The schema of all tables; made if it is not there. Default `mesh`. */
  schema: string;
  /** Maximum number of connections, besides the one that listens. Default 3. */
  connections?: number;
  /** Milliseconds that an operation waits for a database that cannot be reached, before it fails. Default 10,000. */
  patienceMs?: number;
  /** Set by tests only. */
  watch?: Watch;
}

const CONNECT_MS = 10_000;
/** With several hosts: another one is tried sooner than a silent one has timed out. */
const CONNECT_ONE_OF_MS = 3000;
/** A statement without a result after this time: the server or the way to it is gone, and TCP has not noticed. */
const STATEMENT_MS = 60_000;
/** The server ends a transaction whose client is silent for this time: a paused Node-RED must not hold its locks. */
const IDLE_IN_TRANSACTION_MS = 10_000;
const LOCK_MS = 20_000;
const RETRY_AFTER_MS = 250;

/**
 * How the server plans our statements: each is made for an index, and gets its plan once on each connection, perhaps
 * while the tables are empty. Without these, a plan that scans what was a small table then stays in use while the table
 * grows, until the server's upkeep has counted its rows; and JIT compiles for longer than a statement runs.
 */
export const PLANS = `SET enable_seqscan TO off; SET plan_cache_mode TO force_generic_plan; SET jit TO off`;

const SCHEMA = /^[a-z_][a-z0-9_]{0,62}$/;

type Driver = typeof import('pg');

/** A pool whose sessions are set up, and that retries while the database cannot be reached. */
export class Connections {
  readonly schema: string;
  readonly patienceMs: number;
  readonly #options: ConnectionOptions;
  /** One for each host of the URL. */
  readonly #configs: readonly ClientConfig[];
  readonly #pools: readonly Pool[];
  readonly #driver: Driver;
  /** The host that is used: the last one that was reached. */
  #at = 0;

  /**
   * Makes the pool, without connecting. The driver is loaded here: a Node-RED with SQLite does without it.
   * @throws ConfigurationError when the options cannot work
   */
  static async make(options: ConnectionOptions): Promise<Connections> {
    return new Connections(options, await import('pg'));
  }

  private constructor(options: ConnectionOptions, driver: Driver) {
    if (!SCHEMA.test(options.schema)) {
      throw new ConfigurationError('The name of the store’s schema may contain only lower-case letters, digits and _.');
    }
    this.schema = options.schema;
    this.#options = options;
    this.patienceMs = options.patienceMs ?? 10_000;
    this.#driver = driver;
    this.#configs = clientConfigs(options, driver);
    this.#pools = this.#configs.map((config) => this.#makePool(config));
  }

  #makePool(config: ClientConfig): Pool {
    const options = this.#options;
    const pool = new this.#driver.Pool({
      ...config,
      max: options.connections ?? 3,
      // An open store does not keep a program alive; a statement that waits for its result does.
      allowExitOnIdle: true,
      idleTimeoutMillis: 60_000,
      // Awaited, whatever its type says (pg-pool, newClient).
      onConnect: (client: ClientBase): unknown => this.#prepare(client),
    });
    // An error of an idle connection: the next use makes a new one.
    pool.on('error', () => undefined);
    return pool;
  }

  /**
   * Makes a connection outside the pool, e.g. to listen on. Close it with `end`.
   * @throws MeshError when it cannot be made
   */
  async single(): Promise<Client> {
    return await this.#connected((client) => this.#prepare(client));
  }

  /**
   * Checks that each connection has a session of its own at the server. A pooler that lends sessions for a transaction
   * only loses notifications, locks and settings, or gives them to other clients; nothing is set before this check.
   * @throws ConfigurationError when there is such a pooler; StorageError when the database cannot be reached
   */
  async requireOwnSessions(): Promise<void> {
    const nothing = async (): Promise<void> => undefined;
    const one = await this.#connected(nothing);
    try {
      const other = await this.#connected(nothing);
      try {
        if (await shareSessions(one, other)) throw poolerError();
      } finally {
        await other.end().catch(() => undefined);
      }
    } catch (error) {
      throw asMeshError(error);
    } finally {
      await one.end().catch(() => undefined);
    }
  }

  /** Connects to the first host that `prepare` accepts, beginning with the last one that was reached. */
  async #connected(prepare: (client: Client) => Promise<void>): Promise<Client> {
    let failure: unknown;
    for (const _config of this.#configs) {
      const at = this.#at;
      const client = new this.#driver.Client(this.#configs[at]);
      client.on('error', () => undefined);
      try {
        await client.connect();
        await prepare(client);
        return client;
      } catch (error) {
        failure = error;
        await client.end().catch(() => undefined);
        if (!isAway(error)) break;
        this.#leave(at);
      }
    }
    throw asMeshError(failure);
  }

  /** Turns to the next host, unless somebody has already. */
  #leave(at: number): void {
    if (this.#at === at) this.#at = (at + 1) % this.#configs.length;
  }

  /**
   * Runs `use` on a connection. If the database cannot be reached or the connection breaks, it runs again on another
   * one until the patience, counted from `since` (performance.now), ends: so it must be harmless to repeat.
   * @throws MeshError when it fails for another reason, or still fails at the end
   */
  async use<T>(use: (queries: Queries) => Promise<T>, since = performance.now()): Promise<T> {
    const end = since + this.patienceMs;
    for (;;) {
      try {
        return await this.#once(use);
      } catch (error) {
        if (!(isAway(error) || isCollision(error)) || performance.now() >= end) throw asMeshError(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
      }
    }
  }

  async #once<T>(use: (queries: Queries) => Promise<T>): Promise<T> {
    const at = this.#at;
    try {
      return await this.#onHost(at, use);
    } catch (error) {
      if (isAway(error)) this.#leave(at);
      throw error;
    }
  }

  async #onHost<T>(at: number, use: (queries: Queries) => Promise<T>): Promise<T> {
    const client: PoolClient = await (this.#pools[at] as Pool).connect();
    // While it is out of the pool, the waiting queries fail if it is lost; the event needs no other handling.
    const ignore = (): void => undefined;
    client.on('error', ignore);
    let broken = true;
    try {
      const result = await use(queriesOn(client, this.#options.watch));
      broken = false;
      return result;
    } finally {
      client.off('error', ignore);
      // After a failure a transaction may be half done on it.
      client.release(broken);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.end()));
  }

  async #prepare(client: ClientBase): Promise<void> {
    await client.query(
      `SET search_path TO "${this.schema}"; SET lock_timeout TO ${LOCK_MS}; SET timezone TO 'UTC';
       SET idle_in_transaction_session_timeout TO ${IDLE_IN_TRANSACTION_MS}; SET statement_timeout TO ${STATEMENT_MS};
       SET synchronous_commit TO on; SET default_transaction_isolation TO 'read committed'; ${PLANS}`,
    );
    if (this.#configs.length === 1) return;
    // What libpq's target_session_attrs=read-write asks (https://www.postgresql.org/docs/current/libpq-connect.html).
    const { rows } = await client.query<{ readonly: string }>(
      `SELECT current_setting('transaction_read_only') AS readonly`,
    );
    if (rows[0]?.readonly === 'on') {
      throw Object.assign(new Error('this host accepts no writes'), { code: '25006', severity: 'ERROR' });
    }
  }
}

/** Two connections that are both open have two sessions, and keep them, unless a pooler lends them. */
async function shareSessions(one: Client, other: Client): Promise<boolean> {
  const session = async (client: Client): Promise<number | undefined> => {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return rows[0]?.pid;
  };
  const first = await session(one);
  const second = await session(other);
  if (first === second) return true;
  // In this order also a pooler that lends its sessions in turn is found out.
  return (await session(other)) !== second || (await session(one)) !== first || (await session(one)) !== first;
}

function poolerError(): ConfigurationError {
  return new ConfigurationError('A pooler between Node-RED and the store’s database shares its sessions.', {
    advice:
      'Connect to the database itself, or through a pool in session mode (pgbouncer: pool_mode = session): with pooling ' +
      'by transaction or statement, notifications and locks are lost (docs/postgresql.md).',
  });
}

function clientConfigs(options: ConnectionOptions, driver: Driver): ClientConfig[] {
  const urls = urlsOf(options.url);
  const connectionTimeoutMillis = urls.length === 1 ? CONNECT_MS : CONNECT_ONE_OF_MS;
  return urls.map((url) => Object.assign(clientConfig(url, options.ca, driver), { connectionTimeoutMillis }));
}

/** Splits `postgres://user:password@one:5432,two:5433/database` into a URL for each host. */
function urlsOf(url: string): string[] {
  const [, start = '', hosts = '', rest = ''] = /^(\w+:\/\/(?:[^@/?]*@)?)([^/?]*)(.*)$/.exec(url) ?? [];
  return hosts.includes(',') ? hosts.split(',').map((host) => `${start}${host}${rest}`) : [url];
}

function clientConfig(address: string, ca: string | undefined, { TypeOverrides, types }: Driver): ClientConfig {
  const url = parsed(address);
  requireReadWrite(url);
  const ssl = tls(url, ca);
  for (const name of ['sslmode', 'sslrootcert', 'target_session_attrs']) url.searchParams.delete(name);
  // Counts and sequences are far below 2^53.
  const numbers = new TypeOverrides();
  numbers.setTypeParser(types.builtins.INT8, Number);
  return {
    connectionString: url.href,
    ssl,
    types: numbers,
    pipeline: true,
    keepAlive: true,
    query_timeout: STATEMENT_MS + 5000,
    application_name: 'nhs-mesh',
  };
}

function parsed(url: string): URL {
  const made = URL.canParse(url) ? new URL(url) : undefined;
  if (made && /^postgres(ql)?:$/.test(made.protocol)) return made;
  // The URL has a password in it, and is never shown.
  throw new ConfigurationError('The URL of the store is not a PostgreSQL URL.', {
    advice: 'Write postgres://user:password@host:5432/database, with special characters percent-encoded.',
  });
}

/**
 * Returns where a store is, without user and password: `postgresql://host:port/database, schema mesh`.
 * @throws ConfigurationError when the URL is none of PostgreSQL
 */
export function databasePlace(url: string, schema: string): string {
  const parts = urlsOf(url).map(parsed);
  const hosts = parts.map(({ host, searchParams }) => host || (searchParams.get('host') ?? ''));
  return `postgresql://${hosts.join(',')}${parts[0]?.pathname ?? ''}, schema ${schema}`;
}

/** A store is written to: a host that only reads is of no use. */
function requireReadWrite(url: URL): void {
  const wanted = url.searchParams.get('target_session_attrs') ?? 'read-write';
  if (['read-write', 'primary', 'any'].includes(wanted)) return;
  throw new ConfigurationError(`The URL of the store has target_session_attrs=${wanted.slice(0, 20)}.`, {
    advice: 'Write target_session_attrs=read-write, or leave it out: the store is written to.',
  });
}

/**
 * Verifies the server in full unless the database is on this machine or the URL says `sslmode=disable`: patients'
 * letters pass.
 */
function tls(url: URL, ca: string | undefined): ClientConfig['ssl'] {
  const mode = url.searchParams.get('sslmode');
  const isLocal =
    ['', 'localhost', '127.0.0.1', '[::1]'].includes(url.hostname) || url.searchParams.get('host')?.startsWith('/');
  if (mode === 'disable' || (mode === null && isLocal && ca === undefined)) return false;
  if (mode !== null && !['require', 'verify-ca', 'verify-full'].includes(mode)) {
    throw new ConfigurationError(`The URL of the store has sslmode=${mode.slice(0, 20)}, which verifies nothing.`, {
      advice: 'Write sslmode=verify-full, with sslrootcert=FILE if the authority is your own; or sslmode=disable.',
    });
  }
  const file = url.searchParams.get('sslrootcert');
  try {
    const authorities = ca ?? (file === null ? undefined : readFileSync(file, 'utf8'));
    return authorities === undefined ? {} : { ca: authorities };
  } catch (cause) {
    throw new ConfigurationError('The file named by sslrootcert in the store’s URL cannot be read.', {
      cause,
      passes: fileErrorPasses((cause as NodeJS.ErrnoException).code),
    });
  }
}
