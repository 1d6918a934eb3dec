/** The value tables that the package has: HL7 v2 codes to FHIR codes, from maps/tables.csv. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import type { CodeTable } from './codes/code-table';

interface TableRow {
  table: string;
  /** The code of the message; `*` is every other one. */
  code: string;
  /** The code that it becomes; empty: the same, also of `*`. */
  becomes: string;
  display: string;
  /** Its system; empty: that of the row above in the same table. */
  system: string;
}

let tables: ReadonlyMap<string, CodeTable> | undefined;

/** Returns the tables by name, read at first use. */
export function shippedTables(): ReadonlyMap<string, CodeTable> {
  tables ??= readTables();
  return tables;
}

function readTables(): ReadonlyMap<string, CodeTable> {
  const rows = parse<TableRow>(readFileSync(join(__dirname, 'maps', 'tables.csv')), { columns: true, trim: true });
  const codes = new Map<string, Map<string, { system?: string; code: string; display?: string }>>();
  let system = '';
  let last = '';
  for (const row of rows) {
    if (row.table !== last || row.system !== '') ({ system } = row);
    last = row.table;
    const table = codes.get(row.table) ?? new Map();
    codes.set(row.table, table);
    table.set(row.code, {
      code: row.becomes || (row.code === '*' ? '' : row.code),
      ...(system === '' ? {} : { system }),
      ...(row.display === '' ? {} : { display: row.display }),
    });
  }
  return new Map(
    [...codes].map(([name, table]) => {
      const other = table.get('*');
      const rest = (code: string) => (other?.code === '' ? { ...other, code } : other);
      const look: CodeTable['look'] = (_system, code) =>
        table.get(code) ?? table.get(code.toUpperCase()) ?? table.get(code.toLowerCase()) ?? rest(code);
      return [name, { name, version: '1.0.0', look }];
    }),
  );
}
