/**
 * Knows which segments of a message are as they were read. That can always be found out by reading their texts again;
 * but it takes five times as long (measured), and most flows change a few segments of the very objects that they were
 * given. Of copies nothing is known here.
 */
import type { SegmentObject } from './segments';

/**
 * What stands in a segment, in its order: names and values, of an array its length and items, and {@link END}. The
 * readers note it as they make it: to look for it afterwards takes twice as long (measured).
 */
export type Parts = unknown[];

/** Stands after the parts of an object. */
export const END = Symbol('end');

/** A segment, and its parts as they were read. */
export interface Remembered {
  segment: SegmentObject;
  parts: Parts;
}

/**
 * Where it is remembered: at the first segment of a message. Nobody sees it there: it is not enumerable, so neither
 * JSON nor a copy has it. A WeakMap doubles the time of reading, because its entries outlive young garbage (measured).
 */
const REMEMBERED = Symbol('as read');

/** Remembers the segments of a message, in their order, as they were read. */
export function rememberAsRead(segments: Remembered[]): void {
  const first = segments[0]?.segment;
  if (first !== undefined) Object.defineProperty(first, REMEMBERED, { value: segments });
}

/**
 * Returns whether a segment is the object that was read, and nothing of it has changed; false where that is not known.
 * @param first the first segment of its message
 */
export function asReadWith(first: SegmentObject | undefined): (segment: SegmentObject) => boolean {
  const remembered = (first as { [REMEMBERED]?: Remembered[] } | undefined)?.[REMEMBERED] ?? [];
  return (segment) => {
    const { at } = segment;
    const known = at === undefined ? undefined : remembered[at - 1];
    return known?.segment === segment && afterParts(segment, known.parts, 0) === known.parts.length;
  };
}

/** Returns the place after the parts of a value; -1 if they are not there. */
function afterParts(value: unknown, parts: readonly unknown[], from: number): number {
  let at = from;
  if (typeof value !== 'object' || value === null) return value === parts[at] ? at + 1 : -1;
  if (Array.isArray(value)) {
    if (value.length !== parts[at]) return -1;
    at += 1;
    for (let index = 0; index < value.length && at > 0; index += 1) at = afterParts(value[index], parts, at);
    return at;
  }
  for (const name in value) {
    if (parts[at] !== name) return -1;
    at = afterParts((value as Record<string, unknown>)[name], parts, at + 1);
    if (at < 0) return -1;
  }
  return parts[at] === END ? at + 1 : -1;
}
