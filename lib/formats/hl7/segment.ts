/** Converts one HL7 v2 segment from text to an object of fields and back. */
import { InvalidMessageError } from '../../errors';
import { END, type Parts } from '../as-read';
import { splitBounded, type ValueBudget } from '../limits';
import { areEqual, checkField, checkPart, highest, isObject, isPadding, keysOf, type SegmentObject } from '../segments';
import {
  DEFAULT_ENCODING,
  escapeText,
  HEADERS,
  NOT_AROUND,
  separatorsOf,
  unescape,
  type Separators,
} from './separators';

/** One repeat of a field: `c1`, `c2`, …; a component with subcomponents is `{s1, s2, …}`. Empty parts are left out. */
type Repeat = Record<string, string | Record<string, string>>;

/** A segment's text, cut into its parts. */
export interface RawSegment {
  /** Text before the segment's name: a byte order mark, a block start. Only the first segment has one. */
  before: string;
  name: string;
  /** The name and the fields. */
  text: string;
  /** The segment's terminator as read. */
  after: string;
  separators: Separators;
}

/**
 * Cuts a segment from what is around it; undefined if it is not a segment.
 * @param separators those in force; a header brings its own
 */
export function cut(line: string, separators: Separators | undefined): RawSegment | undefined {
  const start = line.search(NOT_AROUND);
  const end = terminatorAt(line);
  const name = line.slice(start, start + 3);
  if (start < 0 || !/^[A-Z][A-Z0-9]{2}$/.test(name) || end < start + 3) return undefined;
  const [before, text, after] = [line.slice(0, start), line.slice(start, end), line.slice(end)];
  const field = text.charAt(3);
  if (HEADERS.has(name)) {
    const next = text.indexOf(field, 4);
    const encoding = text.slice(4, field === '' || next < 0 ? undefined : next);
    return { before, name, text, after, separators: separatorsOf(field, encoding) };
  }
  if (separators === undefined || (field !== '' && field !== separators.field)) return undefined;
  return { before, name, text, after, separators };
}

/** The texts of field 1, 2, … A header's first two are its separators. */
function fieldsOf({ name, text, separators }: RawSegment): string[] {
  if (text === name) return [];
  const fields = splitBounded(text.slice(4), separators.field);
  return HEADERS.has(name) ? [separators.field, ...fields] : fields;
}

/**
 * Returns where the terminator begins: the first line or block end, or padding, of the white space at the end of a text.
 * Spaces before it belong to the last field; blank lines after it do not. A regular expression would take quadratic time.
 */
function terminatorAt(text: string): number {
  let end = text.length;
  for (let at = text.length; at > 0; at -= 1) {
    const char = text.charAt(at - 1);
    if ('\r\n\x1c'.includes(char) || isPadding(char)) end = at - 1;
    else if (char.trim() !== '') break;
  }
  return end;
}

const FIELD = keysOf('f');
const COMPONENT = keysOf('c');
const SUBCOMPONENT = keysOf('s');

/**
 * Adds the fields to an object, as arrays of repeats: `f1`, `f2`, … A header's f1 and f2 are its separators as text.
 * @param parts gets what is added (as-read.ts)
 */
export function addFields(to: SegmentObject, raw: RawSegment, budget: ValueBudget, parts: Parts): void {
  const { name, text, separators } = raw;
  const isHeader = HEADERS.has(name);
  if (isHeader) {
    to[FIELD(0)] = separators.field;
    parts.push(FIELD(0), separators.field);
  }
  const by = separatorsIn(raw);
  for (let index = isHeader ? 1 : 0, from = name.length + 1; from <= text.length; index += 1) {
    const end = endOfPart(text, separators.field, from);
    budget.spend(1, 'HL7 v2');
    if (end > from) {
      const field = text.slice(from, end);
      checkField(index + 1, 'HL7 segment');
      parts.push(FIELD(index));
      if (isHeader && index === 1) parts.push((to[FIELD(index)] = field));
      else to[FIELD(index)] = readField(field, by, parts, budget);
    }
    from = end + 1;
  }
}

/** The end of the part that begins at a place: where its separator stands, or the text ends. */
function endOfPart(text: string, separator: string, from: number): number {
  const end = text.indexOf(separator, from);
  return end < 0 ? text.length : end;
}

/** The separators below the fields that a segment really has; most have one kind or two, so that few are looked for. */
interface Found {
  repetition: string | undefined;
  component: string | undefined;
  subcomponent: string | undefined;
  /** All separators, if the segment has the escape character. */
  escaped: Separators | undefined;
}

function separatorsIn({ text, separators }: RawSegment): Found {
  const found = (separator: string | undefined): string | undefined =>
    separator !== undefined && text.includes(separator) ? separator : undefined;
  return {
    repetition: found(separators.repetition),
    component: found(separators.component),
    subcomponent: found(separators.subcomponent),
    escaped: found(separators.escape) === undefined ? undefined : separators,
  };
}

/**
 * @param text not empty
 * @param parts gets what is read
 */
function readField(text: string, by: Found, parts: Parts = [], budget?: ValueBudget): Repeat[] {
  if (by.repetition === undefined || !text.includes(by.repetition)) {
    budget?.spend(1, 'HL7 v2');
    parts.push(1);
    return [readRepeat(text, by, parts, budget)];
  }
  const repeats = splitBounded(text, by.repetition);
  budget?.spend(repeats.length, 'HL7 v2');
  parts.push(repeats.length);
  return repeats.map((repeat) => readRepeat(repeat, by, parts, budget));
}

function readRepeat(text: string, by: Found, parts: Parts, budget?: ValueBudget): Repeat {
  const repeat: Repeat = {};
  const { component } = by;
  if (text === '' || component === undefined || !text.includes(component)) {
    budget?.spend(1, 'HL7 v2');
    if (text !== '') {
      parts.push('c1');
      repeat['c1'] = readComponent(text, by, parts, budget);
    }
    parts.push(END);
    return repeat;
  }
  for (let index = 0, from = 0; from <= text.length; index += 1) {
    const end = endOfPart(text, component, from);
    budget?.spend(1, 'HL7 v2');
    checkPart(index + 1, 'HL7 field');
    if (end > from) {
      parts.push(COMPONENT(index));
      repeat[COMPONENT(index)] = readComponent(text.slice(from, end), by, parts, budget);
    }
    from = end + 1;
  }
  parts.push(END);
  return repeat;
}

function readComponent(text: string, by: Found, parts: Parts, budget?: ValueBudget): Repeat[string] {
  if (by.subcomponent === undefined || !text.includes(by.subcomponent)) {
    const value = readText(text, by);
    parts.push(value);
    return value;
  }
  const texts = splitBounded(text, by.subcomponent);
  budget?.spend(texts.length, 'HL7 v2');
  checkPart(texts.length, 'HL7 field');
  const subcomponents: Record<string, string> = {};
  texts.forEach((part, index) => {
    if (part === '') return;
    const value = readText(part, by);
    subcomponents[SUBCOMPONENT(index)] = value;
    parts.push(SUBCOMPONENT(index), value);
  });
  parts.push(END);
  return subcomponents;
}

const readText = (text: string, { escaped }: Found): string => (escaped === undefined ? text : unescape(text, escaped));

/**
 * Returns the segment's text, without its terminator. Fields that have not changed are written as they were read.
 * @param before the segment as it was read, if it was
 * @param separators those in force for the written text; ignored for a header
 */
export function toText(
  name: string,
  segment: SegmentObject,
  before: RawSegment | undefined,
  separators: Separators | undefined,
  isAsRead: (segment: SegmentObject) => boolean,
) {
  const isHeader = HEADERS.has(name);
  const by = isHeader ? headerSeparators(segment) : separators;
  if (by === undefined) throw new InvalidMessageError('An HL7 message begins with MSH (or FHS, BHS).');
  const read = before !== undefined && areEqual(before.separators, by) ? before : undefined;
  if (read !== undefined && isAsRead(segment)) return { text: read.text, separators: read.separators };
  const found = read && separatorsIn(read);
  const was = read === undefined ? [] : fieldsOf(read);
  const count = Math.max(highest('f', segment), was.length);
  const fields: string[] = [];
  // A header's first field is the separator.
  for (let index = isHeader ? 1 : 0; index < count; index += 1) {
    const value = segment[FIELD(index)];
    const text = was[index];
    const isSame = text !== undefined && found !== undefined && isField(value, text, isHeader && index === 1, found);
    fields.push(isSame ? text : fieldText(name, index, value, by, text));
  }
  if (read === undefined) while (fields.length > 1 && fields.at(-1) === '') fields.pop();
  return { text: fields.length === 0 ? name : [name, ...fields].join(by.field), separators: by };
}

/**
 * Whether a field's value is what {@link addFields} makes of its text.
 * @param isText whether it is the text itself, as MSH-2's
 */
function isField(value: unknown, text: string, isText: boolean, by: Found): boolean {
  if (text === '') return value === undefined;
  return isText ? value === text : areEqual(readField(text, by), value);
}

function headerSeparators({ f1, f2 }: SegmentObject): Separators {
  try {
    return separatorsOf(typeof f1 === 'string' ? f1 : '|', typeof f2 === 'string' ? f2 : DEFAULT_ENCODING);
  } catch {
    throw new InvalidMessageError('The encoding characters (f1 and f2 of MSH) are not usable.');
  }
}

/** The parts of a text that was not read. */
const NONE: readonly string[] = [];
const partsOf = (was: string, by: string | undefined): readonly string[] => (was === '' ? NONE : splitBounded(was, by));

/** @param was the field as it was read, if it was: its parts that have not changed are written as they were read */
function fieldText(name: string, index: number, value: unknown, by: Separators, was = ''): string {
  if (HEADERS.has(name) && index === 1) return typeof value === 'string' ? value : DEFAULT_ENCODING;
  const before = partsOf(was, by.repetition);
  if (!Array.isArray(value)) return repeatText(name, index, value, by, before[0] ?? '');
  if (value.length > 1 && by.repetition === undefined) throw wrong(name, index, 'cannot repeat: MSH-2 is too short');
  let text = '';
  for (let at = 0; at < value.length; at += 1) {
    if (at > 0) text += by.repetition;
    text += repeatText(name, index, value[at], by, before[at] ?? '');
  }
  return text;
}

function repeatText(name: string, index: number, value: unknown, by: Separators, was: string): string {
  if (!isObject(value) || Array.isArray(value)) return leaf(name, index, value, by, was);
  const before = partsOf(was, by.component);
  const count = highest('c', value);
  let text = '';
  for (let at = 0; at < count; at += 1) {
    if (at > 0) text += by.component;
    text += componentText(name, index, value[COMPONENT(at)], by, before[at] ?? '');
  }
  return text;
}

function componentText(name: string, index: number, value: unknown, by: Separators, was: string): string {
  if (!isObject(value) || Array.isArray(value)) return leaf(name, index, value, by, was);
  const before = partsOf(was, by.subcomponent);
  const count = highest('s', value);
  if (count > 1 && by.subcomponent === undefined) throw wrong(name, index, 'has subcomponents, and MSH-2 is too short');
  let text = '';
  for (let at = 0; at < count; at += 1) {
    if (at > 0) text += by.subcomponent;
    text += leaf(name, index, value[SUBCOMPONENT(at)], by, before[at] ?? '');
  }
  return text;
}

/** @param was the text at this place as it was read; empty if there was none */
function leaf(name: string, index: number, value: unknown, by: Separators, was: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return isUnchanged(value, was, by) ? was : escapeText(value, by);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw wrong(name, index, 'is not a text');
}

/** Whether a value is what was read from a text: a sender's own escaping is then kept. */
const isUnchanged = (value: string, was: string, by: Separators): boolean =>
  was !== '' &&
  value === unescape(was, by) &&
  ![by.component, by.repetition, by.subcomponent].some(
    (separator) => separator !== undefined && was.includes(separator),
  );

function wrong(name: string, index: number, what: string): InvalidMessageError {
  return new InvalidMessageError(`${name}-${index + 1} ${what}.`);
}
