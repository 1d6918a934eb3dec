/**
 * The table that a mesh-codes serves. A table in a file is read again, without a deploy, when the file has changed and
 * then rested for a look; what cannot be read, or may not be complete, never takes the place of a good table.
 */
import { realpath } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import {
  MeshError,
  payloadSource,
  readCodes,
  systemClock,
  tableOfRows,
  type CodeCsvOptions,
  type ReadCodes,
  type TypedCodeRow,
} from '../../lib/index';

/** How often a file is looked at (milliseconds). */
const LOOK_EVERY_MS = 1000;
/** A file that has lost more than this part of its rows while Node-RED ran is taken for one that was cut. */
const MAX_LOSS = 0.5;

/**
 * Why what was read last is not served.
 * - `faulty`: it has errors. `unreadable`: the file cannot be read
 * - `shrunk`: the file has lost most of its rows. `cut`: its last line does not end, which it did before
 */
export interface TableProblem {
  kind: 'faulty' | 'unreadable' | 'shrunk' | 'cut';
  /** Of `unreadable`: why. */
  cause?: MeshError | undefined;
  /** The system's code, such as ENOENT. */
  systemCode?: string | undefined;
  rows?: number;
}

/** What is served, and what was read last. */
export interface TableState {
  /** Undefined until a good table was read. */
  table: ReadCodes['table'];
  /** Rows of the table that is served. */
  rows: number;
  /** When it was read, in milliseconds since 1970. */
  readAt?: number;
  /** Of the latest read, whether its table is served or not. */
  latest?: ReadCodes;
  /** Undefined where what was read last is served. */
  problem?: TableProblem;
}

/** Where a table comes from. */
export type TablePlace = { file: string } | { rows: readonly TypedCodeRow[] };

export class ServedTable {
  readonly #place: TablePlace;
  readonly #options: CodeCsvOptions;
  readonly #changed: (state: TableState) => void;
  readonly #closing = new AbortController();
  readonly #first: Promise<void>;
  readonly #running: Promise<void>;
  #state: TableState = { table: undefined, rows: 0 };
  /** The state of the file that was read last, and the one that was seen last. */
  #read: object | undefined;
  #seen: object | undefined;
  #endsWithLineEnd = false;

  /** @param changed called after each read that changes what is served, or what is wrong */
  constructor(place: TablePlace, options: CodeCsvOptions, changed: (state: TableState) => void) {
    this.#place = place;
    this.#options = options;
    this.#changed = changed;
    this.#first = this.#readFirst();
    this.#running = this.#first.then(() => ('file' in place ? this.#watch() : undefined));
  }

  get state(): TableState {
    return this.#state;
  }

  /** Resolves when the table has been read for the first time, whether it is good or not. */
  ready(): Promise<void> {
    return this.#first;
  }

  /** Resolves when nothing is read any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #readFirst(): Promise<void> {
    if ('rows' in this.#place) this.#take(tableOfRows(this.#place.rows, this.#options), false);
    else await this.#readFile(this.#place.file, true);
  }

  async #watch(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      await systemClock.sleep(LOOK_EVERY_MS, this.#closing.signal);
      if ('file' in this.#place && !this.#closing.signal.aborted) await this.#readFile(this.#place.file, false);
    }
  }

  /** Reads the file if it has changed, and if it is as it was at the last look: it may still be written. */
  async #readFile(path: string, isFirst: boolean): Promise<void> {
    try {
      // A link is followed: the path is the administrator's, and containers mount files as links.
      const source = await payloadSource({ file: await realpath(path) });
      const { stamp = {} } = source;
      if (isDeepStrictEqual(stamp, this.#read)) return;
      const isAtRest = isFirst || isDeepStrictEqual(stamp, this.#seen);
      this.#seen = stamp;
      if (!isAtRest) return;
      const found = await readCodes(source, this.#options);
      this.#read = stamp;
      this.#take(found, !isFirst);
    } catch (error) {
      this.#cannotRead(error);
    }
  }

  #take(found: ReadCodes, mayBeCut: boolean): void {
    const { table, rows, endsWithLineEnd = true } = found;
    const isKnown = this.#state.table !== undefined;
    if (table === undefined) this.#refuse({ kind: 'faulty' }, found);
    else if (mayBeCut && isKnown && rows < this.#state.rows * MAX_LOSS) this.#refuse({ kind: 'shrunk', rows }, found);
    else if (mayBeCut && isKnown && this.#endsWithLineEnd && !endsWithLineEnd) this.#refuse({ kind: 'cut' }, found);
    else {
      this.#endsWithLineEnd = endsWithLineEnd;
      this.#state = { table, rows, readAt: Date.now(), latest: found };
      this.#changed(this.#state);
    }
  }

  #refuse(problem: TableProblem, latest?: ReadCodes): void {
    const { problem: _, latest: before, ...served } = this.#state;
    const kept = latest ?? before;
    this.#state = { ...served, ...(kept && { latest: kept }), problem };
    this.#changed(this.#state);
  }

  #cannotRead(error: unknown): void {
    const cause = error instanceof MeshError ? error : undefined;
    const systemCode = ((cause?.cause ?? error) as { code?: unknown } | undefined)?.code;
    const code = typeof systemCode === 'string' ? systemCode : undefined;
    const isReported = this.#state.problem?.kind === 'unreadable' && this.#state.problem.systemCode === code;
    // It is read again when it is back, although it may be the same as before.
    this.#read = undefined;
    if (!isReported) this.#refuse({ kind: 'unreadable', cause, systemCode: code });
  }
}
