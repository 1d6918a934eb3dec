/** Converts UN/EDIFACT interchanges to an object and back, byte for byte where nothing was changed. */
import { InvalidMessageError, UnreadableError } from '../../errors';
import { decode, encode, type Charset } from '../charset';
import { checkSize, ValueBudget } from '../limits';
import { addSegment, isObject, segmentsInOrder, type PlacedSegment, type SegmentObject } from '../segments';
import { cut, toObject, toText, unreadableSegment, type RawSegment } from './segment';
import { DEFAULT_SYNTAX, splitReleased, syntaxOf, type Syntax } from './syntax';

/**
 * An interchange. Segments are under their tags, in arrays: `messages[0].PNA[0].e3.c2` is the second component of the
 * third element of the first PNA of the first message. Empty parts are left out.
 */
export interface Interchange {
  /** The character set of the bytes that it was read from: then it is written as bytes again. */
  charset?: Charset;
  /** The UNA segment as read, with the white space after it. */
  una?: string;
  UNB?: SegmentObject[];
  /** Each message from UNH to UNT. */
  messages?: EdifactMessage[];
  UNZ?: SegmentObject[];
  [segment: string]: unknown;
}
export interface EdifactMessage {
  UNH?: SegmentObject[];
  UNT?: SegmentObject[];
  [segment: string]: unknown;
}

/**
 * Syntax identifiers (UNB S001, 0001). UNOA and UNOB are read as ISO 8859-1 too: senders declare them and use other
 * characters, and every byte survives. UNOC is ISO 8859-1 (docs/mesh.md, NHSACK); UNOW and UNOY are UTF-8.
 */
const CHARSETS: Readonly<Record<string, Charset>> = {
  UNOA: 'iso-8859-1',
  UNOB: 'iso-8859-1',
  UNOC: 'iso-8859-1',
  UNOW: 'utf-8',
  UNOY: 'utf-8',
};

/** Segments of the interchange, not of a message. UNG and UNE enclose groups. */
const ENVELOPE: ReadonlySet<string> = new Set(['UNB', 'UNG', 'UNE', 'UNZ']);

/** @throws UnreadableError when it is not an EDIFACT interchange, or in a character set that is not supported */
export function readEdifact(payload: string | Buffer): Interchange {
  checkSize(payload, 'EDIFACT');
  if (typeof payload === 'string') return readText(payload);
  const identifier = /UNB\W(UNO[A-Z])\W/.exec(payload.subarray(0, 200).toString('latin1'))?.[1];
  const charset = CHARSETS[identifier ?? 'UNOA'];
  if (charset === undefined)
    throw new UnreadableError('The interchange is in a character set that is not supported here.');
  return { charset, ...readText(decode(payload, charset)) };
}

function readText(text: string): Interchange {
  const budget = new ValueBudget();
  const una = /^[\s\uFEFF]*UNA[\s\S]{6}\s*/.exec(text)?.[0] ?? /^[\s\uFEFF]*/.exec(text)?.[0] ?? '';
  const ownSyntax = una.trim() === '' ? undefined : syntaxOf(una.trimStart().replace('\uFEFF', '').slice(3, 9));
  let syntax = ownSyntax ?? DEFAULT_SYNTAX;
  // Syntax version 4 without UNA: its repetition separator is the asterisk.
  if (ownSyntax === undefined && /^UNB\+UNO[A-Z]:4\b/.test(text.slice(una.length)))
    syntax = { ...syntax, repetition: '*' };
  const interchange: Interchange = una === '' ? {} : { una };
  const messages: EdifactMessage[] = [];
  let message: EdifactMessage | undefined;
  segmentTexts(text.slice(una.length), syntax, budget).forEach((piece, index) => {
    const raw = cut(piece, syntax, budget);
    if (!raw) throw index === 0 ? notEdifact() : unreadableSegment(index);
    if (index === 0 && raw.tag !== 'UNB') throw notEdifact();
    if ((index > 0 && raw.tag === 'UNB') || interchange.UNZ !== undefined) {
      throw new UnreadableError(`Segment ${index + 1} of the EDIFACT payload belongs to a second interchange.`, {
        advice: 'Split the payload: each interchange is read by itself.',
      });
    }
    if (ENVELOPE.has(raw.tag)) message = undefined;
    if (raw.tag === 'UNH') messages.push((message = {}));
    if (message === undefined && !ENVELOPE.has(raw.tag)) {
      throw new UnreadableError(`Segment ${index + 1} of the EDIFACT interchange stands outside a message.`);
    }
    const to = ENVELOPE.has(raw.tag) ? interchange : (message ?? interchange);
    addSegment(to, raw.tag, { at: index + 1, ...toObject(raw, syntax, budget), raw: piece });
    if (raw.tag === 'UNT') message = undefined;
  });
  return { ...interchange, messages };
}

function notEdifact(): UnreadableError {
  return new UnreadableError('The payload is not an EDIFACT interchange: it has no UNB.');
}

/** Splits a text into its segments, each with its terminator and the white space after it. */
function segmentTexts(text: string, syntax: Syntax, budget: ValueBudget): string[] {
  const pieces = splitReleased(text, syntax.terminator, syntax, budget);
  const tail = pieces.pop() ?? '';
  if (tail.trim() !== '') throw pieces.length === 0 ? notEdifact() : unreadableSegment(pieces.length);
  const found: string[] = [];
  for (const piece of pieces) {
    const start = piece.search(/\S/);
    if (start > 0 && found.length > 0) found[found.length - 1] += piece.slice(0, start);
    found.push((start > 0 ? piece.slice(start) : piece) + syntax.terminator);
  }
  if (found.length > 0) found[found.length - 1] += tail;
  else throw notEdifact();
  return found;
}

/**
 * Writes an interchange: as bytes if it was read from bytes, else as text. Missing counts and references of UNT and UNZ
 * are filled in; existing ones are kept.
 * @throws InvalidMessageError when the object is not an interchange, or its character set lacks a character
 */
export function writeEdifact(interchange: Interchange): string | Buffer {
  if (!isObject(interchange)) throw new InvalidMessageError('An EDIFACT interchange is an object.');
  const una = typeof interchange.una === 'string' ? interchange.una : '';
  const syntax = syntaxToWrite(una, interchange);
  let out = una;
  for (const { name, segment } of inOrder(interchange, syntax))
    out += toText(name, segment, rawOf(name, segment, syntax), syntax);
  if (interchange.charset === undefined) return out;
  return encode(out, interchange.charset);
}

function syntaxToWrite(una: string, interchange: Interchange): Syntax {
  try {
    if (una.trim() !== '') return syntaxOf(una.trimStart().replace('\uFEFF', '').slice(3, 9));
  } catch {
    throw new InvalidMessageError('The una of the interchange is not usable.');
  }
  const unb: unknown = Array.isArray(interchange.UNB) ? interchange.UNB[0] : interchange.UNB;
  const identifier = isObject(unb) ? unb['e1'] : undefined;
  const version = isObject(identifier) ? identifier['c2'] : undefined;
  return version === '4' ? { ...DEFAULT_SYNTAX, repetition: '*' } : DEFAULT_SYNTAX;
}

/** Returns every segment, the envelope's and each message's; a message stands as a whole at the place of its UNH. */
function inOrder(interchange: Interchange, syntax: Syntax): PlacedSegment[] {
  const messages = interchange.messages ?? [];
  if (!Array.isArray(messages)) throw new InvalidMessageError('The messages of an interchange are an array.');
  const blocks = messages.map((message) => completed(message, syntax));
  const { UNB, UNZ, ...others } = interchange;
  const envelope = segmentsInOrder({ UNB: UNB ?? [] });
  if (envelope.length !== 1) throw new InvalidMessageError('An EDIFACT interchange has one UNB.');
  const values = [String(messages.length), componentAt(envelope[0]?.segment, 5)];
  const end = trailer('UNZ', UNZ, envelope[0], values, syntax);
  const groups = segmentsInOrder(others).map((placed) => [placed]);
  const place = (block: PlacedSegment[]): number => block[0]?.segment.at ?? Number.POSITIVE_INFINITY;
  const middle = [...blocks, ...groups].sort((one, other) =>
    place(one) === place(other) ? 0 : place(one) - place(other),
  );
  return [...envelope, ...middle.flat(), ...end];
}

/** Returns a message's segments, UNH first and UNT last; a missing UNT is added. */
function completed(message: EdifactMessage, syntax: Syntax): PlacedSegment[] {
  if (!isObject(message))
    throw new InvalidMessageError('A message of an EDIFACT interchange is an object of segments.');
  const { UNH, UNT, ...body } = message;
  const head = segmentsInOrder({ UNH: UNH ?? [] });
  if (head.length !== 1) throw new InvalidMessageError('Every message of an EDIFACT interchange has one UNH.');
  const inside = segmentsInOrder(body);
  const count = String(head.length + inside.length + 1);
  return [...head, ...inside, ...trailer('UNT', UNT, head[0], [count, componentAt(head[0]?.segment, 1)], syntax)];
}

/**
 * Returns the trailer of `head`. A built interchange or message gets one, with count and reference; one that was read
 * without a trailer is written without it; elements that were removed from a trailer that was read are filled in.
 */
function trailer(
  tag: string,
  existing: SegmentObject[] | undefined,
  head: PlacedSegment | undefined,
  values: string[],
  syntax: Syntax,
): PlacedSegment[] {
  const end = segmentsInOrder({ [tag]: existing ?? (head?.segment.raw === undefined ? [{}] : []) });
  return end.map(({ name, segment }) => {
    const was = rawOf(tag, segment, syntax);
    const filled = { ...segment };
    values.forEach((text, index) => {
      const missing =
        segment[`e${index + 1}`] === undefined && (was === undefined || (was.elements[index] ?? '') !== '');
      if (missing) filled[`e${index + 1}`] = { c1: text };
    });
    return { name, segment: filled };
  });
}

function rawOf(tag: string, segment: SegmentObject, syntax: Syntax): RawSegment | undefined {
  if (typeof segment.raw !== 'string') return undefined;
  const raw = cut(segment.raw, syntax);
  return raw?.tag === tag ? raw : undefined;
}

/** Returns a component of an element of a segment; empty if there is none. */
export function componentAt(segment: SegmentObject | undefined, element: number, component = 1): string {
  const value = segment?.[`e${element}`];
  const single: unknown = Array.isArray(value) ? value[0] : value;
  const text = isObject(single) ? single[`c${component}`] : component === 1 ? single : undefined;
  return typeof text === 'string' || typeof text === 'number' ? String(text) : '';
}
