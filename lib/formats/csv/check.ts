/**
 * Checks a delimited file by its schema, as it is read: nothing is kept of a row but its length, whether it was rejected
 * and, where values must be unique, a hash. What is found is told by line, column and rule, never with a value
 * (docs/design.md, rule 12).
 */
import { columnCheck, type Fault } from './columns';
import { BYTE_ORDER_MARK, detectEncoding, type CsvEncoded } from './encoding';
import { RowLengths, RowSet, type CsvLayout } from './layout';
import { isBlank, readRows, UnreadableRow, type CsvPosition, type CsvRow } from './reader';
import { otherColumn, wholePattern, type CsvCell, type CsvSchema } from './schema';
import type { CsvSource } from './source';
import { hashNumber, HashList, hashOf } from './unique';

/** Something that is wrong in a file. Plain JSON, without any value of the file. */
export interface CsvFinding {
  /** Undefined for what is wrong with the file as a whole. */
  line?: number;
  /** The column's name in the schema, or `column 5` where that does not name it. */
  column?: string;
  /** Stable, e.g. `required`, `column-count`, `nhs-number-check-digit`. */
  rule: string;
  text: string;
}

/** What a check has found. */
export interface CsvCheck extends CsvEncoded {
  bytes: number;
  /** Data rows: without leading rows, header and trailing rows. */
  rows: number;
  rejectedRows: number;
  /** Columns by name, in their order: the header's, or the schema's where there is none. */
  columns: string[];
  /** How many lines end in which way, blank ones and those of all other rows included. */
  lineEnds: Record<CsvRow['lineEnd'], number>;
  /** The first findings, as many as were asked for. */
  findings: CsvFinding[];
  /** All of them, by rule. */
  counts: Record<string, number>;
  /** Whether something is wrong with the file as a whole, and not with single rows only. */
  isFileRefused: boolean;
  /** Whether every row was read. */
  isComplete: boolean;
  layout: CsvLayout;
}

/** Options of {@link checkCsv}. */
export interface CsvCheckOptions {
  /** How many findings are kept; further ones are counted. Default: 100. */
  maxFindings?: number;
  /** Called for every finding, also those that are not kept. */
  onFinding?: (finding: CsvFinding) => void;
}

/** How many repeated values are looked at in one further read: each is kept in memory while it runs. */
const MAX_SUSPECTS = 100_000;
const BLANK_LINE: Fault = { rule: 'blank-line', text: 'The line is blank.' };
const NO_TRAILING_DELIMITER: Fault = { rule: 'trailing-delimiter', text: 'The row does not end with a delimiter.' };

/**
 * Reads a file and returns what is wrong with it. Whatever a file contains is a finding; errors are those of reading it.
 * @throws UnreadableError for UTF-16, and for lines that end with CR alone; what `source` throws
 */
export async function checkCsv(source: CsvSource, schema: CsvSchema, options: CsvCheckOptions = {}): Promise<CsvCheck> {
  const encoded = await detectEncoding(source, schema);
  const check = new Check(source, schema, encoded, options);
  try {
    await check.read();
    await check.confirmRepeated();
  } catch (error) {
    if (!(error instanceof UnreadableRow)) throw error;
    check.stopAt(error);
  }
  return check.result;
}

/** Values that must not repeat. */
interface UniqueRule {
  /** Their places in a row. */
  places: number[];
  name: string;
  hashes: HashList;
}

class Check {
  readonly result: CsvCheck;
  readonly #source: CsvSource;
  readonly #schema: CsvSchema;
  readonly #encoded: CsvEncoded;
  readonly #options: CsvCheckOptions;
  readonly #maxFindings: number;
  /** The checks of each place in a row. */
  #places: Array<{ name: string; check: (value: string) => Fault | undefined }> = [];
  #unique: UniqueRule[] = [];
  /** Values of leading rows, by name. */
  readonly #leading = new Map<string, string>();
  /** Numbers of rows that leading and trailing rows state. */
  readonly #statedCounts: Array<{ line: number; column: string; count: number }> = [];
  #dataFrom: CsvPosition = { offset: 0, line: 1 };
  /** The first line with another line end than the schema asks for, and how many there are. */
  #wrongLineEnd: { line: number; count: number } | undefined;
  #lastRow: CsvRow | undefined;

  constructor(source: CsvSource, schema: CsvSchema, encoded: CsvEncoded, options: CsvCheckOptions) {
    this.#source = source;
    this.#schema = schema;
    this.#encoded = encoded;
    this.#options = options;
    this.#maxFindings = options.maxFindings ?? 100;
    this.result = {
      ...encoded,
      bytes: source.size,
      rows: 0,
      rejectedRows: 0,
      columns: [],
      lineEnds: { LF: 0, CRLF: 0, none: 0 },
      findings: [],
      counts: {},
      isFileRefused: false,
      isComplete: true,
      layout: { headerStart: 0, headEnd: 0, tailStart: source.size, lengths: new RowLengths(), rejected: new RowSet() },
    };
  }

  /** Leading rows, header, data rows, trailing rows: each in its place. */
  async read(): Promise<void> {
    this.#checkFile();
    const { leadingRows, header, trailingRows, blankLines } = this.#schema;
    const { layout } = this.result;
    const head = await this.#readHead(leadingRows.length + (header === 'none' ? 0 : 1));
    leadingRows.forEach(({ columns }, index) => this.#checkOtherRow('leading', head.rows[index], columns));
    layout.headEnd = head.end.offset;
    layout.headerStart =
      header === 'none' ? head.end.offset : (head.rows.at(leadingRows.length)?.start ?? head.end.offset);
    this.#dataFrom = head.end;
    if (!this.#readHeader(header === 'none' ? undefined : head.rows[leadingRows.length])) {
      this.result.isComplete = false;
      return;
    }

    const held: CsvRow[] = [];
    layout.tailStart = layout.headEnd;
    for await (const rows of readRows(this.#source, this.#schema, this.#encoded, this.#dataFrom)) {
      for (const row of rows) {
        this.#noteLineEnd(row);
        // Its bytes count as the next row's, so that all rows together are the whole file.
        if (blankLines === 'skip' && isBlank(row)) continue;
        if (trailingRows.length === 0) this.#dataRow(row);
        else if (held.push(row) > trailingRows.length) this.#dataRow(held.shift() ?? row);
      }
    }
    trailingRows.forEach(({ columns }, index) => this.#checkOtherRow('trailing', held[index], columns));
    this.#checkEnd();
  }

  /** Reads the first rows, those that are not data. */
  async #readHead(count: number): Promise<{ rows: CsvRow[]; end: CsvPosition }> {
    const start = { offset: this.#encoded.byteOrderMark ? BYTE_ORDER_MARK.length : 0, line: 1 };
    const rows: CsvRow[] = [];
    let end = start;
    if (count === 0) return { rows, end };
    // A reader of its own: csv-parse makes an error for each row that is as long as the first one is not.
    reading: for await (const batch of readRows(this.#source, this.#schema, this.#encoded, start)) {
      for (const row of batch) {
        if (rows.length === count) {
          end = { offset: row.start, line: row.line };
          break reading;
        }
        this.#noteLineEnd(row);
        // MPT answers have a blank line behind their first row.
        if (rows.length === 0 || this.#schema.blankLines === 'refuse' || !isBlank(row)) rows.push(row);
        end = { offset: row.end, line: row.line + 1 };
      }
    }
    return { rows, end };
  }

  #checkFile(): void {
    const { byteOrderMark, maxBytes } = this.#schema;
    if (byteOrderMark === 'refuse' && this.#encoded.byteOrderMark) {
      this.#fileFinding('byte-order-mark', 'The file begins with a byte order mark, which is not allowed.', 1);
    }
    if (byteOrderMark === 'require' && !this.#encoded.byteOrderMark) {
      this.#fileFinding('byte-order-mark', 'The file does not begin with a byte order mark.', 1);
    }
    if (maxBytes !== undefined && this.#source.size > maxBytes) {
      this.#fileFinding('bytes', `The file has ${this.#source.size} bytes; the maximum is ${maxBytes}.`);
    }
  }

  /** Returns false where rows cannot be told by column. */
  #readHeader(row: CsvRow | undefined): boolean {
    const { columns, header, forbiddenStart } = this.#schema;
    const checkOf = (name: string): ((value: string) => Fault | undefined) => {
      const column = columns.find((each) => each.name === name);
      return columnCheck(column ?? otherColumn(name), forbiddenStart);
    };
    if (header === 'none') {
      this.result.columns = columns.map(({ name }) => name);
      this.#places = columns.map(({ name }) => ({ name, check: checkOf(name) }));
    } else if (row === undefined) {
      this.#fileFinding('header', 'The file has no header.');
      return false;
    } else {
      const found = row.values.map((name) => name.trim());
      const isGood = header === 'exact' ? this.#isExactHeader(row) : this.#isHeaderByName(found, row.line);
      if (!isGood) return false;
      this.result.columns = found;
      this.#places = found.map((name, index) => ({
        name: columns.some((each) => each.name === name) ? name : `column ${index + 1}`,
        check: checkOf(name),
      }));
    }
    this.#unique = this.#uniqueRules();
    return true;
  }

  #isExactHeader({ values, line }: CsvRow): boolean {
    const { columns } = this.#schema;
    const wrong = columns.findIndex(({ name }, index) => values[index] !== name);
    if (wrong >= 0) {
      const name = columns[wrong]?.name ?? '';
      this.#fileFinding('header', `The header does not have ${name} as column ${wrong + 1}.`, line, name);
      return false;
    }
    if (values.length === columns.length) return true;
    this.#fileFinding('header', `The header has ${values.length} columns instead of ${columns.length}.`, line);
    return false;
  }

  #isHeaderByName(found: string[], line: number): boolean {
    const { columns, otherColumns, otherColumnsPattern } = this.#schema;
    const known = new Set(columns.map(({ name }) => name));
    const pattern = otherColumnsPattern === undefined ? undefined : wholePattern(otherColumnsPattern);
    for (const { name, required } of columns) {
      if (required && !found.includes(name)) {
        this.#fileFinding('header', `The header does not have the column ${name}.`, line, name);
      }
    }
    found.forEach((name, index) => {
      const column = known.has(name) ? name : `column ${index + 1}`;
      if (name === '') this.#fileFinding('header', 'The header has a column without a name.', line, column);
      else if (found.indexOf(name) < index) {
        this.#fileFinding('header', 'The header has the name of this column before.', line, column);
      } else if (!known.has(name) && (otherColumns === 'refuse' || pattern?.test(name) === false)) {
        this.#fileFinding('header', 'The header has a name that the schema does not have.', line, column);
      }
    });
    if (known.size === 0 || found.some((name) => known.has(name))) return true;
    this.#fileFinding('header', 'The header has no column of the schema: another delimiter, or no header?', line);
    return false;
  }

  #uniqueRules(): UniqueRule[] {
    const { columns, unique } = this.#schema;
    const sets = [...columns.filter((column) => column.unique).map(({ name }) => [name]), ...unique];
    return sets
      .map((names) => ({
        places: names.map((name) => this.#places.findIndex((place) => place.name === name)),
        name: names.join(', '),
        hashes: new HashList(),
      }))
      .filter(({ places }) => places.every((place) => place >= 0));
  }

  #dataRow(row: CsvRow): void {
    const { result } = this;
    const number = result.rows;
    result.rows += 1;
    result.layout.lengths.push(row.end - result.layout.tailStart);
    result.layout.tailStart = row.end;
    this.#checkRow(row, number);
  }

  /** Runs for every row: a closure in here costs as much as the check of a column (measured). */
  #checkRow(row: CsvRow, number: number): void {
    const { values, line } = row;
    if (row.isUndecodable) this.#rowFinding(number, this.#undecodable, line);
    if (isBlank(row)) {
      this.#rowFinding(number, BLANK_LINE, line);
      return;
    }
    if (this.#schema.trailingDelimiter) {
      if (values.length > 1 && values.at(-1) === '') values.pop();
      else this.#rowFinding(number, NO_TRAILING_DELIMITER, line);
    }
    if (values.length !== this.#places.length) {
      const text = `The row has ${values.length} columns instead of ${this.#places.length}.`;
      this.#rowFinding(number, { rule: 'column-count', text }, line);
      return;
    }
    for (let index = 0; index < values.length; index += 1) {
      const place = this.#places[index];
      const fault = place?.check(values[index] ?? '');
      if (fault !== undefined) this.#rowFinding(number, fault, line, place?.name);
    }
    for (const { places, hashes } of this.#unique) {
      const key = valuesAt(values, places);
      if (key.join('') !== '') hashes.add(hashOf(key));
    }
  }

  get #undecodable(): Fault {
    return { rule: 'encoding', text: `The row has bytes that ${this.#encoded.encoding} does not have.` };
  }

  /** A row of another form, at the beginning or the end. */
  #checkOtherRow(place: 'leading' | 'trailing', row: CsvRow | undefined, cells: CsvCell[]): void {
    if (row === undefined) {
      this.#fileFinding(`${place}-row`, `The file does not have all of its ${place} rows.`);
      return;
    }
    const { values, line } = row;
    if (values.length !== cells.length) {
      const text = `The ${place} row has ${values.length} values instead of ${cells.length}.`;
      this.#fileFinding(`${place}-row`, text, line);
      return;
    }
    cells.forEach((cell, index) => {
      const value = values[index] ?? '';
      const fault = columnCheck(cell)(value);
      if (fault) this.#fileFinding(fault.rule, fault.text, line, cell.name);
      if (cell.rowCount) this.#statedCounts.push({ line, column: cell.name, count: Number(value) });
      if (cell.sameAs !== undefined && this.#leading.get(cell.sameAs) !== value) {
        this.#fileFinding(
          'same-as',
          `The value is not the same as ${cell.sameAs} of the leading row.`,
          line,
          cell.name,
        );
      }
      if (place === 'leading') this.#leading.set(cell.name, value);
    });
  }

  #noteLineEnd(row: CsvRow): void {
    const { lineEnd } = this.#schema;
    this.result.lineEnds[row.lineEnd] += 1;
    this.#lastRow = row;
    if (lineEnd === 'any' || row.lineEnd === lineEnd || row.lineEnd === 'none') return;
    this.#wrongLineEnd ??= { line: row.line, count: 0 };
    this.#wrongLineEnd.count += 1;
  }

  #checkEnd(): void {
    const { minRows, maxRows, lineEnd, lastLineEnd } = this.#schema;
    const { rows } = this.result;
    if (rows < minRows) this.#fileFinding('rows', `The file has ${rows} rows; the minimum is ${minRows}.`);
    if (maxRows !== undefined && rows > maxRows) {
      this.#fileFinding('rows', `The file has ${rows} rows; the maximum is ${maxRows}.`);
    }
    for (const { line, column, count } of this.#statedCounts) {
      if (count !== rows) {
        this.#fileFinding('row-count', `The number of rows stated is not that of the file, ${rows}.`, line, column);
      }
    }
    if (this.#wrongLineEnd) {
      const { line, count } = this.#wrongLineEnd;
      this.#fileFinding('line-end', `From here on ${count} lines do not end with ${lineEnd}.`, line);
    }
    const last = this.#lastRow;
    if (last && lastLineEnd === 'require' && last.lineEnd === 'none') {
      this.#fileFinding('last-line-end', 'The last line has no line end.', last.line);
    }
    if (last && lastLineEnd === 'refuse' && last.lineEnd !== 'none') {
      this.#fileFinding('last-line-end', 'The last line has a line end, which is not allowed.', last.line);
    }
  }

  /** Reads the file once more where hashes are equal, and reports the rows whose values are. */
  async confirmRepeated(): Promise<void> {
    if (!this.result.isComplete) return;
    for (const rule of this.#unique) {
      let suspects = new Set<number>();
      for await (const number of rule.hashes.takeRepeated()) {
        suspects.add(number);
        if (suspects.size < MAX_SUSPECTS) continue;
        await this.#compareValues(rule, suspects);
        suspects = new Set();
      }
      if (suspects.size > 0) await this.#compareValues(rule, suspects);
    }
  }

  async #compareValues({ places, name }: UniqueRule, suspects: Set<number>): Promise<void> {
    const firstLines = new Map<string, number>();
    let number = 0;
    for await (const rows of readRows(this.#source, this.#schema, this.#encoded, this.#dataFrom)) {
      for (const row of rows) {
        if (this.#schema.blankLines === 'skip' && isBlank(row)) continue;
        if (number === this.result.rows) return;
        number += 1;
        const values = valuesAt(row.values, places);
        if (!suspects.has(hashNumber(hashOf(values)))) continue;
        const key = JSON.stringify(values);
        const first = firstLines.get(key);
        if (first === undefined) firstLines.set(key, row.line);
        else
          this.#rowFinding(number - 1, { rule: 'unique', text: `Line ${first} has the same value.` }, row.line, name);
      }
    }
  }

  /** The rest of the file cannot be told by rows. */
  stopAt({ line, rule }: UnreadableRow): void {
    this.result.isComplete = false;
    const text =
      rule === 'quote'
        ? 'A quote is within a value here, or does not close. Nothing from here on could be read.'
        : `The row has more than ${this.#schema.maxRowBytes} bytes: perhaps a quote does not close. Nothing from here on could be read.`;
    this.#fileFinding(rule, text, line);
  }

  #rowFinding(number: number, { rule, text }: Fault, line: number, column?: string): void {
    this.result.layout.rejected.add(number);
    this.result.rejectedRows = this.result.layout.rejected.size;
    this.#add({ line, ...(column !== undefined && { column }), rule, text });
  }

  #fileFinding(rule: string, text: string, line?: number, column?: string): void {
    this.result.isFileRefused = true;
    this.#add({ ...(line !== undefined && { line }), ...(column !== undefined && { column }), rule, text });
  }

  #add(finding: CsvFinding): void {
    const { counts, findings } = this.result;
    counts[finding.rule] = (counts[finding.rule] ?? 0) + 1;
    if (findings.length < this.#maxFindings) findings.push(finding);
    this.#options.onFinding?.(finding);
  }
}

function valuesAt(values: readonly string[], places: readonly number[]): string[] {
  const [place] = places;
  if (place !== undefined && places.length === 1) return [values[place] ?? ''];
  return places.map((each) => values[each] ?? '');
}
