/** Converts one HL7 v2 segment from text to an object of fields and back. */
import { InvalidMessageError } from '../../errors';
import { splitBounded, type ValueBudget } from '../limits';
import { checkField, highest, isObject, areEqual, type SegmentObject } from '../segments';
import { DEFAULT_ENCODING, escapeText, HEADERS, separatorsOf, unescape, type Separators } from './separators';

/** One repeat of a field: `c1`, `c2`, …; a component with subcomponents is `{s1, s2, …}`. Empty parts are left out. */
type Repeat = Record<string, string | Record<string, string>>;

/** A segment's text, cut into its parts. */
export interface RawSegment {
  /** Text before the segment's name: a byte order mark, a block start. Only the first segment has one. */
  before: string;
  name: string;
  /** Texts of field 1, 2, … A header's first two are its separators. */
  fields: string[];
  /** The segment's terminator as read. */
  after: string;
  separators: Separators;
}

/**
 * Cuts a segment into its fields; undefined if it is not a segment.
 * @param separators those in force; a header brings its own
 */
export function cut(text: string, separators: Separators | undefined): RawSegment | undefined {
  const start = text.search(/[^\s\x1c]/); // oxlint-disable-line no-control-regex -- FS is a control character
  const end = terminatorAt(text);
  const name = text.slice(start, start + 3);
  if (start < 0 || !/^[A-Z][A-Z0-9]{2}$/.test(name) || end < start + 3) return undefined;
  const [before, rest, after] = [text.slice(0, start), text.slice(start + 3, end), text.slice(end)];
  if (HEADERS.has(name)) {
    const field = rest.charAt(0);
    const fields = splitBounded(rest.slice(1), field === '' ? '|' : field);
    return { before, name, fields: [field, ...fields], after, separators: separatorsOf(field, fields[0] ?? '') };
  }
  if (separators === undefined || (rest !== '' && !rest.startsWith(separators.field))) return undefined;
  return { before, name, fields: rest === '' ? [] : splitBounded(rest.slice(1), separators.field), after, separators };
}

/**
 * Returns where the terminator begins: the first line or block end of the white space at the end of a text. Spaces
 * before it belong to the last field; blank lines after it do not. A regular expression would take quadratic time.
 */
function terminatorAt(text: string): number {
  let end = text.length;
  for (let at = text.length; at > 0; at -= 1) {
    const char = text.charAt(at - 1);
    if ('\r\n\x1c'.includes(char)) end = at - 1;
    else if (char.trim() !== '') break;
  }
  return end;
}

/**
 * Returns the segment as an object of arrays of repeats: `f1`, `f2`, … A header's f1 and f2 are its separators as text.
 */
export function toObject(raw: RawSegment, budget: ValueBudget): SegmentObject {
  const segment: SegmentObject = {};
  budget.spend(raw.fields.length, 'HL7 v2');
  raw.fields.forEach((text, index) => {
    const field = readField(raw, index, text, budget);
    if (field === undefined) return;
    checkField(index + 1, 'HL7 segment');
    segment[`f${index + 1}`] = field;
  });
  return segment;
}

function readField(raw: RawSegment, index: number, text: string, budget?: ValueBudget): unknown {
  if (HEADERS.has(raw.name) && index < 2) return text;
  if (text === '') return undefined;
  const { repetition, component, subcomponent } = raw.separators;
  const repeats = repetition === undefined ? [text] : splitBounded(text, repetition);
  budget?.spend(repeats.length, 'HL7 v2');
  return repeats.map((repeat): Repeat => {
    const components = splitBounded(repeat, component);
    budget?.spend(components.length, 'HL7 v2');
    return numbered('c', components, (part) => {
      if (subcomponent === undefined || !part.includes(subcomponent)) return unescape(part, raw.separators);
      const subcomponents = splitBounded(part, subcomponent);
      budget?.spend(subcomponents.length, 'HL7 v2');
      return numbered('s', subcomponents, (sub) => unescape(sub, raw.separators));
    });
  });
}

function numbered<Value>(letter: string, parts: string[], read: (part: string) => Value): Record<string, Value> {
  const out: Record<string, Value> = {};
  parts.forEach((part, index) => {
    if (part !== '') out[`${letter}${index + 1}`] = read(part);
  });
  return out;
}

/**
 * Returns the segment's text, without its terminator. Unchanged fields are written as they were read.
 * @param before the segment as it was read, if it was
 * @param separators those in force for the written text; ignored for a header
 */
export function toText(name: string, segment: SegmentObject, before: RawSegment | undefined, separators?: Separators) {
  const by = HEADERS.has(name) ? headerSeparators(segment) : separators;
  if (by === undefined) throw new InvalidMessageError('An HL7 message begins with MSH (or FHS, BHS).');
  const usable = before !== undefined && areEqual(before.separators, by) ? before : undefined;
  const count = Math.max(highest('f', segment), usable?.fields.length ?? 0);
  const fields: string[] = [];
  for (let index = HEADERS.has(name) ? 1 : 0; index < count; index += 1) {
    const value = segment[`f${index + 1}`];
    const was = usable?.fields[index];
    const isAsRead = was !== undefined && usable !== undefined && areEqual(readField(usable, index, was), value);
    fields.push(isAsRead ? was : fieldText(name, index, value, by, was));
  }
  if (usable === undefined) while (fields.length > 1 && fields.at(-1) === '') fields.pop();
  return { text: fields.length === 0 ? name : [name, ...fields].join(by.field), separators: by };
}

function headerSeparators({ f1, f2 }: SegmentObject): Separators {
  try {
    return separatorsOf(typeof f1 === 'string' ? f1 : '|', typeof f2 === 'string' ? f2 : DEFAULT_ENCODING);
  } catch {
    throw new InvalidMessageError('The encoding characters (f1 and f2 of MSH) are not usable.');
  }
}

/** @param was the field as it was read, if it was: its parts that have not changed are written as they were read */
function fieldText(name: string, index: number, value: unknown, by: Separators, was = ''): string {
  if (HEADERS.has(name) && index === 1) return typeof value === 'string' ? value : DEFAULT_ENCODING;
  const repeats = was === '' || by.repetition === undefined ? [was] : splitBounded(was, by.repetition);
  if (Array.isArray(value)) {
    if (value.length > 1 && by.repetition === undefined) throw wrong(name, index, 'cannot repeat: MSH-2 is too short');
    return value
      .map((repeat, at) => repeatText(name, index, repeat as unknown, by, repeats[at] ?? ''))
      .join(by.repetition);
  }
  return repeatText(name, index, value, by, repeats[0] ?? '');
}

function repeatText(name: string, index: number, value: unknown, by: Separators, was: string): string {
  const components = splitBounded(was, by.component);
  if (!isObject(value) || Array.isArray(value)) return leaf(name, index, value, by, was);
  return joined('c', value, by.component, (component, at) => {
    const before = components[at] ?? '';
    if (!isObject(component) || Array.isArray(component)) return leaf(name, index, component, by, before);
    const keys = highest('s', component);
    if (keys > 1 && by.subcomponent === undefined)
      throw wrong(name, index, 'has subcomponents, and MSH-2 is too short');
    const subcomponents = by.subcomponent === undefined ? [before] : splitBounded(before, by.subcomponent);
    return joined('s', component, by.subcomponent ?? '', (sub, place) =>
      leaf(name, index, sub, by, subcomponents[place] ?? ''),
    );
  });
}

function joined(
  letter: string,
  parts: Record<string, unknown>,
  by: string,
  text: (value: unknown, at: number) => string,
): string {
  const count = highest(letter, parts);
  return Array.from({ length: count }, (_, at) => text(parts[`${letter}${at + 1}`], at)).join(by);
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
