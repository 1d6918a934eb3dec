/**
 * Builds the acknowledgement of an HL7 v2 message (HL7 v2, 2.9.2): MSH with sender and receiver exchanged, MSA with
 * MSH-10 of the message, and ERR where something went wrong.
 */
import { randomBytes } from 'node:crypto';
import { InvalidMessageError } from '../../errors';
import { encode } from '../charset';
import { isObject } from '../segments';
import { declaredCharset } from './charset';
import { parseHl7Header, type Hl7Header } from './header';
import { readHl7, textAt, writeHl7, type Hl7Message } from './message';
import { DEFAULT_ENCODING, escapeText, separatorsOf, type Separators } from './separators';

/** HL7 table 0008, original and enhanced mode: accepted, error, rejected. */
export const ACK_CODES = ['AA', 'AE', 'AR', 'CA', 'CE', 'CR'] as const;
export type AckCode = (typeof ACK_CODES)[number];

export interface Hl7AckOptions {
  /** Default `AA`. */
  code?: AckCode;
  /** What went wrong, for people; MSA-3 and ERR. No patient data: it ends in logs. */
  text?: string;
  /** HL7 table 0357, e.g. `207`. Default `207` (application internal error) for an error or a rejection. */
  errorCode?: string;
  /** MSH-10 of the acknowledgement. Default: a new one of 20 characters, the field's length up to version 2.6. */
  controlId?: string;
  /** MSH-7. Default: the present. */
  now?: Date;
}

/**
 * The acknowledgement of a message that was parsed, with MSH-9.3 from version 2.4 and an ERR segment for a negative
 * code.
 * @throws InvalidMessageError when the message has no MSH-10 to refer to, or is itself an acknowledgement: that gets
 *   none
 */
export function acknowledgeHl7(message: Hl7Message, options: Hl7AckOptions): Hl7Message {
  const [msh] = message.MSH ?? [];
  const controlId = textAt(message, 'MSH', 10);
  if (!isObject(msh) || controlId === '') {
    throw new InvalidMessageError('The HL7 message has no control id (MSH-10), so nothing can acknowledge it.');
  }
  if (message['MSA'] !== undefined) {
    throw new InvalidMessageError('The HL7 message is itself an acknowledgement (MSA): it gets no acknowledgement.');
  }
  const { raw: _raw, ...fields } = msh;
  const header = parseHl7Header(writeHl7({ MSH: [fields] }) as string);
  if (header === undefined) throw new InvalidMessageError('The HL7 message has no usable header (MSH).');
  const by = separatorsOf(header.separator, header.encoding);
  const text = options.text === undefined ? undefined : escapeText(options.text, by);
  // MSA-2 repeats MSH-10 as it stands there, whatever separators a sender has put into it.
  const segments = mshAndMsa(header, text ?? '', options, {
    withStructure: isAtLeast(header.version, 2.4),
  });
  if (options.code !== undefined && !options.code.endsWith('A')) {
    segments.push(errSegment(header.version, escapeText(options.errorCode ?? '207', by), text, by));
  }
  const { charset } = message;
  return { ...(charset === undefined ? {} : { charset }), ...readHl7(written(segments, by.field)) };
}

/** What stands in for the header of something without MSH. */
const NO_HEADER: Hl7Header = {
  separator: '|',
  encoding: DEFAULT_ENCODING,
  sendingApplication: '',
  sendingFacility: '',
  receivingApplication: '',
  receivingFacility: '',
  messageTime: '',
  messageType: '',
  controlId: '',
  processingId: '',
  version: '',
  charset: '',
};

/** Characters of a text that are written into MSA-3 at most. */
const LONGEST_TEXT = 400;

/**
 * The bytes of the smallest acknowledgement that HL7 v2 allows, from a header that was read tolerantly. Names keep
 * their bytes; the text becomes one line in the character set of MSH-18 (UTF-8 if it names none), with `?` for what
 * that lacks.
 * @param header undefined for something without MSH: there is nothing to refer to, and MSA-2 is empty
 */
export function buildHl7Ack(header: Hl7Header | undefined, options: Omit<Hl7AckOptions, 'errorCode'>): Buffer {
  const { processingId, version, ...request } = header ?? NO_HEADER;
  const [component = '^', repetition = '~', escape = '\\', subcomponent = '&'] = request.encoding;
  // A CR would begin a segment.
  const line = (options.text ?? '')
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, LONGEST_TEXT);
  const text = escapeText(line, { field: request.separator, component, repetition, escape, subcomponent });
  const declared = declaredCharset(request.charset);
  const charset = declared === undefined || declared === 'unknown' || declared === 'ascii' ? 'utf-8' : declared;
  const segments = mshAndMsa(
    { ...request, processingId: processingId || 'P', version: version || '2.4' },
    encode(text, charset, 'replace').toString('latin1'),
    options,
  );
  return Buffer.from(written(segments, request.separator), 'latin1');
}

/** MSH and MSA as field texts. `text` is escaped. `withStructure`: MSH-9.3, the message structure, is written too. */
function mshAndMsa(
  request: Hl7Header,
  text: string,
  { code = 'AA', controlId = newControlId(), now = new Date() }: Hl7AckOptions,
  { withStructure = false } = {},
): string[][] {
  const component = request.encoding.charAt(0) || '^';
  const event = request.messageType.split(component)[1] ?? '';
  const type = event === '' ? ['ACK'] : ['ACK', event, ...(withStructure ? ['ACK'] : [])];
  const msh = [
    'MSH',
    request.encoding,
    request.receivingApplication,
    request.receivingFacility,
    request.sendingApplication,
    request.sendingFacility,
    timestamp(now),
    '',
    type.join(component),
    controlId,
    request.processingId,
    request.version,
    '',
    '',
    '',
    '',
    '',
    request.charset,
  ];
  return [withoutTrailing(msh), ['MSA', code, request.controlId, ...(text === '' ? [] : [text])]];
}

/** ERR-3, -4 and -8 from version 2.5; ERR-1.4 before. Error code and text are escaped. */
function errSegment(
  version: string,
  errorCode: string,
  text: string | undefined,
  { component, subcomponent }: Separators,
): string[] {
  if (isAtLeast(version, 2.5)) {
    const code = [errorCode, '', 'HL70357'].join(component);
    return withoutTrailing(['ERR', '', '', code, 'E', '', '', '', text ?? '']);
  }
  const code = text === undefined || subcomponent === undefined ? errorCode : errorCode + subcomponent + text;
  return ['ERR', ['', '', '', code].join(component)];
}

const written = (segments: string[][], separator: string): string =>
  segments.map((fields) => `${fields.join(separator)}\r`).join('');

const withoutTrailing = (fields: string[]): string[] =>
  fields.slice(0, fields.findLastIndex((field) => field !== '') + 1);

const isAtLeast = (version: string, wanted: number): boolean => Number.parseFloat(version) >= wanted;

const newControlId = (): string => randomBytes(10).toString('hex').toUpperCase();

/** HL7's TS in UTC with its offset, e.g. `20260401120000+0000`. */
function timestamp(now: Date): string {
  return `${now.toISOString().slice(0, 19).replaceAll(/\D/g, '')}+0000`;
}
