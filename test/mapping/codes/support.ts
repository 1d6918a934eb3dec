/** Tables for the tests of this folder. */
import assert from 'node:assert/strict';
import { payloadSource } from '../../../lib/payload/source';
import { readCodes, type CodeCsvOptions, type ReadCodes } from '../../../lib/mapping/codes/index';

/** SNOMED CT and LOINC codes with good check digits. */
export const SODIUM_LOINC = '2951-2';
export const GLUCOSE_LOINC = '2345-7';
export const DIABETES = '73211009';
export const ASTHMA = '195967001';

/** Reads a table from text or bytes. */
export async function read(content: string | Buffer, options: Partial<CodeCsvOptions> = {}): Promise<ReadCodes> {
  return readCodes(await payloadSource(content), { name: 'local tests', ...options });
}

/** Reads a table that must be good. */
export async function tableOf(
  content: string | Buffer,
  options: Partial<CodeCsvOptions> = {},
): Promise<NonNullable<ReadCodes['table']>> {
  const { table, errors } = await read(content, options);
  assert.deepEqual(errors, []);
  assert.ok(table);
  return table;
}

/** Returns findings as `line column rule`. */
export const places = (findings: ReadCodes['errors']): string[] =>
  findings.map(({ line, column, rule }) => [line, column, rule].filter((part) => part !== undefined).join(' '));
