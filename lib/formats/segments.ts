/**
 * What HL7 v2 and EDIFACT share as objects: segments by their names, each with its place and its text as it came. A part
 * that nobody changed is written as it came, byte for byte; only what was changed is built anew.
 */
import { InvalidMessageError, UnreadableError } from '../errors';

/** A segment as a flow sees it. Plain JSON. */
export interface SegmentObject {
  /** Place in the message: segments are written in this order. Without it, after the last of the same name. */
  at?: number;
  /** The segment's text as it was read. Written again where nothing was changed; may be left out or deleted. */
  raw?: string;
  [part: string]: unknown;
}

/** A segment on its way out. */
export interface PlacedSegment {
  name: string;
  segment: SegmentObject;
}

const NAME = /^[A-Z][A-Z0-9]{2}$/;

/** Adds a segment under its name. */
export function addSegment(to: Record<string, unknown>, name: string, segment: SegmentObject): void {
  const list = to[name];
  if (Array.isArray(list)) list.push(segment);
  else to[name] = [segment];
}

/**
 * The segments of an object in their order. Names are keys of three capitals or digits; each holds one segment or several.
 * @throws InvalidMessageError where something under such a name is no segment.
 */
export function segmentsInOrder(from: Record<string, unknown>): PlacedSegment[] {
  const placed: Array<PlacedSegment & { at: number }> = [];
  for (const name of Object.keys(from)) {
    if (!NAME.test(name)) continue;
    const held = from[name];
    let last: number | undefined;
    for (const segment of Array.isArray(held) ? (held as unknown[]) : [held]) {
      if (!isObject(segment))
        throw new InvalidMessageError(`What is under ${name} is not a segment or an array of them.`);
      const at = typeof segment['at'] === 'number' ? segment['at'] : (last ?? Number.POSITIVE_INFINITY);
      last = at;
      placed.push({ name, segment, at });
    }
  }
  return placed.sort((one, other) => (one.at === other.at ? 0 : one.at - other.at));
}

/** No segment of either standard has a thousand fields. */
const MOST_FIELDS = 999;

/** Highest number of the keys `<letter>1`, `<letter>2`, … of an object. */
export function highest(letter: string, of: Record<string, unknown>): number {
  let found = 0;
  for (const key of Object.keys(of)) {
    const number = key.startsWith(letter) && /^[1-9]\d{0,4}$/.test(key.slice(1)) ? Number(key.slice(1)) : 0;
    if (number > found && of[key] !== undefined) found = number;
  }
  // A key such as f99999 would write 99,999 separators.
  if (found > MOST_FIELDS) {
    throw new InvalidMessageError(`There is no ${letter}${found}: at most ${letter}${MOST_FIELDS}.`);
  }
  return found;
}

/** @throws UnreadableError for a field that {@link highest} would not let be written again. */
export function checkField(number: number, format: string): void {
  if (number > MOST_FIELDS)
    throw new UnreadableError(`A segment has more than ${MOST_FIELDS} fields: no ${format} has.`);
}

/** Whether two plain values are the same, whatever the order of their keys. */
export function same(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  if (!isObject(one) || !isObject(other)) return false;
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => same(one[key], other[key]));
}

/** An object or array with keys. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Buffer.isBuffer(value);
}
