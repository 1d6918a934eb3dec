/**
 * Reads MSH, and the MSA of an acknowledgement, tolerantly (HL7 v2, 2.14.9): enough to route, decode and acknowledge a
 * message whose other segments have not been parsed, and may be unreadable.
 */
import { AROUND } from './separators';

/**
 * Fields of MSH as they stand there, escape sequences unresolved. Read from bytes, one byte is one character (latin1).
 */
export interface Hl7Header {
  /** MSH-1, the field separator: usually `|`. */
  separator: string;
  /** MSH-2: component, repetition, escape and subcomponent characters, usually `^~\&`. */
  encoding: string;
  /** MSH-3 to MSH-6. */
  sendingApplication: string;
  sendingFacility: string;
  receivingApplication: string;
  receivingFacility: string;
  /** MSH-7. */
  messageTime: string;
  /** MSH-9, e.g. `ADT^A01^ADT_A01`. */
  messageType: string;
  /** MSH-10, trimmed; empty when the sender set none. */
  controlId: string;
  /** MSH-11, e.g. `P`. */
  processingId: string;
  /** MSH-12, e.g. `2.4`. */
  version: string;
  /** MSH-18, e.g. `UNICODE UTF-8`; empty when the sender set none. */
  charset: string;
}

/** MSA of an acknowledgement. */
export interface Msa {
  /** MSA-1, e.g. `AA`. */
  code: string;
  /** MSA-2: MSH-10 of the acknowledged message. */
  controlId: string;
  /** MSA-3, unresolved. */
  text: string;
}

/** No real MSH, or MSH with MSA, is longer (bytes); the rest is not searched. */
const LONGEST_HEADER = 16_384;

/** Undefined when the message does not begin with MSH. White space, padding and a byte order mark before it are skipped. */
export function readHl7Header(message: Buffer): Hl7Header | undefined {
  return parseHl7Header(beginningOf(message));
}

/** What may stand before MSH: also a byte order mark that was read byte by byte, which some senders write after the VT. */
const LEAD = new RegExp(String.raw`^[${AROUND}\uFEFF]*(?:\xEF\xBB\xBF[${AROUND}]*)?`);

/** {@link readHl7Header} of the beginning of a message as text. */
export function parseHl7Header(text: string): Hl7Header | undefined {
  const message = text.replace(LEAD, '');
  const end = message.search(/[\r\n]/);
  const segment = end < 0 ? message : message.slice(0, end);
  if (!segment.startsWith('MSH') || segment.length < 8) return undefined;
  const separator = segment.charAt(3);
  // MSH-1 is the separator itself: fields[n] is MSH-(n + 1).
  const fields = segment.split(separator);
  const field = (number: number): string => fields[number - 1] ?? '';
  return {
    separator,
    encoding: field(2),
    sendingApplication: field(3),
    sendingFacility: field(4),
    receivingApplication: field(5),
    receivingFacility: field(6),
    messageTime: field(7),
    messageType: field(9),
    controlId: field(10).trim(),
    processingId: field(11),
    version: field(12),
    charset: field(18),
  };
}

/** Returns the message with an empty MSH-7; unchanged when it does not begin with MSH or has no MSH-7. */
export function withoutMessageTime(message: Buffer): Buffer {
  const { separator, messageTime } = readHl7Header(message) ?? { separator: '', messageTime: '' };
  if (messageTime === '') return message;
  const beginning = beginningOf(message);
  const start = LEAD.exec(beginning)?.[0].length ?? 0;
  // MSH-1 is the separator itself, so five more stand before MSH-7.
  const before = beginning.slice(start).split(separator).slice(0, 6).join(separator).length;
  const from = start + before + separator.length;
  return Buffer.concat([message.subarray(0, from), message.subarray(from + messageTime.length)]);
}

/** Undefined when the message has no MSH or no MSA: then it is no acknowledgement. */
export function readMsa(message: Buffer): Msa | undefined {
  const beginning = beginningOf(message);
  const header = parseHl7Header(beginning);
  if (header === undefined) return undefined;
  const msa = beginning.split(/[\r\n]+/).find((segment) => segment.startsWith(`MSA${header.separator}`));
  const fields = msa?.split(header.separator);
  if (fields === undefined) return undefined;
  return { code: (fields[1] ?? '').trim().toUpperCase(), controlId: (fields[2] ?? '').trim(), text: fields[3] ?? '' };
}

const beginningOf = (message: Buffer): string =>
  message.toString('latin1', 0, Math.min(message.length, LONGEST_HEADER));
