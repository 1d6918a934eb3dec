/**
 * A table of codes in memory, built row by row. Codes are compared without the blanks around them; blanks within, leading
 * zeros and, unless the table ignores it, case count (docs/code-tables.md, "How codes are compared").
 */
import { printable } from '../../errors';
import type { CsvFinding } from '../../formats/csv/check';
import { checkDigitFault } from './check-digits';
import { systemUri } from './systems';
import {
  EQUIVALENCES,
  type CodeLookup,
  type CodeRow,
  type CodeTable,
  type CodeTarget,
  type Equivalence,
} from './types';

/** Maximum number of rows: about 335 MiB in memory (docs/code-tables.md, "Size"). */
export const MAX_ROWS = 1_000_000;
/** Maximum number of characters of a code and of a code system's name. */
const MAX_CODE = 255;
/** Maximum number of characters of a display. */
const MAX_DISPLAY = 1000;
/** Maximum number of source systems: a look-up without a system asks each of them. */
const MAX_SYSTEMS = 100;
/** How many errors, and how many warnings, are kept; the rest is counted. */
const MAX_FINDINGS = 100;

/** What a table is called and how it behaves. */
export interface CodeTableOptions {
  name: string;
  /** Default: the beginning of the SHA-256 of the content. */
  version?: string | undefined;
  /** Whether upper and lower case are the same in source codes. Default: false. */
  ignoreCase?: boolean;
  /** What several targets of one code are. Default: an error. */
  several?: 'refuse' | 'priority';
  /** The code systems of rows that name none. Without a source system a row is of any. */
  sourceSystem?: string | undefined;
  targetSystem?: string | undefined;
}

/** The names of the columns as findings show them. */
export type CodeColumns = Record<Exclude<keyof CodeRow, 'at'>, string>;

/** A table that was read. */
interface ReadTable extends CodeTable {
  find(system: string | undefined, code: string): CodeLookup;
  /** Returns the first rows with a text in their code, target or display, and how many there are. */
  search(text: string, limit: number): { matches: ShownCode[]; matchCount: number };
}

/** What was read. Whatever is wrong with the content is a finding, which names lines and columns, never a value. */
export interface ReadCodes {
  /** Undefined where there is any error. */
  table: ReadTable | undefined;
  /** How many rows were read, those with errors included. */
  rows: number;
  /** The first ones; `errorCount` and `warningCount` count all. */
  errors: CsvFinding[];
  errorCount: number;
  warnings: CsvFinding[];
  warningCount: number;
  /** Whether the file's last line ends with a line end: one that does not may be incomplete. */
  endsWithLineEnd?: boolean;
}

type Entry = CodeTarget | readonly CodeTarget[];

/** What a ConceptMap prescribes for the codes of a source system that it does not have. */
export type DefaultTarget = (code: string) => CodeTarget;

/** Rows without a source system: of any. */
const ANY = '';
const NOTHING: readonly CodeTarget[] = [];

class Codes implements ReadTable {
  constructor(
    readonly name: string,
    readonly version: string,
    private readonly systems: ReadonlyMap<string, ReadonlyMap<string, Entry>>,
    private readonly defaults: ReadonlyMap<string, DefaultTarget>,
    private readonly ignoreCase: boolean,
  ) {}

  look(system: string | undefined, code: string): CodeTarget | undefined {
    const result = this.find(system, code);
    return result.outcome === 'found' ? result.target : undefined;
  }

  find(system: string | undefined, code: string): CodeLookup {
    const key = keyOf(code, this.ignoreCase);
    const uri = system === undefined ? ANY : systemUri(system);
    const own = this.systems.get(uri)?.get(key) ?? this.systems.get(ANY)?.get(key);
    if (own !== undefined) return lookupOf(own);
    if (uri === ANY) {
      const found = [...this.systems.values()].map((codes) => codes.get(key)).filter((entry) => entry !== undefined);
      if (found.length > 1) return { outcome: 'ambiguous' };
      if (found[0] !== undefined) return lookupOf(found[0]);
    }
    const other =
      this.defaults.get(uri) ?? (this.defaults.size === 1 && uri === ANY ? [...this.defaults.values()][0] : undefined);
    if (other === undefined || key === '') return { outcome: 'unknown' };
    return { outcome: 'found', target: other(code.trim()), alternatives: NOTHING, isDefault: true };
  }

  search(text: string, limit: number): { matches: ShownCode[]; matchCount: number } {
    const wanted = text.trim().toLowerCase();
    const matches: ShownCode[] = [];
    let matchCount = 0;
    for (const [sourceSystem, codes] of this.systems) {
      for (const [source, entry] of codes) {
        for (const target of isList(entry) ? entry : [entry]) {
          if (!isMatch(wanted, source, target)) continue;
          matchCount += 1;
          if (matches.length < limit)
            matches.push({ ...(sourceSystem !== ANY && { sourceSystem }), source, ...target });
        }
      }
    }
    return { matches, matchCount };
  }
}

/** A row of a table, for a person who looks through it. */
interface ShownCode extends CodeTarget {
  readonly sourceSystem?: string;
  readonly source: string;
}

function keyOf(code: string, ignoreCase: boolean): string {
  const trimmed = code.trim();
  return ignoreCase ? trimmed.toLowerCase() : trimmed;
}

function lookupOf(entry: Entry): CodeLookup {
  const [target, ...alternatives] = isList(entry) ? entry : [entry];
  if (target === undefined || isNoTarget(target.equivalence)) return { outcome: 'unmatched' };
  return { outcome: 'found', target, alternatives };
}

function isMatch(wanted: string, source: string, { code, display = '' }: CodeTarget): boolean {
  return wanted === '' || [source, code, display].some((text) => text.toLowerCase().includes(wanted));
}

const isList = (entry: Entry): entry is readonly CodeTarget[] => Array.isArray(entry);

/** Whether the relation says that there is no target. */
export function isNoTarget(equivalence: string | undefined): boolean {
  return equivalence === 'unmatched' || equivalence === 'disjoint';
}

/** Builds one table. */
export class CodeTableBuilder {
  readonly #options: CodeTableOptions;
  readonly #columns: CodeColumns;
  readonly #systems = new Map<string, Map<string, Entry>>();
  readonly #defaults = new Map<string, DefaultTarget>();
  readonly #sourceSystem: string;
  readonly #targetSystem: string;
  readonly #errors: CsvFinding[] = [];
  readonly #warnings: CsvFinding[] = [];
  #errorCount = 0;
  #warningCount = 0;
  #rows = 0;

  constructor(options: CodeTableOptions, columns: CodeColumns) {
    this.#options = options;
    this.#columns = columns;
    this.#sourceSystem = systemUri(options.sourceSystem ?? '');
    this.#targetSystem = systemUri(options.targetSystem ?? '');
  }

  /** Whether more rows are useless: the table has more than {@link MAX_ROWS}. */
  get isFull(): boolean {
    return this.#rows > MAX_ROWS;
  }

  /** Takes a row, or notes what is wrong with it. */
  add(row: CodeRow): void {
    this.#rows += 1;
    if (this.isFull) {
      this.error({ rule: 'rows', text: `The table has more than ${MAX_ROWS} rows, the maximum.` });
      return;
    }
    const source = row.source.trim();
    const target = this.#targetOf(row);
    const isGood = this.#isCode(row, 'source', source) && target !== undefined;
    if (!isGood) return;
    const system = systemUri(row.sourceSystem ?? '') || this.#sourceSystem;
    if (!this.#isCode(row, 'sourceSystem', system, true)) return;
    const codes = this.#codesOf(system);
    if (codes === undefined) {
      this.#rowError(row, 'sourceSystem', 'systems', `The table has more than ${MAX_SYSTEMS} source systems.`);
      return;
    }
    this.#warnOfCheckDigit(row, 'source', system, source);
    if (target.code !== '') this.#warnOfCheckDigit(row, 'target', target.system, target.code);
    this.#put(row, codes, keyOf(source, this.#options.ignoreCase === true), target);
  }

  /** Sets what the codes of a source system that the table does not have become. */
  setDefault(sourceSystem: string | undefined, target: DefaultTarget): void {
    this.#defaults.set(systemUri(sourceSystem ?? '') || this.#sourceSystem, target);
  }

  /** Notes an error that concerns no single row, or one that the reader found. */
  error(finding: CsvFinding): void {
    this.#errorCount += 1;
    if (this.#errors.length < MAX_FINDINGS) this.#errors.push(finding);
  }

  warn(finding: CsvFinding): void {
    this.#warningCount += 1;
    if (this.#warnings.length < MAX_FINDINGS) this.#warnings.push(finding);
  }

  /**
   * Returns the table, unless there is an error.
   * @param version used where the options have none
   */
  finish(version: string): ReadCodes {
    if (this.#rows === 0 && this.#errorCount === 0) this.error({ rule: 'rows', text: 'The table has no rows.' });
    const { name, version: own, ignoreCase = false } = this.#options;
    const isGood = this.#errorCount === 0;
    return {
      table: isGood ? new Codes(name, own || version, this.#systems, this.#defaults, ignoreCase) : undefined,
      rows: this.#rows,
      errors: this.#errors,
      errorCount: this.#errorCount,
      warnings: this.#warnings,
      warningCount: this.#warningCount,
    };
  }

  #targetOf(row: CodeRow): CodeTarget | undefined {
    const equivalence = (row.equivalence ?? '').trim().toLowerCase();
    if (equivalence !== '' && !isEquivalence(equivalence)) {
      this.#rowError(row, 'equivalence', 'values', 'The value is no equivalence of ConceptMap.');
      return undefined;
    }
    const priority = priorityOf(row.priority);
    if (Number.isNaN(priority)) {
      this.#rowError(row, 'priority', 'integer', 'The value is not a whole number.');
      return undefined;
    }
    const code = row.target.trim();
    const system = systemUri(row.targetSystem ?? '') || this.#targetSystem;
    const display = (row.display ?? '').trim();
    if (!this.#isCode(row, 'target', code, isNoTarget(equivalence))) return undefined;
    if (!this.#isCode(row, 'targetSystem', system, true)) return undefined;
    if (display.length > MAX_DISPLAY) {
      this.#rowError(row, 'display', 'length', `The value has more than ${MAX_DISPLAY} characters.`);
      return undefined;
    }
    return Object.freeze({
      ...(system !== '' && { system }),
      code,
      ...(display !== '' && { display }),
      ...(isEquivalence(equivalence) && { equivalence }),
      ...(typeof row.at === 'number' && { line: row.at }),
      ...(priority !== undefined && { priority }),
    });
  }

  /** Whether a value may be a code or the name of a code system; notes what is wrong with it. */
  #isCode(row: CodeRow, column: keyof CodeColumns, value: string, mayBeEmpty = false): boolean {
    if (value === '' && !mayBeEmpty) this.#rowError(row, column, 'required', 'The value is missing.');
    else if (value.length > MAX_CODE) {
      this.#rowError(row, column, 'length', `The value has more than ${MAX_CODE} characters.`);
    } else if (printable(value) !== value) {
      this.#rowError(
        row,
        column,
        'characters',
        'The value has a character that cannot be shown, such as a line break.',
      );
    } else return true;
    return false;
  }

  #codesOf(system: string): Map<string, Entry> | undefined {
    const known = this.#systems.get(system);
    if (known !== undefined) return known;
    if (this.#systems.size >= MAX_SYSTEMS) return undefined;
    const codes = new Map<string, Entry>();
    this.#systems.set(system, codes);
    return codes;
  }

  #put(row: CodeRow, codes: Map<string, Entry>, key: string, target: CodeTarget): void {
    const before = codes.get(key);
    if (before === undefined) {
      codes.set(key, target);
      return;
    }
    const all = isList(before) ? before : [before];
    const [first] = all;
    const where = first?.line === undefined ? 'is in the table already' : `is in line ${first.line} already`;
    if (this.#options.several !== 'priority') {
      this.#rowError(row, 'source', 'unique', `The code ${where}.`);
      return;
    }
    if (all.some((other) => rankOf(other) === rankOf(target))) {
      const text = `The code ${where}, with the same priority.`;
      this.#rowError(row, row.priority === undefined ? 'source' : 'priority', 'unique', text);
      return;
    }
    codes.set(
      key,
      [...all, target].sort((one, other) => rankOf(one) - rankOf(other)),
    );
  }

  #warnOfCheckDigit(row: CodeRow, column: 'source' | 'target', system: string | undefined, code: string): void {
    const fault = checkDigitFault(system, code);
    if (fault !== undefined) this.warn({ ...this.#place(row, column), ...fault });
  }

  #rowError(row: CodeRow, column: keyof CodeColumns, rule: string, text: string): void {
    this.error({ ...this.#place(row, column), rule, text });
  }

  #place({ at }: CodeRow, column: keyof CodeColumns): Pick<CsvFinding, 'line' | 'column'> {
    const name = this.#columns[column];
    return typeof at === 'number' ? { line: at, column: name } : { column: `${at}.${name}` };
  }
}

const isEquivalence = (value: string): value is Equivalence => (EQUIVALENCES as readonly string[]).includes(value);

/** Undefined for none; not a number for anything but a whole number. */
function priorityOf(value: string | number | undefined): number | undefined {
  const text = String(value ?? '').trim();
  if (text === '') return undefined;
  return /^-?\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}

/** A target without a priority comes after those that have one. */
const rankOf = ({ priority = Infinity }: CodeTarget): number => priority;
