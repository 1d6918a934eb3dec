/**
 * A map: a table of rows, each of which says which value of a message becomes which element. It is data that a person
 * reads and changes: docs/mapping.md has the columns.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { ConfigurationError } from '../errors';
import { hasMessage } from './messages';

/** The columns of a map, in the order of its CSV. */
export const MAP_COLUMNS = [
  'id',
  'source',
  'condition',
  'target',
  'type',
  'table',
  'value',
  'messages',
  'note',
] as const;

const text = z.string().trim().max(10_000).default('');

const rowSchema = z.object({
  /** Names the row in reports and in `mapping.rows`; unique in a map. */
  id: z.string().trim().min(1).max(100),
  /** A path into the message (source-path.ts). */
  source: z.string().trim().min(1).max(200),
  /** FHIRPath (condition.ts); empty: always. */
  condition: text,
  /** A path into a resource (target.ts); only its name opens a new one; empty: the source is left out on purpose. */
  target: text,
  /** The HL7 v2 data type, `XCN:Practitioner` where a reference is written, or `Reference`. */
  type: text,
  /** The value table or the table of mesh-codes by which codes are replaced. */
  table: text,
  /** A constant, or %event; with the type `Reference` the name of a resource. */
  value: text,
  /** The messages that it is for: `ADT`, `ADT^A40`, with blanks between; empty: all. */
  messages: text,
  note: text,
});

/** One row. All columns are texts; only `id` and `source` have to be there. */
export type MapRow = z.output<typeof rowSchema>;
export type WrittenMapRow = z.input<typeof rowSchema>;

/** Rows with the name and the version under which reports name them. */
export interface MessageMap {
  name: string;
  version: string;
  rows: readonly MapRow[];
}

/** A map has some hundreds of rows. */
const MAX_ROWS = 10_000;

/**
 * Returns rows as the engine has them, from objects that a person, a file or a flow wrote.
 * @throws ConfigurationError when they are no rows; it names the first that is none
 */
export function readMapRows(rows: readonly unknown[]): MapRow[] {
  if (rows.length > MAX_ROWS)
    throw new ConfigurationError(`A map has at most ${MAX_ROWS} rows; this has ${rows.length}.`);
  const ids = new Set<string>();
  return rows.map((written, index) => {
    const read = rowSchema.safeParse(written);
    if (!read.success) {
      const [issue] = read.error.issues;
      const column = issue?.path.join('.') || 'the row';
      throw new ConfigurationError(
        `Row ${index + 1} of the map cannot be used: ${column}: ${issue?.message ?? 'wrong'}.`,
        {
          advice: 'A row has at least an id and a source.',
        },
      );
    }
    if (ids.has(read.data.id)) {
      throw new ConfigurationError(`Row ${index + 1} of the map has the id “${read.data.id}” of a row above it.`, {
        advice: 'Give each row an id of its own: reports name rows by it.',
      });
    }
    ids.add(read.data.id);
    return read.data;
  });
}

/**
 * Reads a map's rows from CSV with a header; columns may stand in any order, and those that are empty be left out.
 * @throws ConfigurationError when it is no CSV of a map
 */
export function readMapCsv(csv: string | Buffer): MapRow[] {
  let rows: unknown[];
  try {
    rows = parse(csv, { columns: true, bom: true, skip_empty_lines: true, trim: true });
  } catch (error) {
    throw new ConfigurationError(`The map is no CSV: ${error instanceof Error ? error.message : String(error)}.`, {
      cause: error,
    });
  }
  return readMapRows(rows);
}

/** Returns a map's rows as CSV, with a header. */
export function writeMapCsv(rows: readonly MapRow[]): string {
  const cell = (value: string): string => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const lines = [MAP_COLUMNS.join(','), ...rows.map((row) => MAP_COLUMNS.map((column) => cell(row[column])).join(','))];
  return `${lines.join('\r\n')}\r\n`;
}

/** The maps that the package has, by the folder in which their files stand. */
export const SHIPPED_MAPS = ['hl7-to-r4'] as const;
export type ShippedMapName = (typeof SHIPPED_MAPS)[number];

const VERSION = '1.0.0';
const loaded = new Map<ShippedMapName, MessageMap>();

/** Returns a map of the package, read at first use: the rows of all files in its folder, one after the other. */
export function shippedMap(name: ShippedMapName): MessageMap {
  let map = loaded.get(name);
  if (map === undefined) {
    const folder = join(__dirname, 'maps', name);
    const files = readdirSync(folder)
      .filter((file) => file.endsWith('.csv'))
      .sort((one, other) => (one < other ? -1 : 1));
    const rows = files.flatMap((file) => {
      try {
        return readMapCsv(readFileSync(join(folder, file)));
      } catch (error) {
        throw new ConfigurationError(`${basename(file)}: ${(error as Error).message}`, { cause: error });
      }
    });
    map = { name, version: VERSION, rows: readMapRows(rows) };
    loaded.set(name, map);
  }
  return map;
}

/**
 * Returns a map in which a user's rows come before those of another map. A row with the same id takes that row's place,
 * and so does one with the same source and the same target for the same messages; of the rest, the first row that writes
 * an element wins.
 */
export function overlayMap(own: MessageMap, base: MessageMap): MessageMap {
  const key = ({ source, target }: MapRow): string => `${source} ${target}`;
  const ids = new Set(own.rows.map(({ id }) => id));
  const places = new Map(own.rows.filter(({ target }) => target !== '').map((row) => [key(row), row]));
  const rest = base.rows.filter((row) => {
    if (ids.has(row.id)) return false;
    const mine = places.get(key(row));
    return mine === undefined || (mine.messages !== '' && mine.messages !== row.messages);
  });
  return { name: own.name || base.name, version: own.version || base.version, rows: [...own.rows, ...rest] };
}

/** Returns the rows of a map that are for a message. */
export const rowsFor = (map: MessageMap, message: string, event: string): MapRow[] =>
  map.rows.filter(({ messages }) => hasMessage(messages, message, event));
