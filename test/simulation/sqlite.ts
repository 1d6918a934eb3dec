/**
 * SQLite on the simulated disk: a WebAssembly build whose file system is ours. It runs in this thread, within one step
 * of the schedule, as if the store's worker had done its work at that moment.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import '../../lib/store/sqlite/quiet';
import type { Database, OpenOptions, Statement } from '../../lib/store/sqlite/driver';
import { openEngine, type Engine } from '../../lib/store/sqlite/engine';
import { toPosted } from '../../lib/store/sqlite/failures';
import { CLOSE, type WorkerData, type WorkerMessage } from '../../lib/store/sqlite/messages';
import type { StoreWorker } from '../../lib/store/sqlite/open-sqlite-store';
import type { Call } from '../../lib/store/sqlite/shared-commits';
import { MAX_BATCH } from '../../lib/store/rules/batches';
import { Node, systemError, type Disk } from './disk';
import type { Descriptors } from './files';
import type { SeededRandom } from './random';
import type { Life, Schedule } from './schedule';

const FILE = createRequire(__filename).resolve('node-sqlite3-wasm');

/**
 * The build's JavaScript. A full disk is reported as SQLite's own VFS reports it, and not as an error of the disk; and
 * its memory can be reached.
 */
const SOURCE =
  replaced(
    readFileSync(FILE, 'utf8'),
    'return bytesWritten!=bytes?SQLITE_IOERR_WRITE:SQLITE_OK}catch{return SQLITE_IOERR_WRITE}',
    'return bytesWritten!=bytes?SQLITE_IOERR_WRITE:SQLITE_OK}catch(e){return e.code==="ENOSPC"?13:SQLITE_IOERR_WRITE}',
  ) + ';Module.stack={save:stackSave,restore:stackRestore};Module.memory=wasmMemory;';

/** What the build takes from its surroundings. */
const PARAMETERS = ['require', 'module', 'exports', '__filename', '__dirname', 'Date', 'performance'];

/** The part of the build that is used here. */
interface WasmStatement {
  all(values: unknown[]): Array<Record<string, never>>;
  run(values: unknown[]): { changes: number; lastInsertRowid: number };
  finalize(): void;
  _reset(): boolean;
  _getColumnNames(): string[];
}
interface WasmDatabase {
  readonly inTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): WasmStatement;
  close(): void;
}
interface WasmSqlite {
  Database: new (file: string, options: { readOnly?: boolean }) => WasmDatabase;
  memory: WebAssembly.Memory;
  stack: { save(): number; restore(at: number): void };
}

/** What SQLite runs on. */
export interface SqliteParts {
  disk: Disk;
  descriptors: Descriptors;
  random: SeededRandom;
  /** Milliseconds since 1970. */
  now: () => number;
}

/** Returns the driver of one process (lib/store/sqlite/driver.ts). */
export function simulatedDriver(parts: SqliteParts): (file: string | URL, options: OpenOptions) => Database {
  const { Database } = restarted(parts);
  const open = (path: string, options: { readOnly?: boolean }): WasmDatabase => {
    if (surroundings !== parts) throw new Error('The process is over, and its SQLite belongs to another one.');
    return withCode(() => new Database(path, options));
  };
  return (file, options) => {
    if (typeof file === 'string') return new SimulatedDatabase(open(file, {}), options);
    const copy = immutableCopy(parts.disk, fileURLToPath(file));
    try {
      return new SimulatedDatabase(open(copy, { readOnly: true }), {});
    } finally {
      parts.disk.put(copy, undefined);
    }
  };
}

/** `immutable=1` reads the file alone, past its log and without a lock: so does a copy in the old journal's mode. */
function immutableCopy(disk: Disk, path: string): string {
  const copy = `${path}-immutable`;
  const node = disk.find(path)?.copy() ?? new Node(false, 0, 0o600, 0);
  if (node.size > 20) node.write(18, Buffer.from([1, 1]));
  disk.put(copy, node);
  return copy;
}

/** The names of the columns of each statement, by its text: asking for them costs more than most queries. */
const columnNames = new Map<string, string[]>();

/** A database of the process that runs now. @throws Error with SQLite's code, as node:sqlite's */
class SimulatedDatabase implements Database {
  readonly #database: WasmDatabase;
  readonly #statements: WasmStatement[] = [];
  readonly #process = surroundings;

  constructor(database: WasmDatabase, { enableForeignKeyConstraints }: OpenOptions) {
    this.#database = database;
    if (enableForeignKeyConstraints) this.exec('PRAGMA foreign_keys = ON');
  }

  get isTransaction(): boolean {
    return this.#use(() => this.#database.inTransaction);
  }

  exec(sql: string): void {
    this.#use(() => this.#database.exec(sql));
  }

  prepare(sql: string): Statement {
    const statement = this.#use(() => this.#database.prepare(sql));
    this.#statements.push(statement);
    const names = columnNames.get(sql) ?? statement._getColumnNames();
    columnNames.set(sql, names);
    statement._getColumnNames = () => names;
    const use = <Result>(work: () => Result): Result =>
      this.#use(() => {
        try {
          return work();
        } finally {
          // A statement that is not reset keeps its transaction from ending.
          statement._reset();
        }
      });
    return {
      all: (...values) => use(() => statement.all(values)),
      get: (...values) => use(() => statement.all(values)[0]),
      run: (...values) => use(() => statement.run(values)),
    };
  }

  close(): void {
    // As node:sqlite does: an open statement keeps the database, and its lock.
    this.#use(() => {
      for (const statement of this.#statements.splice(0)) statement.finalize();
      this.#database.close();
    });
  }

  /** The memory of SQLite belongs to the process that runs now. */
  #use<Result>(work: () => Result): Result {
    if (surroundings !== this.#process) throw new Error('The process is over, and its database with it.');
    return withCode(work);
  }
}

/** SQLite's result codes by its messages (its result codes), which is all that the build passes on. */
const CODES: ReadonlyArray<[RegExp, number]> = [
  [/^database is locked/, 5],
  [/locked/, 6],
  [/readonly/, 8],
  [/^disk I\/O error/, 10],
  [/malformed/, 11],
  [/is full/, 13],
  [/unable to open|^Could not open/, 14],
  [/constraint failed/, 19],
  [/not a database/, 26],
];

function withCode<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    const { message } = error as Error;
    const errcode = CODES.find(([words]) => words.test(message))?.[1];
    throw Object.assign(new Error(message), errcode === undefined ? {} : { errcode });
  }
}

/** What SQLite reaches now: that of the process that was started last. */
let surroundings: SqliteParts | undefined;
/** The build, once in each thread, and how to give it the memory that it had when it was new. */
let build: { sqlite: WasmSqlite; renew: () => void } | undefined;

/** Returns SQLite as it is at the start of a process. What an earlier process had of it is gone. */
function restarted(parts: SqliteParts): WasmSqlite {
  surroundings = parts;
  build ??= instantiate();
  build.renew();
  return build.sqlite;
}

/** The parts of the process that runs now. */
function current(): SqliteParts {
  if (!surroundings) throw new Error('SQLite runs outside a world.');
  return surroundings;
}

/**
 * Starts the build with our file system, randomness and clock in the place of Node's. A process gets its memory anew,
 * and not the build: instances cost milliseconds, and so does code that has not been run often.
 */
function instantiate(): { sqlite: WasmSqlite; renew: () => void } {
  const modules: Record<string, unknown> = {
    'node:fs': fileSystem(),
    'node:crypto': { randomFillSync: (bytes: Uint8Array) => bytes.set(current().random.bytes(bytes.length)) },
    'node:path': require('node:path'),
  };
  const made: { exports: unknown } = { exports: {} };
  const clock = { now: () => current().now() };
  // oxlint-disable-next-line typescript/no-implied-eval -- the build asks for its file system by `require`
  const start = new Function(...PARAMETERS, SOURCE) as (...values: unknown[]) => void;
  start((name: string) => modules[name], made, made.exports, FILE, dirname(FILE), clock, clock);
  const sqlite = made.exports as WasmSqlite;
  const { memory, stack } = sqlite;
  const before = new Uint8Array(memory.buffer);
  // Behind this, new memory is empty.
  const used = before.slice(0, before.findLastIndex((byte) => byte !== 0) + 1);
  const top = stack.save();
  const renew = (): void => {
    const bytes = new Uint8Array(memory.buffer);
    bytes.set(used);
    bytes.fill(0, used.length);
    stack.restore(top);
  };
  return { sqlite, renew };
}

/** Made once: SQLite asks at every transaction whether a file is there. */
const NOT_THERE = systemError('ENOENT', 'access');

/** The functions of node:fs that the build calls. Locks are a process's, and end with it. */
function fileSystem(): Record<string, unknown> {
  return {
    constants: { F_OK: 0, R_OK: 4, W_OK: 2, O_RDONLY: 0, O_RDWR: 2, O_CREAT: 64, O_EXCL: 128 },
    // The build itself, from the real disk.
    readFileSync,
    accessSync(path: string) {
      const { disk, descriptors } = current();
      if (!descriptors.locks.has(path) && !disk.find(path)) throw NOT_THERE;
    },
    openSync: (path: string, flags: number | string, mode?: number) => current().descriptors.open(path, flags, mode),
    closeSync: (descriptor: number) => current().descriptors.close(descriptor),
    readSync(descriptor: number, into: Uint8Array, _offset: number, bytes: number, at: bigint) {
      const { disk, descriptors } = current();
      disk.access('read', 'read');
      const found = descriptors.get(descriptor).bytes.subarray(Number(at), Number(at) + bytes);
      into.set(found);
      return found.length;
    },
    writeSync(descriptor: number, from: Uint8Array, _offset: number, bytes: number, at: number) {
      const { disk, descriptors } = current();
      disk.write(descriptors.get(descriptor), at, from);
      return bytes;
    },
    fsyncSync(descriptor: number) {
      const { disk, descriptors } = current();
      disk.sync(descriptors.get(descriptor));
    },
    ftruncateSync(descriptor: number, size: number) {
      const { disk, descriptors } = current();
      disk.truncate(descriptors.get(descriptor), size);
    },
    fstatSync: (descriptor: number) => ({ size: BigInt(current().descriptors.get(descriptor).size) }),
    unlinkSync(path: string) {
      const { disk } = current();
      if (!disk.find(path)) throw systemError('ENOENT', 'unlink');
      disk.remove(path);
    },
    mkdirSync(path: string) {
      const { locks } = current().descriptors;
      if (locks.has(path)) throw systemError('EEXIST', 'mkdir');
      locks.add(path);
    },
    rmdirSync: (path: string) => void current().descriptors.locks.delete(path),
  };
}

/** The store's worker of one process (lib/store/sqlite/open-sqlite-store.ts), which answers within a step. */
export class SimulatedWorker implements StoreWorker {
  readonly #schedule: Schedule;
  readonly #life: Life;
  readonly #delay: () => number;
  readonly #listeners: Array<(message: WorkerMessage) => void> = [];
  readonly #ended: Array<() => void> = [];
  #engine: Engine | undefined;
  #waiting: Array<Call[] | typeof CLOSE> = [];
  #isDue = false;

  constructor(data: WorkerData, schedule: Schedule, life: Life, delay: () => number) {
    this.#schedule = schedule;
    this.#life = life;
    this.#delay = delay;
    this.#soon(() => {
      try {
        this.#engine = openEngine(data);
        this.#post({ opened: true });
      } catch (error) {
        this.#post({ failed: toPosted(error) });
      }
    });
  }

  on(_event: 'message', listener: (message: WorkerMessage) => void): void {
    this.#listeners.push(listener);
  }

  once(event: 'error' | 'exit', listener: (cause?: unknown) => void): void {
    if (event === 'exit') this.#ended.push(listener);
  }

  postMessage(message: Call[] | typeof CLOSE): void {
    this.#waiting.push(message);
    if (this.#isDue) return;
    this.#isDue = true;
    this.#soon(() => this.#work());
  }

  ref(): void {
    // A simulation ends when it is over.
  }

  unref(): void {
    // As `ref`.
  }

  /** As the worker does: what has come meanwhile shares commits. */
  #work(): void {
    this.#isDue = false;
    const messages = this.#waiting.splice(0);
    const calls = messages.flatMap((message) => (message === CLOSE ? [] : message));
    while (calls.length > 0) {
      const results = this.#engine?.run(copied(calls.splice(0, MAX_BATCH))) ?? [];
      this.#post({ results: copied(results) });
    }
    if (!messages.includes(CLOSE)) return;
    this.#engine?.close();
    this.#soon(() => this.#ended.forEach((end) => end()));
  }

  #post(message: WorkerMessage): void {
    this.#soon(() => this.#listeners.forEach((listen) => listen(message)));
  }

  #soon(run: () => void): void {
    this.#schedule.in(this.#delay(), run, this.#life);
  }
}

/** Returns what another thread gets of a message: as structuredClone does, in a fraction of its time. */
function copied<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'function') throw new Error('A message to another thread has no functions.');
    return value;
  }
  if (Array.isArray(value)) return value.map(copied) as Value;
  if (value instanceof Uint8Array) return new Uint8Array(value) as Value;
  const { constructor } = value;
  if (constructor !== undefined && constructor !== Object) return structuredClone(value);
  const copy: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(value)) copy[name] = copied(part as unknown);
  return copy as Value;
}

function replaced(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error('node-sqlite3-wasm is another version than the simulation knows.');
  return text.replace(from, to);
}
