/**
 * Compares what a flow made with what a test expects, field by field, so that a difference reads as an engineer names
 * it: `PID-5.1`, `entry[0].resource.id`, line 3.
 */
import { fieldsOf, isNamed } from '../index';
import type { ExpectedValue } from './test-file';

/** Values by field, in the order of the document. */
type Fields = Map<string, string>;

/** One field that is not as expected. `undefined`: it is not there. */
export interface Difference {
  field: string;
  expected: string | undefined;
  actual: string | undefined;
}

/** Returns whether a value is as expected. */
export function isAsExpected(expected: ExpectedValue, actual: unknown): boolean {
  if (isRule(expected, 'matches')) return new RegExp(expected.matches, 's').test(asText(actual));
  if (isRule(expected, 'contains')) return asText(actual).includes(expected.contains);
  if (isRule(expected, 'present')) return (actual !== undefined && actual !== null) === expected.present;
  const isText = typeof expected === 'string' && (Buffer.isBuffer(actual) || typeof actual === 'number');
  if (isText) return asText(actual) === expected;
  return differencesOf(valuesOf(expected), valuesOf(actual)).length === 0;
}

/** Returns an expected value as a person reads it. */
export function describe(expected: ExpectedValue): string {
  if (isRule(expected, 'matches')) return `something that matches /${expected.matches}/`;
  if (isRule(expected, 'contains')) return `something that contains “${expected.contains}”`;
  if (isRule(expected, 'present')) return expected.present ? 'a value' : 'no value';
  return asText(expected);
}

type Rule = { matches: string } | { contains: string } | { present: boolean };

function isRule<Name extends 'matches' | 'contains' | 'present'>(
  expected: ExpectedValue,
  name: Name,
): expected is Extract<Rule, Record<Name, unknown>> {
  return typeof expected === 'object' && expected !== null && Object.keys(expected).join() === name;
}

/** Returns the value at a path such as `payload.entry[0].resource`; undefined where there is none. */
export function valueAt(value: unknown, path: string): unknown {
  let at = value;
  for (const part of path.split(/[.[\]]+/).filter(Boolean)) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string, unknown>)[part];
  }
  return at;
}

/** Returns a value as text: bytes as UTF-8, anything but text as JSON. */
export function asText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  return value === undefined ? '' : JSON.stringify(value);
}

/**
 * Compares two payloads field by field. Ids that are made anew at each run are equal when each stands for the same one
 * throughout.
 * @param ignore fields that may differ, as {@link isNamed} has them
 */
export function comparePayloads(expected: string, actual: string, ignore: readonly string[]): Difference[] {
  return differencesOf(fieldsOfText(withNumberedIds(expected)), fieldsOfText(withNumberedIds(actual))).filter(
    ({ field }) => !ignore.some((rule) => isNamed(rule, field)),
  );
}

const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi;

function withNumberedIds(text: string): string {
  const numbers = new Map<string, number>();
  return text.replaceAll(UUID, (id) => {
    const key = id.toLowerCase();
    const number = numbers.get(key) ?? numbers.size + 1;
    numbers.set(key, number);
    return `(id ${number})`;
  });
}

function differencesOf(expected: Fields, actual: Fields): Difference[] {
  const names = new Set([...expected.keys(), ...actual.keys()]);
  return [...names]
    .filter((field) => expected.get(field) !== actual.get(field))
    .map((field) => ({ field, expected: expected.get(field), actual: actual.get(field) }));
}

/** Takes a payload apart: a message by its fields, anything else by its lines. A text editor ends lines otherwise. */
function fieldsOfText(text: string): Fields {
  const isHl7 = /^(?:MSH|FHS|BHS)\W/.test(text);
  const { form, fields } = fieldsOf(Buffer.from(isHl7 ? text.replaceAll(/\r\n|\n/g, '\r') : text));
  if (form !== 'bytes') return fields;
  // Markup on one line would be one difference.
  const lines = (/^\s*</.test(text) ? text.replaceAll(/>\s*</g, '>\n<') : text).split(/\r\n|\n|\r/);
  return new Map(lines.map((line, index) => [`line ${index + 1}`, line.trim()]));
}

/** `entry[0].resource.id` and its value, for every value that is no object. */
function valuesOf(value: unknown, path = '', fields: Fields = new Map()): Fields {
  const isObject = typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
  const parts = isObject ? Object.entries(value) : [];
  for (const [name, part] of parts) {
    const inner = path === '' ? name : `${path}.${name}`;
    valuesOf(part, Array.isArray(value) ? `${path}[${name}]` : inner, fields);
  }
  if (parts.length > 0 || value === undefined) return fields;
  return fields.set(path || 'the value', asText(value));
}
