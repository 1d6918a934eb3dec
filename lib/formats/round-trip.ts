/**
 * Whether a payload comes back: read, written and read again as mesh-hl7, mesh-edifact and mesh-fhir do it
 * (docs/formats.md, "Your own traffic"). A result has names of segments and elements, and their places, but no value of
 * the payload.
 */
import { UnreadableError } from '../errors';
import type { Charset } from './charset';
import { readEdifact, writeEdifact, type EdifactMessage, type Interchange } from './edifact/interchange';
import { splitEdifact } from './edifact/split';
import { DEFAULT_SYNTAX, LEAD, syntaxOfUna } from './edifact/syntax';
import type { FhirRelease } from './fhir/definitions';
import { fhirXmlToJson, safe } from './fhir/from-xml';
import { convertByRelease, type Converted } from './fhir/release';
import { fhirJson, fhirJsonToXml } from './fhir/to-xml';
import { readableEnvelope, splitHl7 } from './hl7/batch';
import type { CharsetRule } from './hl7/charset';
import { readHl7, writeHl7, type Hl7Message } from './hl7/message';
import { toCharacterReferences } from './html-entities';
import { isObject, segmentsInOrder, withoutPadding, type PlacedSegment, type SegmentObject } from './segments';
import type { Tolerated } from './tolerated';
import { parseXml, type XmlElement } from './xml';

export const ROUND_TRIP_FORMATS = ['hl7', 'edifact', 'fhir'] as const;
type RoundTripFormat = (typeof ROUND_TRIP_FORMATS)[number];

/** The settings of the nodes. */
export interface RoundTripOptions {
  format: RoundTripFormat;
  /** HL7 v2: as mesh-hl7 has them. */
  charset?: Charset | undefined;
  charsetRule?: CharsetRule | undefined;
  /** FHIR: default the detected one. */
  release?: FhirRelease | undefined;
}

/**
 * `equal`: written again byte for byte, from its values alone, too. `canonical`: the same values in another form.
 * `refused`: a reader does not read it, and says why. `changed`: a value differs, or cannot be written: a fault of ours.
 */
export type RoundTripOutcome = 'equal' | 'canonical' | 'refused' | 'changed';

/** Why a message is not equal: a class of reasons, and where it was found first. */
export interface RoundTripReason {
  reason: string;
  /** `segment 4 (OBX)`, `line 7`, `Bundle.entry.resource`; empty if it is everywhere or not known. */
  place: string;
}

/** What became of one message. */
export interface RoundTrip {
  outcome: RoundTripOutcome;
  /** Empty when equal. */
  reasons: RoundTripReason[];
  tolerated: readonly Tolerated[];
}

/** Returns what becomes of each message of a payload. Throws nothing because of its content, unless we have a fault. */
export function* roundTrips(payload: Buffer, options: RoundTripOptions): Generator<RoundTrip> {
  let messages: Buffer[];
  try {
    messages = splitters[options.format](payload);
  } catch (error) {
    yield refused(error);
    return;
  }
  for (const message of messages) {
    try {
      yield trips[options.format](message, options);
    } catch (error) {
      yield error instanceof NotReadBack ? tripOf([changed(error.message)], []) : refused(error);
    }
  }
}

const splitters: Readonly<Record<RoundTripFormat, (payload: Buffer) => Buffer[]>> = {
  hl7: (payload) => {
    const split = splitHl7(payload);
    const envelope = readableEnvelope(split);
    return envelope === undefined ? split.messages : [envelope, ...split.messages];
  },
  edifact: (payload) => splitEdifact(payload),
  fhir: (payload) => [payload],
};

const trips: Readonly<Record<RoundTripFormat, (message: Buffer, options: RoundTripOptions) => RoundTrip>> = {
  hl7: hl7Trip,
  edifact: edifactTrip,
  fhir: fhirTrip,
};

/** Numbers that say where something is: the reason is the same without them. */
const PLACE = /\b(segment|byte|line) (\d+)/gi;

/**
 * A reader's refusal. A writer refuses nothing that a reader has read.
 * @throws what is no refusal
 */
function refused(error: unknown): RoundTrip {
  if (!(error instanceof UnreadableError)) throw error;
  return { outcome: 'refused', reasons: [classOf(error.message)], tolerated: [] };
}

/** Divides a message of ours into its class and the place that it names. */
export function classOf(message: string): RoundTripReason {
  const [first] = message.matchAll(PLACE);
  return { reason: message.replaceAll(PLACE, '$1 n'), place: first === undefined ? '' : first[0].toLowerCase() };
}

/** What we wrote ourselves cannot be read: no refusal, but a fault. */
class NotReadBack extends Error {}

/** @throws NotReadBack in place of an UnreadableError */
function ours<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw error instanceof UnreadableError ? new NotReadBack('What was written cannot be read again.') : error;
  }
}

const changed = (reason: string, place = ''): RoundTripReason => ({ reason, place });

/** The worst outcome that the reasons have; `changes` come before forms. */
function tripOf(changes: RoundTripReason[], forms: RoundTripReason[], tolerated: readonly Tolerated[] = []): RoundTrip {
  if (changes.length > 0) return { outcome: 'changed', reasons: changes, tolerated };
  return { outcome: forms.length > 0 ? 'canonical' : 'equal', reasons: forms, tolerated };
}

// HL7 v2 and EDIFACT: a message keeps the text of each segment, so that what is unchanged is written as it was read.
// That says nothing of the values, so it is written from them alone, too.

function hl7Trip(payload: Buffer, { charset, charsetRule }: RoundTripOptions): RoundTrip {
  const options = { charset, charsetRule };
  const message = readHl7(payload, options);
  const isSame = Buffer.from(writeHl7(message, options)).equals(payload);
  const rebuilt = writeHl7(asText(withoutTexts(message))) as string;
  const [msh] = segmentsInOrder(message);
  const by = [msh?.segment['f1'], msh?.segment['f2']].join('');
  return segmentTrip(
    { isSame, segments: segmentsInOrder(message), again: ours(() => segmentsInOrder(readHl7(rebuilt))) },
    { separators: [by.slice(4, 5), by.slice(1, 2), by.slice(2, 3), by.slice(0, 1)], terminator: '' },
    message.tolerated,
  );
}

function edifactTrip(payload: Buffer): RoundTrip {
  const interchange = readEdifact(payload);
  const isSame = Buffer.from(writeEdifact(interchange)).equals(payload);
  const messages = (interchange.messages ?? []).map((message) => keepHead(withoutTexts(message), message, interchange));
  const { UNB, UNZ } = interchange;
  const bare = asText(withoutTexts(interchange));
  const rebuilt = writeEdifact({ ...bare, ...(UNZ === undefined && UNB ? { UNB } : {}), messages }) as string;
  const una = interchange.una?.replace(LEAD, '') ?? '';
  const { component, element, repetition = '', terminator } = una === '' ? DEFAULT_SYNTAX : syntaxOfUna(una);
  return segmentTrip(
    {
      isSame,
      segments: segmentsOfInterchange(interchange),
      again: ours(() => segmentsOfInterchange(readEdifact(rebuilt))),
    },
    { separators: [component, repetition, element], terminator },
    interchange.tolerated,
  );
}

/** Returns a message that is written as a text. */
function asText<Message extends Hl7Message | Interchange>({ charset: _charset, ...message }: Message): Message {
  return message as unknown as Message;
}

/** What a writer adds to a message that was built and not read is not asked for here: the head keeps its text. */
const keepHead = (bare: EdifactMessage, { UNH, UNT }: EdifactMessage, { UNB }: Interchange): EdifactMessage =>
  UNH !== undefined && (UNT === undefined || UNB === undefined) ? { ...bare, UNH } : bare;

const segmentsOfInterchange = ({ messages = [], ...envelope }: Interchange): PlacedSegment[] =>
  [envelope, ...messages]
    .flatMap((part) => segmentsInOrder(part))
    .toSorted((one, other) => (one.segment.at ?? 0) - (other.segment.at ?? 0));

/** Trailers of EDIFACT keep their texts: the counts that they lack would be filled in. */
const KEPT: ReadonlySet<string> = new Set(['UNT', 'UNZ']);

/** Returns a message without the texts of its segments, so that it is written from its values. */
function withoutTexts<Message extends Hl7Message | EdifactMessage | Interchange>(message: Message): Message {
  const out: Record<string, unknown> = { ...message };
  for (const name of new Set(segmentsInOrder(message).map((placed) => placed.name))) {
    if (!KEPT.has(name))
      out[name] = (message[name] as SegmentObject[]).map(({ raw: _raw, ...segment }): SegmentObject => segment);
  }
  return out as Message;
}

/** A message of segments, its texts and its values. */
interface SegmentTrip {
  isSame: boolean;
  segments: PlacedSegment[];
  again: PlacedSegment[];
}

function segmentTrip(
  { isSame, segments, again }: SegmentTrip,
  syntax: SegmentSyntax,
  tolerated?: readonly Tolerated[],
): RoundTrip {
  const changes = isSame ? [] : [changed('The message was written with other bytes, although nothing was changed.')];
  const forms = new Map<string, RoundTripReason>();
  if (segments.length !== again.length) changes.push(changed('The message has more or fewer segments when written.'));
  segments.forEach(({ name, segment }, index) => {
    const other = again[index];
    if (other === undefined) return;
    const field = name === other.name ? changedField(segment, other.segment) : '';
    const place = `segment ${index + 1} (${name})`;
    if (field !== undefined) changes.push(changed('A value differs when it is written anew.', place + field));
    const form = formOf(segment.raw ?? '', other.segment.raw ?? '', syntax);
    if (form !== undefined && !forms.has(form)) forms.set(form, { reason: form, place });
  });
  return tripOf(changes.slice(0, 1), [...forms.values()], tolerated);
}

/** The first field whose value differs, for a place; undefined if none does. */
function changedField(one: SegmentObject, other: SegmentObject): string | undefined {
  const { raw: _one, at: _oneAt, ...fields } = one;
  const { raw: _other, at: _otherAt, ...others } = other;
  const at = firstDifference(plainField(fields), plainField(others), '');
  return at?.replace(/^\.?[fe](\d+).*$/, ', field $1');
}

/** HL7: a component with an empty second subcomponent is read as subcomponents, and is the same as without it. */
function plainField(value: unknown): unknown {
  if (!isObject(value)) return value;
  if (Array.isArray(value)) return value.map(plainField);
  const [key, ...others] = Object.keys(value).filter((name) => !isBlank(value[name]));
  if (key === 's1' && others.length === 0) return value['s1'];
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plainField(part)]));
}

/** In which ways one text differs from another with the same values. */
const FORMS = {
  before: 'white space, padding or a byte order mark before the message',
  ends: 'line ends, blank lines and padding after segments',
  trailing: 'empty parts at the end of a field or segment',
  escapes: 'escape sequences, or line breaks within texts',
} as const;

/** Separators from the innermost to the field's, and what ends a segment besides a line end. */
interface SegmentSyntax {
  separators: string[];
  terminator: string;
}

function formOf(one: string, other: string, syntax: SegmentSyntax): string | undefined {
  if (one === other) return undefined;
  const [first, second] = [one, other].map((text) => withoutPadding(text.replace(LEAD, '')));
  if (first === second) return withoutPadding(one) === withoutPadding(other) ? FORMS.ends : FORMS.before;
  return withoutTrailing(first ?? '', syntax) === withoutTrailing(second ?? '', syntax)
    ? FORMS.trailing
    : FORMS.escapes;
}

function withoutTrailing(text: string, { separators, terminator }: SegmentSyntax): string {
  let out = terminator !== '' && text.endsWith(terminator) ? text.slice(0, -terminator.length) : text;
  separators.forEach((separator, index) => {
    if (separator === '') return;
    const escaped = (char: string): string => char.replace(/[\\\]^-]/g, '\\$&');
    const outer = separators
      .slice(index + 1)
      .map(escaped)
      .join('');
    // A run is looked at once, from its beginning: from each of its characters would take quadratic time.
    const run = `(?<![${escaped(separator)}])[${escaped(separator)}]+`;
    out = out.replaceAll(new RegExp(`${run}(?=${outer === '' ? '' : `[${outer}]|`}$)`, 'g'), '');
  });
  return out;
}

// FHIR: two texts of one resource are compared by what they say, and the second conversion has to be as the first.

function fhirTrip(payload: Buffer, { release }: RoundTripOptions): RoundTrip {
  const isJson = /^(?:\xEF\xBB\xBF)?\s*\{/.test(payload.subarray(0, 1000).toString('latin1'));
  const [there, back] = isJson ? [fhirJsonToXml, fhirXmlToJson] : [fhirXmlToJson, fhirJsonToXml];
  const found = new Map<FhirRelease, readonly Tolerated[]>();
  const convert = (by: FhirRelease): string =>
    there(payload, { release: by, onTolerated: (tolerated) => void found.set(by, tolerated) });
  const converted: Converted<string> =
    release === undefined
      ? convertByRelease(payload, convert)
      : { result: convert(release), release, isDoubtful: false };
  const tolerated = [...(found.get(converted.release) ?? [])];
  if (converted.isDoubtful) {
    tolerated.push({ code: 'fhir-release', message: 'Both releases fit, and give different results.', count: 1 });
  }
  const options = { release: converted.release };
  const text = ours(() => back(converted.result, options));
  const changes: RoundTripReason[] = [];
  const again = ours(() => there(text, options));
  // JSON has the elements in the order in which the XML had them, and XML in FHIR's own.
  const isSame = again === converted.result || (!isJson && compareJson(converted.result, again) === undefined);
  if (!isSame) changes.push(changed('The second conversion gives another text than the first.'));
  const forms: RoundTripReason[] = [];
  const compared = isJson ? compareJson(payload, text) : compareXml(payload, text);
  if (compared !== undefined) changes.push(changed('A value differs after both conversions.', compared));
  if (!Buffer.from(text).equals(payload)) {
    forms.push(changed(isJson ? 'white space, or the order of keys' : 'white space, comments, prefixes or order'));
  }
  return tripOf(changes.slice(0, 1), forms, tolerated);
}

function compareJson(payload: Buffer | string, text: string): string | undefined {
  const [one, other] = [fhirJson(payload), fhirJson(text)].map((json) => plainJson(json, ''));
  return firstDifference(one, other, String((one as Record<string, unknown>)['resourceType']));
}

/** A resource without what is empty; a narrative by its characters; a number or boolean by its text. */
function plainJson(value: unknown, key: string): unknown {
  if (Array.isArray(value)) {
    return value.map((item) => plainJson(item, key)).filter((item) => item !== undefined);
  }
  if (isObject(value)) {
    // A number with its digits, see fhirJson.
    if (typeof value['digits'] === 'string' && Object.keys(value).length === 1) return value['digits'];
    const entries = Object.entries(value)
      .filter(([name]) => name !== 'fhir_comments')
      .map(([name, item]) => [name, plainJson(item, name)] as const)
      .filter(([, item]) => item !== undefined);
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }
  if (value === null) return undefined;
  const plain = typeof value === 'string' ? value : JSON.stringify(value);
  return key === 'div' ? plainXhtml(plain) : plain;
}

const plainXhtml = (text: string): string =>
  toCharacterReferences(text.trim())
    .replace(/^<div(?=[\s/>])/, '<div')
    .replace(' xmlns="http://www.w3.org/1999/xhtml"', '')
    .replaceAll('\r\n', '\n');

function compareXml(payload: Buffer, text: string): string | undefined {
  const [one, other] = [parseXml(payload), parseXml(text)];
  return firstDifference(plainXml(one), plainXml(other), safe(other.name));
}

/** An element as an object: attributes, and children under their names, so that the order of names does not count. */
function plainXml({ attributes, children, xhtml, namespace }: XmlElement): unknown {
  if (xhtml !== undefined) return plainXhtml(xhtml);
  const out: Record<string, unknown> = { ...attributes };
  for (const child of children) {
    const plain = plainXml(child);
    if (plain === undefined) continue;
    const list = (out[`<${child.name}`] ??= []) as unknown[];
    list.push(plain);
  }
  return Object.keys(out).length === 0 ? undefined : { ...out, namespace };
}

/** Where two plain values differ first, as a path of names; undefined if they do not. What is empty is as if not there. */
function firstDifference(one: unknown, other: unknown, path: string): string | undefined {
  if (one === other || (isBlank(one) && isBlank(other))) return undefined;
  if (!isObject(one) || !isObject(other) || Array.isArray(one) !== Array.isArray(other)) return path;
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const name = Array.isArray(one) ? '' : `.${safe(key.replace(/^</, ''))}`;
    const at = firstDifference(one[key], other[key], path + name);
    if (at !== undefined) return at;
  }
  return undefined;
}

const isBlank = (value: unknown): boolean =>
  value === undefined || value === '' || (isObject(value) && Object.values(value).every(isBlank));
