/** Joins the parts of files: the rows of each as they were read, between what came before and behind them. */
import type { FileHandle } from 'node:fs/promises';
import { rm } from 'node:fs/promises';
import type { NodeAPI, NodeMessageInFlow } from 'node-red';
import {
  InvalidMessageError,
  payloadSource,
  writeCsvHeader,
  writeCsvRows,
  type CsvForm,
  type CsvSchema,
  type CsvValues,
} from '../../lib/index';
import { openNewFile, writeAll } from './files';
import { filePath, type CsvParts, type CsvProperty } from './message';

/** How many parts of a file wait for an earlier one. */
const MAX_HELD = 1000;

/** A file that is complete. */
export interface JoinedFile {
  /** The bytes, or the path of the file that has them. */
  content: Buffer | string;
  rows: number;
  bytes: number;
}

/** A file of which parts have arrived. */
interface OpenFile {
  /** The index of the part that comes next. */
  next: number;
  held: Map<number, NodeMessageInFlow>;
  /** In memory, or on the disk. */
  pieces: Buffer[];
  file: FileHandle | undefined;
  path: string | undefined;
  rows: number;
  bytes: number;
}

export class CsvJoiner {
  readonly #RED: NodeAPI;
  readonly #open = new Map<string, OpenFile>();

  constructor(RED: NodeAPI) {
    this.#RED = RED;
  }

  /**
   * Takes a part; returns the file when it is complete. A message without `msg.parts` is a file of one part.
   * @param path where the file is written; undefined for one in memory
   * @throws InvalidMessageError for a payload that has no rows, and when too many parts wait for an earlier one
   */
  async add(
    msg: NodeMessageInFlow,
    schema: CsvSchema,
    path: (id: string) => string | undefined,
  ): Promise<JoinedFile | undefined> {
    const parts = partsOf(msg) ?? { id: this.#RED.util.generateId(), index: 0, count: 1 };
    const open = await this.#openFile(parts.id, path);
    open.held.set(parts.index, msg);
    if (open.held.size > MAX_HELD) throw this.#invalid('parts-missing');
    for (let part = open.held.get(open.next); part !== undefined; part = open.held.get(open.next)) {
      open.held.delete(open.next);
      await this.#write(open, part, schema, open.next === 0, open.next + 1 === parts.count);
      open.next += 1;
    }
    if (open.next < parts.count) return undefined;
    this.#open.delete(parts.id);
    await open.file?.sync();
    await open.file?.close();
    return { content: open.path ?? Buffer.concat(open.pieces), rows: open.rows, bytes: open.bytes };
  }

  /** Forgets the files that are not complete. Never rejects. */
  async close(): Promise<void> {
    const files = [...this.#open.values()];
    this.#open.clear();
    for (const { file, path } of files) {
      await file?.close().catch(() => undefined);
      if (path !== undefined) await rm(path, { force: true }).catch(() => undefined);
    }
  }

  async #openFile(id: string, pathOf: (id: string) => string | undefined): Promise<OpenFile> {
    const known = this.#open.get(id);
    if (known) return known;
    const path = pathOf(this.#RED.util.generateId());
    const file = path === undefined ? undefined : await openNewFile(path);
    const open: OpenFile = { next: 0, held: new Map(), pieces: [], file, path, rows: 0, bytes: 0 };
    this.#open.set(id, open);
    return open;
  }

  async #write(
    open: OpenFile,
    msg: NodeMessageInFlow,
    schema: CsvSchema,
    isFirst: boolean,
    isLast: boolean,
  ): Promise<void> {
    const csv = (msg['csv'] ?? {}) as Partial<CsvProperty>;
    const form = formOf(csv, schema, msg.payload);
    const put = async (bytes: Uint8Array): Promise<void> => {
      const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (open.file) await writeAll(open.file, piece);
      else open.pieces.push(piece);
      open.bytes += piece.length;
    };
    const { payload } = msg as { payload?: unknown };
    const path = filePath(msg);
    if (Array.isArray(payload)) {
      const rows = payload as CsvValues[];
      if (isFirst) await put(csv.head ?? writeCsvHeader(schema, form));
      await put(await writeCsvRows(rows, schema, form, csv.raw));
      open.rows += rows.length;
    } else {
      if (path === undefined && !(payload instanceof Uint8Array)) throw this.#invalid('no-rows');
      if (isFirst && csv.head) await put(csv.head);
      // What repeats the header is left out, but for a first part without the file's own.
      const from = isFirst && !csv.head ? 0 : (csv.headerBytes ?? 0);
      const source = await payloadSource(path === undefined ? (payload as Uint8Array) : { file: path });
      for await (const piece of source.open(from, source.size)) await put(piece);
      open.rows += csv.rows ?? 0;
    }
    if (isLast && csv.tail) await put(csv.tail);
  }

  #invalid(key: string): InvalidMessageError {
    return new InvalidMessageError(this.#RED._(`mesh-csv.error.${key}`), {
      advice: this.#RED._(`mesh-csv.advice.${key}`),
    });
  }
}

function partsOf(msg: NodeMessageInFlow): CsvParts | undefined {
  const parts = msg['parts'] as Partial<CsvParts> | undefined;
  const isPart =
    typeof parts?.id === 'string' && Number.isSafeInteger(parts.index) && Number.isSafeInteger(parts.count);
  return isPart ? (parts as CsvParts) : undefined;
}

/** As the file was read; what a flow has made itself is as the schema says. */
function formOf(csv: Partial<CsvProperty>, schema: CsvSchema, payload: unknown): CsvForm {
  const encoding = csv.encoding ?? (schema.encoding === 'auto' ? 'utf-8' : schema.encoding);
  const [first] = Array.isArray(payload) ? (payload as unknown[]) : [];
  const own = typeof first === 'object' && first !== null && !Array.isArray(first) ? Object.keys(first) : [];
  const columns = csv.columns ?? (schema.columns.length > 0 ? schema.columns.map(({ name }) => name) : own);
  return { encoding, byteOrderMark: csv.byteOrderMark ?? false, columns };
}
