/** Converts one EDIFACT segment from text to an object of elements and back. */
import { InvalidMessageError, UnreadableError } from '../../errors';
import type { ValueBudget } from '../limits';
import { checkField, highest, isObject, areEqual, type SegmentObject } from '../segments';
import { releaseText, splitReleased, unrelease, type Syntax } from './syntax';

/** A segment's text, cut into its parts. */
export interface RawSegment {
  tag: string;
  /** The tag as read: some senders break lines anywhere. */
  tagText: string;
  /** Texts of element 1, 2, … */
  elements: string[];
  /** The terminator and the white space after it; white space alone where a last segment has no terminator. */
  after: string;
}

/** Segments that can be the last of a payload: their terminator is lost more often than any other. */
const TRAILERS: ReadonlySet<string> = new Set(['UNZ', 'UNE', 'UNT']);

/**
 * Cuts a segment into its elements; undefined if it is not a segment.
 * @param text the segment with its terminator and the white space up to the next one
 */
export function cut(text: string, syntax: Syntax, budget?: ValueBudget): RawSegment | undefined {
  const [body = '', ...rest] = splitReleased(text, syntax.terminator, syntax);
  const isEnded = rest.length === 1;
  const content = isEnded ? body : body.trimEnd();
  const [tagText = '', ...elements] = splitReleased(content, syntax.element, syntax, budget);
  const tag = tagText.replaceAll(/[\r\n]/g, '');
  if (!/^[A-Z][A-Z0-9]{2}$/.test(tag) || rest.length > 1 || (rest[0] ?? '').trim() !== '') return undefined;
  if (!isEnded && !TRAILERS.has(tag)) return undefined;
  return { tag, tagText, elements, after: text.slice(content.length) };
}

/**
 * Returns `e1`, `e2`, …, each `{c1, c2, …}`, or an array of them if it repeats (syntax 4). Empty parts are left out.
 */
export function toObject({ elements }: RawSegment, syntax: Syntax, budget: ValueBudget): SegmentObject {
  const segment: SegmentObject = {};
  elements.forEach((text, index) => {
    const element = readElement(text, syntax, budget);
    if (element === undefined) return;
    checkField(index + 1, 'EDIFACT segment');
    segment[`e${index + 1}`] = element;
  });
  return segment;
}

function readElement(text: string, syntax: Syntax, budget?: ValueBudget): unknown {
  if (text === '') return undefined;
  const repeats = splitReleased(text, syntax.repetition, syntax, budget).map((repeat) => {
    const element: Record<string, string> = {};
    splitReleased(repeat, syntax.component, syntax, budget).forEach((part, index) => {
      if (part !== '') element[`c${index + 1}`] = unrelease(part, syntax);
    });
    return element;
  });
  return repeats.length === 1 ? repeats[0] : repeats;
}

/** Returns the segment's text with its terminator. Unchanged elements are written as they were read. */
export function toText(tag: string, segment: SegmentObject, before: RawSegment | undefined, syntax: Syntax): string {
  const count = Math.max(highest('e', segment), before?.elements.length ?? 0);
  const elements: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const value = segment[`e${index + 1}`];
    const was = before?.elements[index];
    elements.push(
      was !== undefined && areEqual(readElement(was, syntax), value) ? was : elementText(tag, index, value, syntax),
    );
  }
  if (before === undefined) while (elements.at(-1) === '') elements.pop();
  return [before?.tagText ?? tag, ...elements].join(syntax.element) + (before?.after ?? syntax.terminator);
}

function elementText(tag: string, index: number, value: unknown, syntax: Syntax): string {
  if (Array.isArray(value)) {
    if (value.length > 1 && syntax.repetition === undefined) {
      throw new InvalidMessageError(`Element ${index + 1} of ${tag} repeats, and only syntax version 4 has repeats.`);
    }
    return value.map((repeat) => elementText(tag, index, repeat as unknown, syntax)).join(syntax.repetition);
  }
  if (!isObject(value)) return leaf(tag, index, value, syntax);
  const parts = Array.from({ length: highest('c', value) }, (_, at) => leaf(tag, index, value[`c${at + 1}`], syntax));
  return parts.join(syntax.component);
}

function leaf(tag: string, index: number, value: unknown, syntax: Syntax): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return releaseText(value, syntax);
  if (typeof value === 'number') return String(value).replace('.', syntax.decimal);
  throw new InvalidMessageError(`Element ${index + 1} of ${tag} is not a text.`);
}

/** The error for a segment, by its index from 0. */
export function unreadableSegment(index: number): UnreadableError {
  return new UnreadableError(
    `Segment ${index + 1} of the EDIFACT interchange cannot be read: it has no tag or no end.`,
  );
}
