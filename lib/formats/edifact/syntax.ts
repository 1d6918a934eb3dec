/**
 * The service characters of a UN/EDIFACT interchange (ISO 9735, syntax versions 1 to 4), and splitting text at them.
 */
import { UnreadableError } from '../../errors';
import { splitBounded, type ValueBudget } from '../limits';

/** UNA's characters, in UNA's order. */
export interface Syntax {
  component: string;
  element: string;
  decimal: string;
  release: string;
  /** Separates repeats of an element: syntax version 4 only. */
  repetition: string | undefined;
  terminator: string;
}

/** The characters without UNA (ISO 9735). */
export const DEFAULT_SYNTAX: Syntax = {
  component: ':',
  element: '+',
  decimal: '.',
  release: '?',
  repetition: undefined,
  terminator: "'",
};

/**
 * Text before UNA or UNB: white space, padding and a byte order mark, also one that was read byte by byte. Millions of
 * repeats of a group would overflow the stack.
 */
export const LEAD = /^[\s\0\x1a\uFEFF]*(?:\xEF\xBB\xBF[\s\0\x1a\uFEFF]*){0,3}/; // oxlint-disable-line no-control-regex -- padding is control characters

/**
 * The characters of a UNA segment: six, or five where its sender has left out the reserved one.
 * @param una the segment, with what stands before and after it
 * @throws UnreadableError when they are not usable
 */
export function syntaxOfUna(una: string): Syntax {
  const characters = una.replace(LEAD, '').slice(3, 9);
  return syntaxOf(isFive(characters) ? `${characters.slice(0, 4)} ${characters.charAt(4)}` : characters);
}

/** Whether only five of six characters can be UNA's: the sixth is white space, or the first of UNB. */
const isFive = (characters: string): boolean =>
  /^[^\sA-Za-z0-9]{2}[^A-Za-z0-9][^\s][^\sA-Za-z0-9][\sU]?$/.test(characters);

/** @throws UnreadableError when the six characters after `UNA` cannot separate anything */
export function syntaxOf(una: string): Syntax {
  const [component = '', element = '', decimal = '', release = '', repetition = ' ', terminator = ''] = una;
  const all = [component, element, release, terminator, ...(repetition === ' ' ? [] : [repetition])].filter(
    (char, index) => !(index === 2 && char === ' '),
  );
  if (
    una.length !== 6 ||
    new Set(all).size !== all.length ||
    all.some((char) => char.length !== 1 || /[\sA-Za-z0-9]/.test(char))
  ) {
    throw new UnreadableError('The UNA segment of the EDIFACT interchange is not usable.');
  }
  return { component, element, decimal, release, repetition: repetition === ' ' ? undefined : repetition, terminator };
}

/**
 * The characters that are in force for an interchange of this syntax version (UNB S001, 0002; undefined for bare
 * messages). Only version 4 has a repetition separator, without UNA the asterisk: before, UNA's fifth character is
 * reserved, and texts may have it.
 */
export function syntaxOfVersion(own: Syntax | undefined, version: string | undefined): Syntax {
  if (own === undefined) return version === '4' ? { ...DEFAULT_SYNTAX, repetition: '*' } : DEFAULT_SYNTAX;
  return /^[1-3]$/.test(version ?? '') ? { ...own, repetition: undefined } : own;
}

/** Splits a text at every `at` without a release character before it. A space as release character means none. */
export function splitReleased(
  text: string,
  at: string | undefined,
  { release }: Syntax,
  budget?: ValueBudget,
): string[] {
  const split = splitBounded(text, at);
  const isSure = at === undefined || split.length === 1 || release === ' ' || !text.includes(release);
  const parts = isSure ? split : rejoined(split, at, release);
  budget?.spend(parts.length - 1, 'EDIFACT');
  return parts;
}

/** Joins the parts again that were split at a released `at`: those that end in an odd number of release characters. */
function rejoined(parts: readonly string[], at: string, release: string): string[] {
  const whole: string[] = [];
  let open = '';
  parts.forEach((part, index) => {
    let end = part.length;
    while (end > 0 && part.charAt(end - 1) === release) end -= 1;
    const isReleased = (part.length - end) % 2 === 1 && index < parts.length - 1;
    open += isReleased ? part + at : part;
    if (isReleased) return;
    whole.push(open);
    open = '';
  });
  return whole;
}

/** The end of the part that begins at a place: where a separator stands that is not released, or the text ends. */
export function endOfPart(text: string, separator: string, from: number, { release }: Syntax): number {
  const isReleasing = (at: number): boolean => release !== ' ' && text.charAt(at) === release;
  for (let end = text.indexOf(separator, from); end >= 0; end = text.indexOf(separator, end + 1)) {
    let start = end;
    while (start > from && isReleasing(start - 1)) start -= 1;
    if ((end - start) % 2 === 0) return end;
  }
  return text.length;
}

/** Removes a value's release characters. */
export function unrelease(text: string, { release }: Syntax): string {
  if (release === ' ' || !text.includes(release)) return text;
  let out = '';
  for (let index = 0; index < text.length; index += 1) {
    if (text.charAt(index) === release) index += 1;
    out += text.charAt(index);
  }
  return out;
}

/** Escapes a value: every service character gets a release character before it. */
export function releaseText(text: string, syntax: Syntax): string {
  const { component, element, release, repetition, terminator } = syntax;
  if (release === ' ') return text;
  const special = new Set([component, element, release, repetition, terminator]);
  return text
    .split('')
    .map((char) => (special.has(char) ? release + char : char))
    .join('');
}
