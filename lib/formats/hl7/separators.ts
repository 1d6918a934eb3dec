/** The encoding characters of HL7 v2 (HL7 v2 chapter 2, "Message delimiters") and its escape sequences. */
import { UnreadableError } from '../../errors';
import { splitBounded } from '../limits';

/** One character each; undefined when the sender's MSH-2 is too short to define it. */
export interface Separators {
  field: string;
  component: string;
  repetition: string | undefined;
  escape: string | undefined;
  subcomponent: string | undefined;
}

/** Segments that define their own encoding characters. */
export const HEADERS: ReadonlySet<string> = new Set(['MSH', 'FHS', 'BHS']);
export const DEFAULT_ENCODING = '^~\\&';

/** @throws UnreadableError when the characters cannot separate anything */
export function separatorsOf(field: string, encoding: string): Separators {
  const all = [field, ...encoding.split('')];
  const usable = all.every((char) => /^[!-/:-@[-`{-~]$/.test(char)) && new Set(all).size === all.length;
  const [component, repetition, escape, subcomponent] = encoding;
  if (!usable || component === undefined || encoding.length > 5) {
    throw new UnreadableError('The encoding characters of the HL7 message (MSH-1, MSH-2) are not usable.');
  }
  return { field, component, repetition, escape, subcomponent };
}

/** Sequences that format a text or switch its character set: they stay in the text. */
const KEPT = /^(?:[HN]|\.[a-z]{2}[+-]?\d*|[ZCM][^\r\n]*)$/;

/** Resolves a text's escape sequences; `\X..\` for ASCII only, as the character set of higher codes is not known. */
export function unescape(text: string, by: Separators): string {
  const { escape } = by;
  if (escape === undefined || !text.includes(escape)) return text;
  const parts = splitBounded(text, escape);
  let out = parts[0] ?? '';
  for (let index = 1; index < parts.length; index += 1) {
    const name = parts[index] ?? '';
    const resolved = index + 1 < parts.length ? meaning(name, by) : undefined;
    if (resolved === undefined) out += escape + name;
    else {
      out += resolved + (parts[index + 1] ?? '');
      index += 1;
    }
  }
  return out;
}

function meaning(name: string, by: Separators): string | undefined {
  switch (name) {
    case 'F':
      return by.field;
    case 'S':
      return by.component;
    case 'T':
      return by.subcomponent;
    case 'R':
      return by.repetition;
    case 'E':
      return by.escape;
    default:
      if (KEPT.test(name)) return `${by.escape}${name}${by.escape}`;
      return /^X(?:[0-7][0-9A-Fa-f])+$/.test(name) ? Buffer.from(name.slice(1), 'hex').toString('latin1') : undefined;
  }
}

/** Escapes a text for a component: separators, line ends, and escape characters that begin no sequence. */
export function escapeText(text: string, by: Separators): string {
  const { escape } = by;
  if (escape === undefined) return text;
  const parts = splitBounded(text, escape);
  let out = plain(parts[0] ?? '', by, escape);
  for (let index = 1; index < parts.length; index += 1) {
    const name = parts[index] ?? '';
    if (index + 1 < parts.length && KEPT.test(name)) {
      out += escape + name + escape + plain(parts[index + 1] ?? '', by, escape);
      index += 1;
    } else out += `${escape}E${escape}${plain(name, by, escape)}`;
  }
  return out;
}

function plain(text: string, by: Separators, escape: string): string {
  const names = new Map<string | undefined, string>([
    ['\r', 'X0D'],
    ['\n', 'X0A'],
    [by.field, 'F'],
    [by.component, 'S'],
    [by.repetition, 'R'],
    [by.subcomponent, 'T'],
  ]);
  return text
    .split('')
    .map((char) => (names.has(char) ? `${escape}${names.get(char)}${escape}` : char))
    .join('');
}
