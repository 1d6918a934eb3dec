/** What a mapping did not do: nothing that a message says is dropped in silence. */

/** A place of the message, with how often it was met. */
interface Counted {
  /** A path into the message, without the value that stands there. */
  path: string;
  count: number;
}

/** `msg.mapping`. Plain JSON. */
export interface MappingReport {
  map: { name: string; version: string };
  /** Whether everything that has a value was mapped: the four lists are empty. */
  complete: boolean;
  /** Values for which the map has no row. */
  unmapped: Counted[];
  /** Codes for which a table has none. The code is here so that a person can add it. */
  withoutCode: Array<Counted & { row: string; table: string; system?: string; code: string }>;
  /** Values whose rows all have a condition, and none held. */
  conditions: Array<Counted & { row: string; condition: string }>;
  /** Values that no row could write: they are not what their type says, or the element had been written. */
  notWritten: Array<Counted & { row: string; reason: NotWritten }>;
  /** Which row wrote which element, where it was asked for. */
  rows?: Array<{ row: string; path: string; target: string; resource: string }>;
  /** True when a list has reached its limit: there was more. */
  truncated?: true;
}

/**
 * Why a value was not written: it is not what its data type says; a row before has written the element; no segment has
 * opened the resource, or nothing has made the element to which it belongs; or HL7's null, which deletes a value.
 */
export type NotWritten = 'not-of-its-type' | 'written-before' | 'no-resource' | 'deleted';

/** Entries of one list. A message has as many different paths as it has different segments. */
const MAX_ENTRIES = 1000;
/** Rows of a trace, which a preview shows. */
const MAX_TRACE = 20_000;

/** Collects what a {@link MappingReport} says. */
export class Reporter {
  readonly #entries = { unmapped: new Map(), withoutCode: new Map(), conditions: new Map(), notWritten: new Map() };
  readonly #trace: NonNullable<MappingReport['rows']> = [];
  #truncated = false;

  constructor(
    readonly map: MappingReport['map'],
    readonly isTraced: boolean,
  ) {}

  unmapped(path: string): void {
    this.#add('unmapped', path, { path });
  }

  withoutCode(entry: { row: string; path: string; table: string; system: string | undefined; code: string }): void {
    const { system, ...rest } = entry;
    const key = [entry.row, entry.path, system, entry.code].join('\0');
    this.#add('withoutCode', key, system === undefined ? rest : { ...rest, system });
  }

  condition(row: string, path: string, condition: string): void {
    this.#add('conditions', `${row}\0${path}`, { row, path, condition });
  }

  notWritten(row: string, path: string, reason: NotWritten): void {
    this.#add('notWritten', `${row}\0${path}\0${reason}`, { row, path, reason });
  }

  wrote(row: string, path: string, target: string, resource: string): void {
    if (!this.isTraced) return;
    if (this.#trace.length < MAX_TRACE) this.#trace.push({ row, path, target, resource });
    else this.#truncated = true;
  }

  report(): MappingReport {
    const lists = Object.fromEntries(Object.entries(this.#entries).map(([name, map]) => [name, [...map.values()]]));
    const complete = Object.values(lists).every((list) => list.length === 0);
    return {
      map: { name: this.map.name, version: this.map.version },
      complete,
      ...(lists as unknown as Pick<MappingReport, 'unmapped' | 'withoutCode' | 'conditions' | 'notWritten'>),
      ...(this.isTraced ? { rows: this.#trace } : {}),
      ...(this.#truncated ? { truncated: true } : {}),
    };
  }

  #add(list: 'unmapped' | 'withoutCode' | 'conditions' | 'notWritten', key: string, entry: object): void {
    const entries = this.#entries[list] as Map<string, { count: number }>;
    const known = entries.get(key);
    if (known) known.count += 1;
    else if (entries.size < MAX_ENTRIES) entries.set(key, { ...entry, count: 1 });
    else this.#truncated = true;
  }
}
