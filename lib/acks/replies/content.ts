/**
 * What can be read of a reply's payload, or of a request's, within bounds: its beginning, its JSON, its rows, the names in
 * its archive. Each is read once, and only if a rule asks for it.
 */
import { UnreadableError } from '../../errors';
import { openTarGz } from '../../formats/archive/tar-gz';
import { delimiterOf } from '../../formats/csv/delimiter';
import { BYTE_ORDER_MARK } from '../../formats/csv/encoding';
import { readRows, UnreadableRow } from '../../formats/csv/reader';
import { readCsvSchema } from '../../formats/csv/schema';
import type { ReadablePayload } from '../parse-source';

/** Bytes of a payload's beginning in which its first line and EDIFACT message type are looked for. */
const HEAD_BYTES = 64 * 1024;
/** Largest JSON payload that is parsed (bytes); a larger one has no values. */
const JSON_BYTES = 1024 * 1024;
/** Characters of the beginning that a pattern is applied to. */
const BEGINNING_CHARACTERS = 4096;
/** What an archive may be: only its names are kept. */
const ARCHIVE = { files: 10_000, bytes: 64 * 1024 ** 3 };

/** A payload as the rules of replies read it. */
export class ReplyContent {
  readonly #source: ReadablePayload | undefined;
  #head: Promise<string> | undefined;
  #json: Promise<unknown> | undefined;
  #names: Promise<string[]> | undefined;
  #isCutShort = false;

  /** @param source undefined: there is no payload */
  constructor(source: ReadablePayload | undefined) {
    this.#source = source;
  }

  /** Returns the first 4,096 characters. */
  async beginning(): Promise<string> {
    return (await this.#headText()).slice(0, BEGINNING_CHARACTERS);
  }

  /** Returns the first line without its end, of at most 4,096 characters. */
  async firstLine(): Promise<string> {
    return /^[^\r\n]*/.exec(await this.beginning())?.[0] ?? '';
  }

  /** Returns the values of the first row of a delimited file. */
  async firstRow(): Promise<string[]> {
    for await (const row of this.#rows()) return row;
    return [];
  }

  /** Returns the value at a path of a JSON payload as text; undefined if there is none, or it is no single value. */
  async jsonValue(path: string): Promise<string | undefined> {
    this.#json ??= this.#parseJson();
    let value = await this.#json;
    for (const part of path.match(/[^.[\]]+/g) ?? []) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
      value = (value as Record<string, unknown>)[part];
    }
    return typeof value === 'string' || typeof value === 'boolean' ? String(value) : undefined;
  }

  /** Returns the message type of the first UNH of an EDIFACT interchange. */
  async edifactType(): Promise<string | undefined> {
    const text = await this.#headText();
    if (!/^\s*(?:UNA|UNB)\W/.test(text)) return undefined;
    return /['\r\n]\s*UNH\W[^':+]*\W([A-Z\d]{1,20})/.exec(text)?.[1];
  }

  /** Yields the values of a column of a delimited file, of each row after the first; nothing if it has no such column. */
  async *column(column: string | number): AsyncGenerator<string> {
    let index: number | undefined;
    let width = 0;
    for await (const row of this.#rows()) {
      if (index === undefined) {
        index = typeof column === 'number' ? column - 1 : columnIndex(row, column);
        width = row.length;
        if (index < 0) return;
      } else {
        // A value that begins with a quote can swallow the rows behind it. Blank lines are none.
        const isBlank = row.length === 1 && row[0] === '';
        if (row.length !== width && !isBlank) this.#isCutShort = true;
        const value = row[index];
        if (value !== undefined) yield value;
      }
    }
  }

  /** Whether a row that was looked at has other values than the first, or cannot be read: what the rows say is not known. */
  get isCutShort(): boolean {
    return this.#isCutShort;
  }

  /** Returns the names of the files of a tar.gz archive; none if it is no archive, or is refused. */
  archiveNames(): Promise<string[]> {
    this.#names ??= this.#readArchive();
    return this.#names;
  }

  #headText(): Promise<string> {
    this.#head ??= this.#bytes(HEAD_BYTES).then(textOf);
    return this.#head;
  }

  async #bytes(limit: number): Promise<Buffer> {
    if (!this.#source || this.#source.size === 0) return Buffer.alloc(0);
    const end = Math.min(limit, this.#source.size);
    if (this.#source.bytes) return this.#source.bytes.subarray(0, end);
    const pieces: Buffer[] = [];
    for await (const piece of this.#source.open(0, end)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  async #parseJson(): Promise<unknown> {
    if (!this.#source || this.#source.size > JSON_BYTES) return undefined;
    if (!/^\s*[[{]/.test(await this.#headText())) return undefined;
    try {
      return JSON.parse(textOf(await this.#bytes(JSON_BYTES)), numbersAsWritten) as unknown;
    } catch {
      return undefined;
    }
  }

  /** Yields the rows of a delimited file, up to one that cannot be read. Ids and codes are the same in Windows-1252. */
  async *#rows(): AsyncGenerator<string[]> {
    if (!this.#source || this.#source.size === 0) return;
    // The vaccination store joins its values as they are, quotes and all.
    const schema = readCsvSchema({ delimiter: delimiterOf(await this.firstLine()), looseQuotes: true });
    const byteOrderMark = (await this.#bytes(BYTE_ORDER_MARK.length)).equals(BYTE_ORDER_MARK);
    try {
      for await (const rows of readRows(this.#source, schema, { encoding: 'utf-8', byteOrderMark })) {
        for (const { values } of rows) yield values;
      }
    } catch (error) {
      if (!(error instanceof UnreadableRow)) throw error;
      this.#isCutShort = true;
    }
  }

  /** Reads an archive from beginning to end: one that is refused at its last byte proves nothing. */
  async #readArchive(): Promise<string[]> {
    const source = this.#source;
    const [first, second] = await this.#bytes(2);
    if (!source || first !== 0x1f || second !== 0x8b) return [];
    const names: string[] = [];
    try {
      for await (const { name } of openTarGz(source, ARCHIVE)) names.push(name);
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      return [];
    }
    return names;
  }
}

/** Decodes as UTF-8, with or without a byte order mark. What is no UTF-8 is replaced: ids and codes are ASCII. */
const textOf = (bytes: Buffer): string => new TextDecoder('utf-8').decode(bytes);

/** A number stands for its digits: JavaScript cannot hold 20 of them. */
function numbersAsWritten(_key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === 'number' ? (context?.source ?? String(value)) : value;
}

export const columnIndex = (names: readonly string[], name: string): number =>
  names.findIndex((each) => each.trim().toLowerCase() === name.trim().toLowerCase());
