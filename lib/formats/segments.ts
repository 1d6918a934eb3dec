/**
 * What HL7 v2 and EDIFACT share as objects: segments under their names, each with its place and its text as read.
 * Unchanged parts are written as they were read, byte for byte; only changed parts are rebuilt.
 */
import { InvalidMessageError, UnreadableError } from '../errors';

/** A segment as a flow has it. Plain JSON. */
export interface SegmentObject {
  /** Place in the message: segments are written in this order; one without a place follows the last of its name. */
  at?: number;
  /** The segment's text as read, written again if nothing was changed. It may be left out or deleted. */
  raw?: string;
  [part: string]: unknown;
}

/** A segment that is to be written. */
export interface PlacedSegment {
  name: string;
  segment: SegmentObject;
}

const NAME = /^[A-Z][A-Z0-9]{2}$/;

/**
 * Whether a character around segments is padding, which belongs to no text: NUL, with which fixed records are filled up,
 * or SUB (Ctrl-Z), with which DOS ends a file.
 */
export const isPadding = (char: string): boolean => char === '\0' || char === '\x1a';

/** Returns a text without the white space and padding at its end. A regular expression would take quadratic time. */
export function withoutPadding(text: string): string {
  let end = text.length;
  while (end > 0 && (text.charAt(end - 1).trim() === '' || isPadding(text.charAt(end - 1)))) end -= 1;
  return text.slice(0, end);
}

/** Whether a text is nothing but padding, or empty. It ends at the first other character: there may be millions. */
export function isAllPadding(text: string): boolean {
  let at = 0;
  while (isPadding(text.charAt(at))) at += 1;
  return at === text.length;
}

/** Whether what stands around a segment has padding, which is reported. */
export const hasPadding = (around: string): boolean =>
  around !== '' && around !== '\r' && (around.includes('\0') || around.includes('\x1a'));

/** An empty list to copy. */
const NONE: readonly SegmentObject[] = [];

/**
 * Adds a segment under its name. V8 comes to allocate what an array literal makes here as long-lived, which doubles the
 * time of reading (measured); not so a copy.
 */
export function addSegment(to: Record<string, unknown>, name: string, segment: SegmentObject): void {
  let list = to[name] as SegmentObject[] | undefined;
  if (list === undefined) {
    list = NONE.slice();
    to[name] = list;
  }
  list.push(segment);
}

/**
 * Returns the segments of an object in their order. Keys of three capitals or digits are names, each of one segment or
 * several.
 * @throws InvalidMessageError when a value under such a name is not a segment
 */
export function segmentsInOrder(from: Record<string, unknown>): PlacedSegment[] {
  const placed: Array<PlacedSegment & { at: number }> = [];
  for (const name of Object.keys(from)) {
    if (!NAME.test(name)) continue;
    const value = from[name];
    let last: number | undefined;
    for (const segment of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (!isObject(segment))
        throw new InvalidMessageError(`The value of ${name} is not a segment or an array of segments.`);
      const at = typeof segment['at'] === 'number' ? segment['at'] : (last ?? Number.POSITIVE_INFINITY);
      last = at;
      placed.push({ name, segment, at });
    }
  }
  return placed.sort((one, other) => (one.at === other.at ? 0 : one.at - other.at));
}

/** No segment of either standard has a thousand fields. */
const MAX_FIELDS = 999;
/**
 * Components and subcomponents are more: HL7's numeric arrays (data type NA) have one for each value of a waveform.
 * Readers and writers take as many.
 */
const MAX_PARTS = 99_999;

/** The keys `<letter>1`, `<letter>2`, … by index: made once, because a message has thousands of them. */
export function keysOf(letter: string): (index: number) => string {
  const keys = Array.from({ length: MAX_FIELDS }, (_, index) => `${letter}${index + 1}`);
  return (index) => keys[index] ?? `${letter}${index + 1}`;
}

/**
 * Returns the highest number of an object's keys `<letter>1`, `<letter>2`, …
 * @throws InvalidMessageError when it exceeds what a segment can have
 */
export function highest(letter: string, parts: Record<string, unknown>): number {
  let found = 0;
  for (const key of Object.keys(parts)) {
    const number = numberOf(key, letter);
    if (number > found && parts[key] !== undefined) found = number;
  }
  // Each key writes as many separators as its number says, and so does a mistaken one.
  const maximum = letter === 'f' || letter === 'e' ? MAX_FIELDS : MAX_PARTS;
  if (found > maximum) {
    throw new InvalidMessageError(`A segment has no ${letter}${found}: the last is ${letter}${maximum}.`);
  }
  return found;
}

/** The number of a key `<letter>1` to `<letter>9999999`; 0 of any other. */
function numberOf(key: string, letter: string): number {
  if (key.charCodeAt(0) !== letter.charCodeAt(0) || key.length > 8) return 0;
  let number = 0;
  for (let index = 1; index < key.length; index += 1) {
    const digit = key.charCodeAt(index) - 0x30;
    if (digit < 0 || digit > 9 || (digit === 0 && number === 0)) return 0;
    number = 10 * number + digit;
  }
  return number;
}

/** @throws UnreadableError for a field number with which {@link highest} would refuse to write the segment again */
export function checkField(number: number, format: string): void {
  if (number > MAX_FIELDS)
    throw new UnreadableError(`A segment has more than ${MAX_FIELDS} fields, which no ${format} has.`);
}

/** @throws UnreadableError for more components than {@link highest} would write again */
export function checkPart(number: number, of: string): void {
  if (number > MAX_PARTS) throw new UnreadableError(`A part of an ${of} has more than ${MAX_PARTS} parts itself.`);
}

/** Whether two plain values are equal, whatever the order of their keys. */
export function areEqual(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  if (!isObject(one) || !isObject(other)) return false;
  const keys = Object.keys(one);
  if (keys.length !== Object.keys(other).length) return false;
  for (const key of keys) if (!areEqual(one[key], other[key])) return false;
  return true;
}

/** Whether a value is an object or an array, and not a Buffer. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Buffer.isBuffer(value);
}
