/** HL7 v2 messages (and batches of them) to an object and back, byte for byte where nothing was changed. */
import { InvalidMessageError, UnreadableError } from '../../errors';
import { decode, encode, type Charset } from '../charset';
import { checkSize, ValueBudget } from '../limits';
import { addSegment, isObject, segmentsInOrder, type SegmentObject } from '../segments';
import { cut, toObject, toText, type RawSegment } from './segment';
import { HEADERS, type Separators } from './separators';

/**
 * An HL7 v2 message. Every segment is under its name, in an array: `PID[0].f5[0].c1` is PID-5.1 of the first PID. A field
 * (`f1`, …) is an array of repeats, a repeat an object of components (`c1`, …), a component a text, or where it has
 * subcomponents an object of them (`s1`, …). What is empty is not there. MSH-1 and MSH-2 are texts.
 */
export interface Hl7Message {
  /** The character set it was read in, where it was read from bytes: then it is written as bytes again. */
  charset?: Charset;
  MSH?: SegmentObject[];
  [segment: string]: unknown;
}

export interface Hl7Options {
  /** For bytes whose MSH-18 names none. Default `utf-8`. */
  charset?: Charset | undefined;
}

/** Names of MSH-18 (HL7 table 0211) and the ones that senders write instead. */
const CHARSET_NAMES: Readonly<Record<string, Charset>> = {
  ASCII: 'ascii',
  'US-ASCII': 'ascii',
  '8859/1': 'iso-8859-1',
  'ISO-8859-1': 'iso-8859-1',
  'ISO8859-1': 'iso-8859-1',
  'WINDOWS-1252': 'windows-1252',
  CP1252: 'windows-1252',
  UNICODE: 'utf-8',
  'UNICODE UTF-8': 'utf-8',
  'UTF-8': 'utf-8',
  UTF8: 'utf-8',
};

/**
 * Reads a message.
 * @throws UnreadableError where it is no HL7 v2, or not in the character set that it names
 */
export function readHl7(payload: string | Buffer, options: Hl7Options = {}): Hl7Message {
  checkSize(payload, 'HL7 v2');
  if (typeof payload === 'string') return readText(payload);
  const declared = declaredCharset(payload.subarray(0, 4096).toString('latin1'));
  const charset = declared ?? options.charset ?? 'utf-8';
  return { charset, ...readText(decode(payload, charset)) };
}

function readText(text: string): Hl7Message {
  const message: Hl7Message = {};
  const budget = new ValueBudget();
  let separators: Separators | undefined;
  lines(text, budget).forEach((line, index) => {
    const raw = cut(line, separators);
    if (!raw) throw notHl7(index);
    separators = raw.separators;
    addSegment(message, raw.name, { at: index + 1, ...toObject(raw, budget), raw: line });
  });
  return message;
}

/**
 * The segments, each with its terminator. A CR ends a segment; so does a LF before something that looks like a segment:
 * files often come with line feeds, but some senders also write them into texts.
 */
function lines(text: string, budget: ValueBudget): string[] {
  const found: string[][] = [];
  let endedByLineFeed = false;
  // FS (0x1C) ends an MLLP block that somebody stored with the message.
  for (const [piece] of text.matchAll(/[^\r\n]+[\r\n]*|[\r\n]+/g)) {
    budget.spend(1, 'HL7 v2');
    const continues = endedByLineFeed && !/^[A-Z][A-Z0-9]{2}(?![A-Za-z0-9 ])/.test(piece);
    const last = found.at(-1);
    if (last && (continues || isBlank(piece))) last.push(piece);
    else found.push([piece]);
    endedByLineFeed = piece.endsWith('\n');
  }
  const whole = found.map((pieces) => pieces.join(''));
  if (isBlank(whole[0] ?? '')) throw notHl7(0);
  return whole;
}

const isBlank = (piece: string): boolean => piece.replaceAll('\x1c', '').trim() === '';

function notHl7(index: number): UnreadableError {
  return index === 0
    ? new UnreadableError('The payload is not an HL7 v2 message: it does not begin with MSH, FHS or BHS.')
    : new UnreadableError(`Segment ${index + 1} of the HL7 message has no segment name.`);
}

/** What MSH-18 says; undefined where it says nothing. */
function declaredCharset(beginning: string): Charset | undefined {
  const end = beginning.search(/[\r\n]/);
  const header = cut(end < 0 ? beginning : beginning.slice(0, end), undefined);
  const value = header?.name === 'MSH' ? header.fields[17]?.split(header.separators.repetition ?? '\r')[0] : undefined;
  return value === undefined ? undefined : charsetNamed(value);
}

function charsetNamed(value: string): Charset | undefined {
  if (value.trim() === '') return undefined;
  const charset = CHARSET_NAMES[value.trim().toUpperCase()];
  if (charset === undefined) throw new UnreadableError('MSH-18 names a character set that is not supported here.');
  return charset;
}

/**
 * Writes a message: bytes where it was read from bytes, else a text. Fields that were not changed are written as they were.
 * @throws InvalidMessageError where the object is no HL7 message, or its character set lacks a character
 */
export function writeHl7(message: Hl7Message, options: Hl7Options = {}): string | Buffer {
  if (!isObject(message)) throw new InvalidMessageError('An HL7 message is an object of segments.');
  const text = writeText(message);
  if (message.charset === undefined) return text;
  return encode(text, charsetToWrite(text) ?? message.charset ?? options.charset ?? 'utf-8');
}

function charsetToWrite(text: string): Charset | undefined {
  try {
    return declaredCharset(text.slice(0, 4096));
  } catch {
    throw new InvalidMessageError('MSH-18 names a character set that is not supported here.');
  }
}

function writeText(message: Hl7Message): string {
  const segments = segmentsInOrder(message);
  if (!HEADERS.has(segments[0]?.name ?? '')) {
    throw new InvalidMessageError('An HL7 message begins with MSH (or FHS, BHS).');
  }
  let rawSeparators: Separators | undefined;
  let separators: Separators | undefined;
  let lineEnd = '\r';
  let out = '';
  segments.forEach(({ name, segment }, index) => {
    const before = rawOf(name, segment, rawSeparators);
    rawSeparators = before?.separators ?? rawSeparators;
    const written = toText(name, segment, before, separators);
    separators = written.separators;
    if (before !== undefined && before.after !== '') lineEnd = /^(?:\r\n|\r|\n)/.exec(before.after)?.[0] ?? lineEnd;
    const last = index === segments.length - 1;
    const after = before === undefined || (before.after === '' && !last) ? lineEnd : before.after;
    out += (before?.before ?? '') + written.text + after;
  });
  return out;
}

/** The segment as it was read; undefined where it was not read, or where its text was tampered with. */
function rawOf(name: string, segment: SegmentObject, separators: Separators | undefined): RawSegment | undefined {
  if (typeof segment.raw !== 'string') return undefined;
  try {
    const raw = cut(segment.raw, separators);
    return raw?.name === name ? raw : undefined;
  } catch {
    return undefined;
  }
}

/** The text of a component of the first segment of this name, e.g. `textAt(message, 'MSH', 9, 2)`; empty where none. */
export function textAt(message: Hl7Message, name: string, field: number, component = 1): string {
  const [segment] = (message[name] as SegmentObject[] | undefined) ?? [];
  const repeats = segment?.[`f${field}`];
  const repeat: unknown = Array.isArray(repeats) ? repeats[0] : repeats;
  const value = isObject(repeat) ? repeat[`c${component}`] : component === 1 ? repeat : undefined;
  const text = isObject(value) ? value['s1'] : value;
  return typeof text === 'string' ? text : '';
}
