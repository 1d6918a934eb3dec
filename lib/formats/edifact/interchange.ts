/** Converts UN/EDIFACT interchanges to an object and back, byte for byte where nothing was changed. */
import { isAscii, isUtf8 } from 'node:buffer';
import { InvalidMessageError, UnreadableError } from '../../errors';
import { decode, encode, refuseUtf16, type DeclaredCharset } from '../charset';
import { checkSize, ValueBudget } from '../limits';
import { ToleratedList, type Tolerated } from '../tolerated';
import {
  addSegment,
  hasPadding,
  isObject,
  segmentsInOrder,
  withoutPadding,
  type PlacedSegment,
  type SegmentObject,
} from '../segments';
import { addElements, cut, endOf, toText, unreadableSegment, type RawSegment } from './segment';
import { DEFAULT_SYNTAX, LEAD, splitReleased, syntaxOfUna, syntaxOfVersion, type Syntax } from './syntax';

/**
 * An interchange, or bare messages: then there is no UNB. Segments are under their tags, in arrays: `messages[0].PNA[0].e3.c2` is the second component of the
 * third element of the first PNA of the first message. Empty parts are left out.
 */
export interface Interchange {
  /** The character set of the bytes that it was read from: then it is written as bytes again. */
  charset?: DeclaredCharset;
  /** What its reader took although EDIFACT does not allow it. Not written. */
  tolerated?: Tolerated[];
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
 * Syntax identifiers (UNB S001, code list 0001). UNOA and UNOB are read as ISO 8859-1 too: senders declare them and use
 * other characters, and every byte survives. UNOC is ISO 8859-1 (docs/mesh.md, NHSACK); UNOW and UNOY are UTF-8.
 */
const CHARSETS: Readonly<Record<string, DeclaredCharset>> = {
  UNOA: 'iso-8859-1',
  UNOB: 'iso-8859-1',
  UNOC: 'iso-8859-1',
  UNOD: 'iso-8859-2',
  UNOE: 'iso-8859-5',
  UNOF: 'iso-8859-7',
  UNOG: 'iso-8859-3',
  UNOH: 'iso-8859-4',
  UNOI: 'iso-8859-6',
  UNOJ: 'iso-8859-8',
  UNOK: 'iso-8859-9',
  UNOL: 'iso-8859-15',
  UNOW: 'utf-8',
  UNOY: 'utf-8',
};

/** Segments of the interchange, not of a message. UNG and UNE enclose groups. */
const ENVELOPE: ReadonlySet<string> = new Set(['UNB', 'UNG', 'UNE', 'UNZ']);

/**
 * Reads one interchange, or bare messages (UNH to UNT); splitEdifact splits several interchanges.
 * @throws UnreadableError when it is not EDIFACT, or in a character set that is not supported
 */
export function readEdifact(payload: string | Buffer): Interchange {
  checkSize(payload, 'EDIFACT');
  const tolerated = new ToleratedList();
  if (typeof payload === 'string') return readText(payload, tolerated);
  refuseUtf16(payload);
  const identifier = /UNB\W(UNO[A-Z])\W/.exec(payload.subarray(0, 200).toString('latin1'))?.[1];
  // ASCII is the same in every character set.
  const declared = CHARSETS[identifier ?? 'UNOA'] ?? (isAscii(payload) ? 'ascii' : undefined);
  if (declared === undefined)
    throw new UnreadableError('The interchange is in a character set that is not supported here.');
  const charset = usedCharset(payload, declared, tolerated);
  return { charset, ...readText(decode(payload, charset), tolerated) };
}

/**
 * The character set that an interchange really has. ISO 8859-1 has no letters at 0x80 to 0x9F, Windows has; and what is
 * well-formed UTF-8 beyond ASCII was hardly ever meant as anything else.
 */
function usedCharset(payload: Buffer, declared: DeclaredCharset, tolerated: ToleratedList): DeclaredCharset {
  if (declared === 'utf-8' || isAscii(payload)) return declared;
  const isBomOnly = payload.subarray(0, BOM.length).equals(BOM) && isAscii(payload.subarray(BOM.length));
  if (isBomOnly) return declared;
  const used = isUtf8(payload)
    ? 'utf-8'
    : declared === 'iso-8859-1' && payload.some((byte) => byte >= 0x80 && byte <= 0x9f)
      ? 'windows-1252'
      : declared;
  if (used !== declared) {
    tolerated.add(
      'edifact-charset',
      `The interchange says ${declared.toUpperCase().replace('-', ' ')} and has characters of ${used}. It was read as that.`,
    );
  }
  return used;
}
const BOM = Buffer.from('\uFEFF');

function readText(text: string, tolerated: ToleratedList): Interchange {
  const budget = new ValueBudget();
  const lead = LEAD.exec(text)?.[0] ?? '';
  const una = unaAt(text, lead.length);
  const ownSyntax = una === lead ? undefined : syntaxOfUna(una);
  if (/[\uFEFF\xBF]/.test(lead)) tolerated.add('edifact-bom', 'A byte order mark stands before the interchange.');
  if (una !== lead && una.replace(PADDING_AT_END, '').length === lead.length + 8) {
    tolerated.add('edifact-una', 'UNA has five characters. The reserved one was taken for left out.');
  }
  const syntax = syntaxOfVersion(ownSyntax, versionIn(text.slice(una.length, una.length + HEAD), ownSyntax));
  const interchange: Interchange = una === '' ? {} : { una };
  const messages: EdifactMessage[] = [];
  let message: EdifactMessage | undefined;
  const isPadded = hasPadding(text);
  // Few segments have the release character. A space means none: in the others it is not looked for in every part.
  const unreleased: Syntax = { ...syntax, release: ' ' };
  const { texts, ends } = splitSegments(text.slice(una.length), syntax, budget);
  texts.forEach((piece, index) => {
    const end = ends[index] ?? piece.length;
    const by = piece.includes(syntax.release) ? syntax : unreleased;
    const raw = cut(piece, end, by, budget);
    if (!raw) throw index === 0 ? notEdifact() : unreadableSegment(index);
    if (index === 0 && raw.tag !== 'UNB' && raw.tag !== 'UNH') throw notEdifact();
    tolerateShape(piece, end, index, syntax, tolerated);
    if (isPadded && (hasPadding(piece.slice(end)) || (index === 0 && hasPadding(lead)))) tolerated.add(...PADDED);
    if ((index > 0 && raw.tag === 'UNB') || interchange.UNZ !== undefined) {
      throw new UnreadableError(`Segment ${index + 1} of the EDIFACT payload belongs to a second interchange.`, {
        advice: 'Split the payload: each interchange is read by itself.',
      });
    }
    const isEnvelope = ENVELOPE.has(raw.tag);
    if (isEnvelope) message = undefined;
    if (raw.tag === 'UNH') messages.push((message = {}));
    const to = isEnvelope ? interchange : message;
    if (to === undefined) {
      throw new UnreadableError(`Segment ${index + 1} of the EDIFACT interchange stands outside a message.`);
    }
    const segment: SegmentObject = { at: index + 1 };
    addElements(segment, raw, by, budget);
    segment.raw = piece;
    addSegment(to, raw.tag, segment);
    if (raw.tag === 'UNT') message = undefined;
  });
  // A bare message has to be whole: nothing else says that it is.
  if (interchange.UNB === undefined && messages.some(({ UNT }) => UNT === undefined)) throw notEdifact();
  if (interchange.UNB === undefined) {
    tolerated.add('edifact-no-interchange', 'The messages stand in no interchange: UNB and UNZ are missing.');
  }
  return { ...(tolerated.all === undefined ? {} : { tolerated: tolerated.all }), ...interchange, messages };
}

const PADDED = [
  'edifact-padding',
  'NUL or Ctrl-Z characters stand around the interchange. They belong to no text.',
] as const;

/** Characters of an interchange in which UNB is looked for. */
const HEAD = 200;

/** Returns the syntax version that UNB names (S001, 0002) at the beginning of a text; undefined if it names none. */
function versionIn(head: string, own: Syntax = DEFAULT_SYNTAX): string | undefined {
  const [segment = ''] = splitReleased(head, own.terminator, own);
  const [tag = '', identifier = ''] = splitReleased(segment, own.element, own);
  return tag.replaceAll(/[\r\n]/g, '') === 'UNB' ? splitReleased(identifier, own.component, own)[1] : undefined;
}

/** Five characters of a UNA, and six, with the white space and padding after them, which belong to no segment. */
const UNA_OF_FIVE = /^UNA[^\sA-Za-z0-9]{2}[^A-Za-z0-9]\S[^\sA-Za-z0-9][\s\0\x1a]*(?=UN[BH])/; // oxlint-disable-line no-control-regex -- padding is control characters
const UNA_OF_SIX = /^UNA[^]{6}[\s\0\x1a]*/; // oxlint-disable-line no-control-regex -- padding is control characters
const PADDING_AT_END = /[\s\0\x1a]+$/; // oxlint-disable-line no-control-regex -- padding is control characters

/** Returns what stands before the first segment: white space, and UNA with its five or six characters. */
function unaAt(text: string, at: number): string {
  if (!text.startsWith('UNA', at)) return text.slice(0, at);
  const five = UNA_OF_FIVE.exec(text.slice(at, at + 100))?.[0];
  const six = UNA_OF_SIX.exec(text.slice(at))?.[0];
  return text.slice(0, at) + (five ?? six ?? '');
}

/** Reports a missing last terminator, and line breaks within a segment: they stay in its texts. */
function tolerateShape(text: string, end: number, index: number, syntax: Syntax, tolerated: ToleratedList): void {
  if (text.charAt(end) !== syntax.terminator) {
    tolerated.add('edifact-unterminated', `Segment ${index + 1}, the last, has no terminator.`);
  }
  const hasInside = (lineBreak: string): boolean => text.slice(0, end).includes(lineBreak);
  if (hasInside('\r') || hasInside('\n')) {
    tolerated.add('edifact-line-breaks', `Line breaks stand within segment ${index + 1}. They were kept in its texts.`);
  }
}

function notEdifact(): UnreadableError {
  return new UnreadableError('The payload is not an EDIFACT interchange: it has no UNB.');
}

/** Returns a text without what stands before its segment: mostly a line end, for which the pattern takes too long. */
function withoutLead(text: string): string {
  const trimmed = text.trimStart();
  const first = trimmed.charAt(0);
  return first >= 'A' && first <= 'Z' ? trimmed : trimmed.replace(LEAD, '');
}

/**
 * Splits a text into its segments. Each has its terminator, whose place is `ends[index]`, and the white space and padding
 * after it.
 */
function splitSegments(text: string, syntax: Syntax, budget: ValueBudget): { texts: string[]; ends: number[] } {
  const pieces = splitReleased(text, syntax.terminator, syntax, budget);
  if (pieces.length < 2) throw notEdifact();
  const last = withoutPadding(pieces.at(-1) ?? '');
  if (last === '') pieces.pop();
  else pieces[pieces.length - 1] = last;
  const starts: number[] = [];
  const ends: number[] = [];
  let at = 0;
  for (const piece of pieces) {
    const white = piece.length - withoutLead(piece).length;
    const start = white === piece.length ? at : at + white;
    starts.push(start);
    ends.push(at + piece.length - start);
    at += piece.length + 1;
  }
  return { texts: starts.map((start, index) => text.slice(start, starts[index + 1])), ends };
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
  const segments = inOrder(interchange, syntax);
  segments.forEach(({ name, segment }, index) => {
    const text = toText(name, segment, rawOf(name, segment, syntax), syntax);
    const isEnded = index === segments.length - 1 || withoutPadding(text).endsWith(syntax.terminator);
    out += isEnded ? text : text + syntax.terminator;
  });
  if (interchange.charset === undefined) return out;
  return encode(out, interchange.charset);
}

function syntaxToWrite(una: string, interchange: Interchange): Syntax {
  const unb: unknown = Array.isArray(interchange.UNB) ? interchange.UNB[0] : interchange.UNB;
  const identifier = isObject(unb) ? unb['e1'] : undefined;
  const version = isObject(identifier) ? identifier['c2'] : undefined;
  const own = una.replace(LEAD, '') === '' ? undefined : usableSyntax(una);
  return syntaxOfVersion(own, typeof version === 'string' || typeof version === 'number' ? String(version) : undefined);
}

/** @throws InvalidMessageError when the characters of a UNA are not usable */
function usableSyntax(una: string): Syntax {
  try {
    return syntaxOfUna(una);
  } catch {
    throw new InvalidMessageError('The una of the interchange is not usable.');
  }
}

/** Returns every segment, the envelope's and each message's; a message stands as a whole at the place of its UNH. */
function inOrder(interchange: Interchange, syntax: Syntax): PlacedSegment[] {
  const messages = interchange.messages ?? [];
  if (!Array.isArray(messages)) throw new InvalidMessageError('The messages of an interchange are an array.');
  const blocks = messages.map((message) => completed(message, syntax));
  const { UNB, UNZ, ...others } = interchange;
  // Bare messages are written as they were read; whoever builds messages builds their interchange.
  const isBare = UNB === undefined && blocks.length > 0 && messages.every(({ UNH }) => UNH?.[0]?.raw !== undefined);
  if (isBare) return blocks.flat();
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
        segment[`e${index + 1}`] === undefined && (was === undefined || (was.parts[index + 1] ?? '') !== '');
      if (missing) filled[`e${index + 1}`] = { c1: text };
    });
    return { name, segment: filled };
  });
}

function rawOf(tag: string, segment: SegmentObject, syntax: Syntax): RawSegment | undefined {
  if (typeof segment.raw !== 'string') return undefined;
  const end = endOf(segment.raw, syntax);
  const raw = end === undefined ? undefined : cut(segment.raw, end, syntax);
  return raw?.tag === tag ? raw : undefined;
}

/** Returns a component of an element of a segment; empty if there is none. */
export function componentAt(segment: SegmentObject | undefined, element: number, component = 1): string {
  const value = segment?.[`e${element}`];
  const single: unknown = Array.isArray(value) ? value[0] : value;
  const text = isObject(single) ? single[`c${component}`] : component === 1 ? single : undefined;
  return typeof text === 'string' || typeof text === 'number' ? String(text) : '';
}
