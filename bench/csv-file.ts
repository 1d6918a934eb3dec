/** The delimited file of the bench: a list as NHS Notify takes it, with synthetic numbers. */
import { nhsCheckDigit } from '../lib/formats/nhs-number';
import type { WrittenCsvSchema } from '../lib/formats/csv';

export const ROWS_OF_A_GROUP = 1000;

/** What each row is checked by. */
export const SCHEMA: WrittenCsvSchema = {
  encoding: 'utf-8',
  header: 'exact',
  forbiddenStart: '=+-@',
  columns: [
    { name: 'messageReference', required: true, unique: true, maxLength: 100 },
    { name: 'nhsNumber', type: 'nhs-number', required: true, testNumbers: 'require' },
    { name: 'personalisation_clinic', required: true },
    { name: 'personalisation_appointment', required: true },
    { name: 'personalisation_advice' },
    { name: 'personalisation_address' },
  ],
};

/** Yields the file in pieces: a row has about 340 bytes. */
export function* csvRows(rows: number): Generator<Buffer> {
  let piece = `${SCHEMA.columns?.map(({ name }) => name).join(',')}\n`;
  const advice = 'Please come ten minutes early and bring your glasses '.repeat(2).trim();
  const address = 'Level 2 Outpatients Example Infirmary Long Road Somewhere ZZ99 3VZ '.repeat(2).trim();
  let nine = 900_000_000;
  for (let row = 0; row < rows; row += 1) {
    // Every eleventh number does not exist.
    while (nhsCheckDigit(String(nine)) === 10) nine += 1;
    const reference = `clinic7-${String(row).padStart(9, '0')}`;
    const appointment = `"Tuesday, 3 March 2026 at ${8 + (row % 10)}:15"`;
    piece += `${reference},${nine}${nhsCheckDigit(String(nine))},Eye clinic ${row % 97},${appointment},${advice},${address}\n`;
    nine = nine < 999_999_900 ? nine + 1 : 900_000_000;
    if (piece.length > 1_000_000) {
      yield Buffer.from(piece);
      piece = '';
    }
  }
  yield Buffer.from(piece);
}
