/**
 * Compares what a flow made with what a test expects, field by field, so that a difference reads as an engineer names
 * it: `PID-5.1`, `entry[0].resource.id`, line 3.
 */
import { readEdifact, readHl7 } from '../index';
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
 * @param ignore fields that may differ; `*` stands for any text within a step of a path
 */
export function comparePayloads(expected: string, actual: string, ignore: readonly string[]): Difference[] {
  const patterns = ignore.map(patternOf);
  const isIgnored = ({ field }: Difference): boolean => patterns.some((pattern) => pattern.test(field));
  return differencesOf(fieldsOf(withNumberedIds(expected)), fieldsOf(withNumberedIds(actual))).filter(
    (each) => !isIgnored(each),
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

/** `entry[*].resource.id`, `PID-*`: the field itself and what is below it. */
function patternOf(field: string): RegExp {
  const escaped = field.replaceAll(/[$()+.?[\\\]^{|}]/g, String.raw`\$&`).replaceAll('*', String.raw`[^.\]]*`);
  return new RegExp(`^${escaped}(?:$|[.[+-])`);
}

function differencesOf(expected: Fields, actual: Fields): Difference[] {
  const names = new Set([...expected.keys(), ...actual.keys()]);
  return [...names]
    .filter((field) => expected.get(field) !== actual.get(field))
    .map((field) => ({ field, expected: expected.get(field), actual: actual.get(field) }));
}

/** Takes a payload apart by what it is: HL7 v2, EDIFACT, JSON, or lines of text. */
function fieldsOf(text: string): Fields {
  if (/^(?:MSH|FHS|BHS)./.test(text)) return hl7Fields(text);
  if (/^(?:UNA|UNB\+)/.test(text)) return edifactFields(text);
  const json = parsedJson(text);
  if (json !== undefined) return valuesOf(json);
  // Markup on one line would be one difference.
  const lines = /^\s*</.test(text) ? text.replaceAll(/>\s*</g, '>\n<').split(/\r\n|\n|\r/) : text.split(/\r\n|\n|\r/);
  return new Map(lines.map((line, index) => [`line ${index + 1}`, line.trim()]));
}

function parsedJson(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
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

/** `PID-5.1`, `OBX[2]-5[3].1`: each component of each field that has a value. */
const hl7Fields = (text: string): Fields =>
  renamed(readHl7(text.replaceAll(/\r\n|\n/g, '\r')), (path) =>
    path.replace(/\.f(\d+)/, '-$1').replaceAll(/\.[cs](\d+)/g, '.$1'),
  );

/** `PNA+3.2`, `messages[2].PNA+3.2`: each component of each element that has a value. */
const edifactFields = (text: string): Fields =>
  renamed(readEdifact(text), (path) => path.replace(/\.e(\d+)/, '+$1').replaceAll(/\.c(\d+)/g, '.$1'));

/** What the readers note about a segment or a message, and is no field of it. */
const NOTED = /(?:^|\.)(?:raw|at|charset|una|tolerated.*)$/;

/** Names the fields of a message as its standard does. The first segment, repeat or message needs no number. */
function renamed(message: object, rename: (path: string) => string): Fields {
  return new Map(
    [...valuesOf(message)]
      .filter(([path]) => !NOTED.test(path))
      .map(([path, value]) => {
        const counted = path.replaceAll(/\[(\d+)\]/g, (_, index) => (index === '0' ? '' : `[${Number(index) + 1}]`));
        return [rename(counted.replace(/^messages\./, '')), value];
      }),
  );
}
