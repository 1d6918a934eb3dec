/** Converts HL7 v2 messages, and batches of them, to an object and back, byte for byte where nothing was changed. */
import { InvalidMessageError, UnreadableError } from '../../errors';
import { asReadWith, END, rememberAsRead, type Parts, type Remembered } from '../as-read';
import { encode, refuseUtf16, type Charset, type DeclaredCharset } from '../charset';
import { checkSize, ValueBudget } from '../limits';
import { addSegment, hasPadding, isAllPadding, isObject, segmentsInOrder, type SegmentObject } from '../segments';
import { ToleratedList, type Tolerated } from '../tolerated';
import { declaredCharset, decodeHl7, encodeHl7, type CharsetRule } from './charset';
import { parseHl7Header } from './header';
import { addFields, cut, toText, type RawSegment } from './segment';
import { HEADERS, separatorsOf, type Separators } from './separators';
import { splitSegments } from './terminator';

/**
 * An HL7 v2 message. Every segment is under its name, in an array: `PID[0].f5[0].c1` is PID-5.1 of the first PID. A
 * field (`f1`, …) is an array of repeats, a repeat is an object of components (`c1`, …), and a component is a text, or
 * an object of subcomponents (`s1`, …) if it has any. Empty parts are left out. MSH-1 and MSH-2 are texts.
 */
export interface Hl7Message {
  /** The character set of the bytes that it was read from: then it is written as bytes again. */
  charset?: DeclaredCharset;
  /** What its reader took although HL7 does not allow it. Not written. */
  tolerated?: Tolerated[];
  MSH?: SegmentObject[];
  [segment: string]: unknown;
}

export interface Hl7Options {
  /** The character set of bytes whose MSH-18 is empty. Default `utf-8`. */
  charset?: Charset | undefined;
  /** When it counts instead of MSH-18. Default `empty`. */
  charsetRule?: CharsetRule | undefined;
}

/**
 * Reads a message.
 * @throws UnreadableError when it is not HL7 v2, or not in the character set that it names
 */
export function readHl7(payload: string | Buffer, options: Hl7Options = {}): Hl7Message {
  checkSize(payload, 'HL7 v2');
  if (typeof payload === 'string') return readText(payload);
  refuseUtf16(payload);
  const declared = charsetIn(payload.subarray(0, HEAD).toString('latin1'));
  const { charset = 'utf-8', charsetRule: rule = 'empty' } = options;
  const decoded = decodeHl7(payload, declared, { charset, rule });
  const message = readText(decoded.text);
  const tolerated = [...decoded.tolerated, ...(message.tolerated ?? [])];
  return { charset: decoded.charset, ...message, ...(tolerated.length === 0 ? {} : { tolerated }) };
}

function readText(text: string): Hl7Message {
  const message: Hl7Message = {};
  const budget = new ValueBudget();
  let separators: Separators | undefined;
  const tolerated = new ToleratedList();
  const segments: Remembered[] = [];
  splitSegments(text, budget, tolerated).forEach((line, index) => {
    const raw = cut(line, separators);
    if (!raw) throw notHl7(index);
    separators = raw.separators;
    if (raw.text.charAt(6) === ' ' && HEADERS.has(raw.name)) tolerated.add(...NO_ESCAPE);
    if (hasPadding(raw.after) || (index === 0 && hasPadding(raw.before))) tolerated.add(...PADDED);
    const segment: SegmentObject = { at: index + 1 };
    const parts: Parts = ['at', index + 1];
    addFields(segment, raw, budget, parts);
    segment.raw = line;
    parts.push('raw', line, END);
    segments.push({ segment, parts });
    addSegment(message, raw.name, segment);
  });
  rememberAsRead(segments);
  return tolerated.all === undefined ? message : { tolerated: tolerated.all, ...message };
}

const NO_ESCAPE = [
  'hl7-no-escape',
  'A space stands where MSH-2 has the escape character. No escape sequence was resolved.',
] as const;

const PADDED = ['hl7-padding', 'NUL or Ctrl-Z characters stand around segments. They belong to no text.'] as const;

function notHl7(index: number): UnreadableError {
  return index === 0
    ? new UnreadableError('The payload is not an HL7 v2 message: it does not begin with MSH, FHS or BHS.')
    : new UnreadableError(`Segment ${index + 1} of the HL7 message has no segment name.`);
}

/** Characters of a message in which MSH-18 is looked for. */
const HEAD = 4096;

/**
 * The character set that MSH-18 names; undefined when it is empty.
 * @throws UnreadableError when the separators are not usable
 */
function charsetIn(head: string): DeclaredCharset | 'unknown' | undefined {
  const header = parseHl7Header(head);
  return header && declaredCharset(header.charset, separatorsOf(header.separator, header.encoding).repetition);
}

/**
 * Writes a message: as bytes if it was read from bytes, else as a text. Unchanged fields are written as they were read.
 * A message is written in the character set in which it was read, unless its MSH-18 has been changed.
 * @throws InvalidMessageError when the object is not an HL7 message, or its character set lacks a character
 */
export function writeHl7(message: Hl7Message, options: Hl7Options = {}): string | Buffer {
  if (!isObject(message)) throw new InvalidMessageError('An HL7 message is an object of segments.');
  const text = writeText(message);
  if (message.charset === undefined) return text;
  const [header] = Array.isArray(message.MSH) ? message.MSH : [];
  const isHeaderAsRead = header?.raw !== undefined && asReadWith(header)(header) && text.startsWith(header.raw);
  if (isHeaderAsRead) return encode(text, message.charset);
  const declared = charsetIn(text.slice(0, HEAD));
  const { charset = 'utf-8', charsetRule: rule = 'empty' } = options;
  if (declared === charsetAsRead(message)) return encode(text, message.charset);
  if (declared === 'unknown') {
    throw new InvalidMessageError('MSH-18 names a character set that is not supported here.');
  }
  return encodeHl7(text, declared ?? message.charset, { charset, rule });
}

/** What MSH-18 named when the message was read; an object without the text of its MSH was built: nothing. */
function charsetAsRead({ MSH }: Hl7Message): ReturnType<typeof charsetIn> {
  const raw = MSH?.[0]?.raw;
  try {
    return typeof raw === 'string' ? charsetIn(raw) : undefined;
  } catch {
    return undefined;
  }
}

function writeText(message: Hl7Message): string {
  const segments = segmentsInOrder(message);
  if (!HEADERS.has(segments[0]?.name ?? '')) {
    throw new InvalidMessageError('An HL7 message begins with MSH (or FHS, BHS).');
  }
  let rawSeparators: Separators | undefined;
  let separators: Separators | undefined;
  const isAsRead = asReadWith(segments[0]?.segment);
  let lineEnd = '\r';
  let out = '';
  segments.forEach(({ name, segment }, index) => {
    const before = rawOf(name, segment, rawSeparators);
    rawSeparators = before?.separators ?? rawSeparators;
    const written = toText(name, segment, before, separators, isAsRead);
    separators = written.separators;
    if (before !== undefined && before.after !== '') lineEnd = /^(?:\r\n|\r|\n)/.exec(before.after)?.[0] ?? lineEnd;
    const last = index === segments.length - 1;
    // The last segment of what was read may have no line end, or only padding.
    const isOpen = before === undefined || (!last && isAllPadding(before.after));
    const after = isOpen ? lineEnd : before.after;
    // Where lines end with LF, a bare name could be a line of the text before it.
    const isBare = before === undefined && written.text === name && lineEnd !== '\r';
    out += (before?.before ?? '') + written.text + (isBare ? written.separators.field : '') + after;
  });
  return out;
}

/** The segment as it was read; undefined when it was not read, or its `raw` was tampered with. */
function rawOf(name: string, segment: SegmentObject, separators: Separators | undefined): RawSegment | undefined {
  if (typeof segment.raw !== 'string') return undefined;
  try {
    const raw = cut(segment.raw, separators);
    return raw?.name === name ? raw : undefined;
  } catch {
    return undefined;
  }
}

/** The text of a component of the first segment of this name, e.g. `textAt(message, 'MSH', 9, 2)`; empty if none. */
export function textAt(message: Hl7Message, name: string, field: number, component = 1): string {
  const [segment] = (message[name] as SegmentObject[] | undefined) ?? [];
  const repeats = segment?.[`f${field}`];
  const repeat: unknown = Array.isArray(repeats) ? repeats[0] : repeats;
  const value = isObject(repeat) ? repeat[`c${component}`] : component === 1 ? repeat : undefined;
  const text = isObject(value) ? value['s1'] : value;
  return typeof text === 'string' ? text : '';
}
