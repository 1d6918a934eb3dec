/** The acknowledgement of an HL7 v2 message: MSH, MSA and, for a NAK, ERR (HL7 v2 chapter 2, "Acknowledgement"). */
import { randomUUID } from 'node:crypto';
import { InvalidMessageError } from '../../errors';
import { textAt, type Hl7Message } from './message';
import { isObject, type SegmentObject } from '../segments';

/** HL7 table 0008, original and enhanced mode: accepted, error, rejected. */
export const ACK_CODES = ['AA', 'AE', 'AR', 'CA', 'CE', 'CR'] as const;
export type AckCode = (typeof ACK_CODES)[number];

export interface Hl7AckOptions {
  /** Default `AA`. */
  code?: AckCode;
  /** What went wrong, for people; MSA-3 and ERR. No patient data. */
  text?: string;
  /** HL7 table 0357, e.g. `207`. Default `207` (application internal error) for an error or a rejection. */
  errorCode?: string;
  /** MSH-10 of the acknowledgement. Default: a new one of 20 characters, the field's length up to version 2.6. */
  controlId?: string;
  /** MSH-7. */
  now: Date;
}

/**
 * The acknowledgement of a message.
 * @throws InvalidMessageError where it has no MSH-10 to refer to, or is itself an acknowledgement: those are never answered
 */
export function acknowledgeHl7(message: Hl7Message, options: Hl7AckOptions): Hl7Message {
  const header = message.MSH?.[0];
  const controlId = textAt(message, 'MSH', 10);
  if (!isObject(header) || controlId === '') {
    throw new InvalidMessageError('The HL7 message has no control id (MSH-10), so nothing can acknowledge it.');
  }
  if (message['MSA'] !== undefined) {
    throw new InvalidMessageError('The HL7 message is itself an acknowledgement (MSA): it is never answered.');
  }
  const code = options.code ?? 'AA';
  const trigger = textAt(message, 'MSH', 9, 2);
  const version = textAt(message, 'MSH', 12);
  const type = { c1: 'ACK', ...(trigger === '' ? {} : { c2: trigger }) };
  const msh: SegmentObject = { f1: header['f1'], f2: header['f2'] };
  const fields = [header['f5'], header['f6'], header['f3'], header['f4'], [{ c1: timestamp(options.now) }], undefined];
  fields.push([atLeast(version, 2.4) && trigger !== '' ? { ...type, c3: 'ACK' } : type]);
  fields.push(
    [{ c1: options.controlId ?? randomUUID().replaceAll('-', '').slice(0, 20) }],
    header['f11'],
    header['f12'],
  );
  fields.forEach((field, index) => {
    if (field !== undefined) msh[`f${index + 3}`] = field;
  });
  if (header['f18'] !== undefined) msh['f18'] = header['f18'];
  const text = options.text === undefined || options.text === '' ? {} : { f3: [{ c1: options.text }] };
  const ack: Hl7Message = { MSH: [msh], MSA: [{ f1: [{ c1: code }], f2: [{ c1: controlId }], ...text }] };
  if (message.charset !== undefined) ack.charset = message.charset;
  if (!code.endsWith('A')) ack['ERR'] = [errorSegment(version, options)];
  return ack;
}

/** ERR-3, -4 and -8 from version 2.5; ERR-1.4 before. */
function errorSegment(version: string, { text, errorCode = '207' }: Hl7AckOptions): SegmentObject {
  if (!atLeast(version, 2.5)) {
    return { f1: [{ c4: { s1: errorCode, ...(text === undefined ? {} : { s2: text }) } }] };
  }
  return {
    f3: [{ c1: errorCode, c3: 'HL70357' }],
    f4: [{ c1: 'E' }],
    ...(text === undefined || text === '' ? {} : { f8: [{ c1: text }] }),
  };
}

const atLeast = (version: string, wanted: number): boolean => Number.parseFloat(version) >= wanted;

/** HL7's TS in UTC with its offset, e.g. `20260401120000+0000`. */
function timestamp(now: Date): string {
  return `${now.toISOString().replaceAll(/[-:T]|\..*/g, '')}+0000`;
}
