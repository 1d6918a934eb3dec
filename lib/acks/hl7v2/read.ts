/** Reads HL7 v2 acknowledgements. formats/hl7/acknowledge builds them. */
import { UnreadableError } from '../../errors';
import { readHl7, textAt, type Hl7Message } from '../../formats/hl7/message';
import type { AckLevel, AckResult, ReceivedAck } from '../types';

/** HL7 table 0008. C…: commit mode, the message was taken in; A…: it was processed. */
const CODES: Readonly<Record<string, [AckLevel, AckResult, string]>> = {
  AA: ['business', 'positive', 'Accepted'],
  AE: ['business', 'negative', 'Application error'],
  AR: ['business', 'negative', 'Application reject'],
  CA: ['infrastructure', 'positive', 'Commit accepted'],
  CE: ['infrastructure', 'negative', 'Commit error'],
  CR: ['infrastructure', 'negative', 'Commit reject'],
};

/** Whether it is an acknowledgement: it has an MSA. (The response to a query has one too, and gets none either.) */
export const isHl7Ack = (message: Hl7Message): boolean => message['MSA'] !== undefined;

/** @throws UnreadableError when the message is not an acknowledgement, or its code is not known */
export function readHl7Ack(payload: string | Buffer): ReceivedAck {
  const message = readHl7(payload, { charset: 'iso-8859-1', charsetRule: 'misfit' });
  // As MLLP reads it (formats/hl7/header.ts): some receivers pad the fields, or write small letters.
  const code = textAt(message, 'MSA', 1).trim().toUpperCase();
  const known = Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  if (!known) throw new UnreadableError('The HL7 message is not an acknowledgement, or its code (MSA-1) is not known.');
  const [level, result, meaning] = known;
  const reference = textAt(message, 'MSA', 2).trim();
  return { form: 'hl7v2', acknowledges: reference === '' ? undefined : reference, level, result, code, meaning };
}
