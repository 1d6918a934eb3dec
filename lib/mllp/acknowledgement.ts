/** The smallest acknowledgement that HL7 v2 allows (2.9.2): MSH and MSA, made from the request's MSH. */
import { randomBytes } from 'node:crypto';
import { encodeText } from './charset';
import type { MessageHeader } from './header';

/** MSA-1 in original mode: accepted; failed, may be sent again; refused, the same will be refused again. */
export type AcknowledgementCode = 'AA' | 'AE' | 'AR';

/** What is answered. */
export interface Acknowledgement {
  code: AcknowledgementCode;
  /** MSA-3, for the sender's people. No patient data: it ends in logs. */
  text?: string;
}

/** What the answer is to carry of its own. Default: now, and a control id that is not used again. */
export interface AcknowledgementStamp {
  controlId?: string;
  time?: Date;
}

/**
 * The bytes of an answer to the message that had this header, with sender and receiver exchanged and MSH-10 in MSA-2. To
 * something without an MSH the answer has an empty MSA-2: there is nothing to refer to.
 */
export function buildAcknowledgement(
  request: MessageHeader | undefined,
  { code, text = '' }: Acknowledgement,
  { controlId = randomBytes(10).toString('hex').toUpperCase(), time = new Date() }: AcknowledgementStamp = {},
): Buffer {
  const separator = request?.separator ?? '|';
  const encoding = request?.encoding ?? '^~\\&';
  const component = encoding.charAt(0) || '^';
  const event = request?.messageType.split(component)[1] ?? '';
  const header = [
    'MSH',
    encoding,
    request?.receivingApplication ?? '',
    request?.receivingFacility ?? '',
    request?.sendingApplication ?? '',
    request?.sendingFacility ?? '',
    timestamp(time),
    '',
    event === '' ? 'ACK' : `ACK${component}${event}`,
    controlId,
    request?.processingId || 'P',
    request?.version || '2.4',
    ...(request?.charset ? ['', '', '', '', '', request.charset] : []),
  ].join(separator);
  const answer = ['MSA', code, request?.controlId ?? ''].join(separator);
  const said = escape(text, separator, encoding);
  return Buffer.concat([
    // As it came: what was read as one byte a character is written so.
    Buffer.from(`${header}\r${answer}`, 'latin1'),
    encodeText(said === '' ? '' : separator + said, request?.charset ?? '', 'utf-8', 'replace'),
    Buffer.from('\r'),
  ]);
}

/** HL7's DTM with its zone: `20260115093000+0000`. */
function timestamp(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace(/\D/g, '')}+0000`;
}

/** HL7 v2, 2.7.1. A text of several lines becomes one: a CR would begin a segment. */
function escape(text: string, separator: string, encoding: string): string {
  const [component = '^', repetition = '~', escaping = '\\', subcomponent = '&'] = encoding;
  const names = new Map([
    [separator, 'F'],
    [component, 'S'],
    [repetition, 'R'],
    [escaping, 'E'],
    [subcomponent, 'T'],
  ]);
  const line = text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, 400);
  return Array.from(line, (character) => {
    const name = names.get(character);
    return name === undefined ? character : escaping + name + escaping;
  }).join('');
}
