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

/**
 * What can stand around segments: white space, padding, and FS, the end of an MLLP block that was stored with its
 * message. As a class of a regular expression.
 */
export const AROUND = String.raw`\s\x00\x1a\x1c`;
export const NOT_AROUND = new RegExp(`[^${AROUND}]`);

/** Segments that define their own encoding characters. */
export const HEADERS: ReadonlySet<string> = new Set(['MSH', 'FHS', 'BHS']);
export const DEFAULT_ENCODING = '^~\\&';

/**
 * The field separator, and one to five encoding characters. Where the escape character belongs a space may stand: what
 * a backslash became on its way through a form or a wiki. Then there is no escape character.
 */
const SEPARATORS = /^(?:[!-/:-@[-`{-~]{2,6}|[!-/:-@[-`{-~]{3} [!-/:-@[-`{-~]{0,2})$/;
const HAS_ONE_TWICE = /(.).*\1/;

/** @throws UnreadableError when the characters cannot separate anything */
export function separatorsOf(field: string, encoding: string): Separators {
  const all = field + encoding;
  const [component, repetition, escape, subcomponent] = encoding;
  if (field.length !== 1 || component === undefined || !SEPARATORS.test(all) || HAS_ONE_TWICE.test(all)) {
    throw new UnreadableError('The encoding characters of the HL7 message (MSH-1, MSH-2) are not usable.');
  }
  return { field, component, repetition, escape: escape === ' ' ? undefined : escape, subcomponent };
}

/**
 * Escape sequences that stay in the text, in upper or lower case: formatting (`\H\`, `\.br\`), character sets (`\C..\`,
 * `\M..\`), bytes (`\XE9\`: of which character set is not known), and local ones (`\Z..\`, `\P\`).
 */
const KEPT = /^(?:[A-Z]|\.[A-Z]{2} ?[+-]?\d*|X(?:[0-9A-F]{2})+|C[0-9A-F]{4}|M[0-9A-F]{4,6}|Z[\w.+-]*)$/i;

/** Whether `\name\` is a sequence that stays in the text: none that {@link escapeText} writes. */
const isKept = (name: string | undefined, by: Separators): boolean =>
  name !== undefined &&
  KEPT.test(name) &&
  meaning(name, by) === undefined &&
  !Object.values(by).some((separator) => separator !== undefined && name.includes(separator as string));

/**
 * Resolves the escape sequences that {@link escapeText} would write; every other one stays as it is, so that a text is
 * written again byte for byte, wherever a flow copies it to. For that, an escaped escape character stays escaped where
 * it would spell a sequence that stays.
 */
export function unescape(text: string, by: Separators): string {
  const { escape } = by;
  if (escape === undefined || !text.includes(escape)) return text;
  // From the end: whether an escape character would spell a sequence depends on what follows. `out` has the parts of
  // the result between its escape characters, the last one first.
  const out = [''];
  for (const { kind, value } of tokensOf(splitBounded(text, escape), by).toReversed()) {
    if (kind === 'text') out[out.length - 1] = value + (out.at(-1) ?? '');
    else if (kind === 'kept') out.push(value, '');
    else if (kind === 'escape' && wouldSpell(out, by)) out.push('E', '');
    else out.push('');
  }
  return out.toReversed().join(escape);
}

/** A text; a sequence that stays; an escaped escape character; one that begins no sequence. */
interface Token {
  kind: 'text' | 'kept' | 'escape' | 'stray';
  value: string;
}

function tokensOf(parts: readonly string[], by: Separators): Token[] {
  const tokens: Token[] = [{ kind: 'text', value: parts[0] ?? '' }];
  for (let index = 1; index < parts.length; index += 1) {
    const name = parts[index] ?? '';
    const isSequence = index + 1 < parts.length;
    const resolved = isSequence ? meaning(name, by) : undefined;
    if (resolved === undefined && !(isSequence && isKept(name, by))) {
      tokens.push({ kind: 'stray', value: '' }, { kind: 'text', value: name });
      continue;
    }
    const kind = resolved === undefined ? 'kept' : name === 'E' ? 'escape' : 'text';
    tokens.push({ kind, value: resolved ?? name }, { kind: 'text', value: parts[index + 1] ?? '' });
    index += 1;
  }
  return tokens;
}

/**
 * Whether {@link escapeText} would take an escape character before these parts (the last one first) for the beginning
 * of a sequence.
 */
function wouldSpell(parts: readonly string[], by: Separators): boolean {
  const [next, second] = [parts.at(-1), parts.at(-2)];
  if (parts.length > 1 && isKept(next, by)) return true;
  return next === 'E' && parts.length > 2 && (second === 'E' || isKept(second, by));
}

/** What a sequence stands for: only the sequences that {@link plain} and {@link escapeText} write. */
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
    case 'X0D':
      return '\r';
    case 'X0A':
      return '\n';
    default:
      return undefined;
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
    const next = parts[index + 1];
    if (name === 'E' && index + 2 < parts.length && (next === 'E' || isKept(next, by))) {
      // The text that would spell a sequence, see unescape.
      out += `${escape}E${escape}${plain(next ?? '', by, escape)}`;
      index += 1;
    } else if (index + 1 < parts.length && isKept(name, by)) {
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
