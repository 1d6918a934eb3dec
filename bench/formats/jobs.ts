/** What the part `formats` measures of each contestant. */
import type { Converter } from './contestants';

/** The jobs by name, each with what it is. */
export const JOBS = {
  parse: 'parse',
  serialise: 'serialise',
  both: 'parse and serialise',
  readThree: 'parse and read three fields',
  changeOne: 'parse, change one field, serialise',
  toJson: 'XML to JSON text',
  fromJson: 'JSON text to XML',
} as const;
export type Job = keyof typeof JOBS;

/**
 * Returns one job as a function; undefined if the contestant cannot do it. Whoever parses lazily reads all of a payload
 * where the others do. It takes no part in `serialise`: it would return the text that it was given.
 * @param json the payload as JSON text: FHIR only
 */
export function jobOf(
  job: Job,
  converter: Converter<unknown>,
  bytes: Buffer,
  json: Buffer | undefined,
): (() => unknown) | undefined {
  const { parse, readAll, read, change, serialise, toJson, fromJson } = converter;
  const parseAll = (): unknown => {
    const parsed = parse(bytes);
    readAll?.(parsed);
    return parsed;
  };
  if (job === 'parse') return parseAll;
  if (job === 'readThree') return () => read(parse(bytes));
  if (job === 'toJson') return toJson && (() => toJson(bytes));
  if (job === 'fromJson') return fromJson && json && (() => fromJson(json));
  if (serialise === undefined) return undefined;
  if (job === 'both') return () => serialise(parseAll());
  if (job === 'serialise') {
    if (readAll) return undefined;
    const parsed = parseAll();
    return () => serialise(parsed);
  }
  return () => {
    const parsed = parse(bytes);
    change?.(parsed);
    return serialise(parsed);
  };
}
