/** Converts one EDIFACT segment from text to an object of elements and back. */
import { InvalidMessageError, UnreadableError } from '../../errors';
import type { ValueBudget } from '../limits';
import {
  areEqual,
  checkField,
  checkPart,
  highest,
  isObject,
  keysOf,
  withoutPadding,
  type SegmentObject,
} from '../segments';
import { endOfPart, releaseText, splitReleased, unrelease, type Syntax } from './syntax';

/** A segment's text, cut into its parts. */
export interface RawSegment {
  /** The segment with its terminator, and the white space up to the next one. */
  text: string;
  tag: string;
  /** The text of the tag as read (some senders break lines anywhere), and of element 1, 2, … */
  parts: string[];
  /** The place of the terminator, or of the white space that a last segment has instead. */
  end: number;
}

/** Segments that can be the last of a payload: their terminator is lost more often than any other. */
const TRAILERS: ReadonlySet<string> = new Set(['UNZ', 'UNE', 'UNT']);

/**
 * Cuts a segment into its elements; undefined if it is not a segment.
 * @param text the segment with its terminator and the white space up to the next one
 * @param end the place of the terminator, or of the end of the last element
 */
export function cut(text: string, end: number, syntax: Syntax, budget?: ValueBudget): RawSegment | undefined {
  const parts = splitReleased(text.slice(0, end), syntax.element, syntax, budget);
  const tagText = parts[0] ?? '';
  const tag = tagText.length === 3 ? tagText : tagText.replaceAll(/[\r\n]/g, '');
  if (!/^[A-Z][A-Z0-9]{2}$/.test(tag)) return undefined;
  if (text.charAt(end) !== syntax.terminator && !TRAILERS.has(tag)) return undefined;
  return { text, tag, parts, end };
}

/** The place of a segment's terminator, or of the end of its last element; undefined if it is more than one segment. */
export function endOf(text: string, syntax: Syntax): number | undefined {
  const [content = '', after, more] = splitReleased(text, syntax.terminator, syntax);
  if (after === undefined) return withoutPadding(content).length;
  return more === undefined && withoutPadding(after) === '' ? content.length : undefined;
}

const ELEMENT = keysOf('e');
const COMPONENT = keysOf('c');

/**
 * Adds `e1`, `e2`, … to an object, each `{c1, c2, …}`, or an array of them if it repeats (syntax 4). Empty parts are left
 * out.
 */
export function addElements(to: SegmentObject, { parts }: RawSegment, syntax: Syntax, budget: ValueBudget): void {
  for (let number = 1; number < parts.length; number += 1) {
    const element = readElement(parts[number] ?? '', syntax, budget);
    if (element === undefined) continue;
    checkField(number, 'EDIFACT segment');
    to[ELEMENT(number - 1)] = element;
  }
}

function readElement(text: string, syntax: Syntax, budget?: ValueBudget): unknown {
  if (text === '') return undefined;
  const { repetition } = syntax;
  if (repetition === undefined || !text.includes(repetition)) return readRepeat(text, syntax, budget);
  const repeats = splitReleased(text, repetition, syntax, budget);
  const elements = repeats.map((repeat) => readRepeat(repeat, syntax, budget));
  return elements.length === 1 ? elements[0] : elements;
}

function readRepeat(text: string, syntax: Syntax, budget?: ValueBudget): Record<string, string> {
  if (text !== '' && !text.includes(syntax.component)) return { c1: unrelease(text, syntax) };
  const element: Record<string, string> = {};
  for (let index = 0, from = 0; from <= text.length; index += 1) {
    const end = endOfPart(text, syntax.component, from, syntax);
    if (index > 0) budget?.spend(1, 'EDIFACT');
    checkPart(index + 1, 'EDIFACT element');
    if (end > from) element[COMPONENT(index)] = unrelease(text.slice(from, end), syntax);
    from = end + 1;
  }
  return element;
}

/** Returns the segment's text with its terminator. Unchanged elements are written as they were read. */
export function toText(tag: string, segment: SegmentObject, before: RawSegment | undefined, syntax: Syntax): string {
  const was = before?.parts ?? [tag];
  const count = Math.max(highest('e', segment), was.length - 1);
  const parts = [was[0] ?? tag];
  for (let number = 1; number <= count; number += 1) {
    const value = segment[ELEMENT(number - 1)];
    const text = was[number];
    const isSame = text !== undefined && areEqual(readElement(text, syntax), value);
    parts.push(isSame ? text : elementText(tag, number - 1, value, syntax));
  }
  if (before === undefined) while (parts.length > 1 && parts.at(-1) === '') parts.pop();
  return parts.join(syntax.element) + (before?.text.slice(before.end) ?? syntax.terminator);
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
