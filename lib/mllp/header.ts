/** What the transport needs to know of a message: its MSH (HL7 v2, 2.14.9), read from the bytes. The rest is not its business. */

/** Fields of the MSH, as they stand there; escape sequences are not resolved. One byte is one character (latin1). */
export interface MessageHeader {
  /** MSH-1, the field separator: usually `|`. */
  separator: string;
  /** MSH-2: component, repetition, escape and subcomponent characters, usually `^~\&`. */
  encoding: string;
  /** MSH-3 to MSH-6. */
  sendingApplication: string;
  sendingFacility: string;
  receivingApplication: string;
  receivingFacility: string;
  /** MSH-7, as it stands there. */
  messageTime: string;
  /** MSH-9, e.g. `ADT^A01^ADT_A01`. */
  messageType: string;
  /** MSH-10. Empty where the sender gave none. */
  controlId: string;
  /** MSH-11, e.g. `P`. */
  processingId: string;
  /** MSH-12, e.g. `2.4`. */
  version: string;
  /** MSH-18, e.g. `UNICODE UTF-8`. Empty: not said. */
  charset: string;
}

/** What an acknowledgement says: MSA-1 to MSA-3. */
export interface AcknowledgementHeader {
  code: string;
  controlId: string;
  text: string;
}

/** An MSH is never this long; what is longer is not read to its end. */
const LONGEST_SEGMENT = 16_384;

/** Undefined where the message does not begin with an MSH. */
export function readHeader(message: Buffer): MessageHeader | undefined {
  const segment = firstSegment(message);
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

/** The MSA of an answer. Undefined where there is none: then it is no acknowledgement. */
export function readAcknowledgement(message: Buffer): AcknowledgementHeader | undefined {
  const header = readHeader(message);
  if (header === undefined) return undefined;
  const segments = message.toString('latin1', 0, Math.min(message.length, LONGEST_SEGMENT)).split(/[\r\n]+/);
  const fields = segments.find((segment) => segment.startsWith(`MSA${header.separator}`))?.split(header.separator);
  if (fields === undefined) return undefined;
  return { code: (fields[1] ?? '').trim().toUpperCase(), controlId: (fields[2] ?? '').trim(), text: fields[3] ?? '' };
}

function firstSegment(message: Buffer): string {
  return (
    message
      .toString('latin1', 0, Math.min(message.length, LONGEST_SEGMENT))
      .replace(/^[\r\n]+/, '')
      .split(/[\r\n]/, 1)[0] ?? ''
  );
}
