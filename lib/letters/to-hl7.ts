/**
 * Writes a received letter as an HL7 v2 MDM^T02 for an EPR (T10 when it replaces another): its files as OBX of type ED,
 * base64 as received, its sections as text under their headings (docs/letters.md, To HL7 v2).
 */
import { UnreadableError } from '../errors';
import type { Hl7Message } from '../formats/hl7/message';
import type { ReceivedLetter } from './read-letter';

export interface MdmOptions {
  /** MSH-10. */
  controlId: string;
  /** MSH-3 to MSH-6. */
  from: { application: string; facility: string };
  to: { application: string; facility: string };
  /** Time in ms since 1970. */
  now: number;
}

type Components = Record<string, string>;
const field = (...components: Array<string | undefined>): Components[] => {
  const entries = components.flatMap((value, index) =>
    value === undefined || value === '' ? [] : [[`c${index + 1}`, oneLine(value)] as const],
  );
  return entries.length === 0 ? [] : [Object.fromEntries(entries)];
};
/** A line end in a field would end its segment. */
const oneLine = (text: string): string => text.replaceAll(/\r\n|\r|\n/g, '\\.br\\');

/** Returns the segment's fields by their numbers, without empty ones. */
const segment = (fields: Record<number, Components[]>): Record<string, Components[]> =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([number, value]) => (value.length === 0 ? [] : [[`f${number}`, value]])),
  );

const GENDERS: Readonly<Record<string, string>> = { male: 'M', female: 'F', other: 'O', unknown: 'U' };
/** The last part of a media type, as OBX-5.3 has it. */
const SUBTYPES: Readonly<Record<string, string>> = {
  'application/pdf': 'PDF',
  'application/rtf': 'RTF',
  'text/rtf': 'RTF',
  'text/html': 'HTML',
  'text/plain': 'TXT',
  'image/jpeg': 'JPEG',
  'image/png': 'PNG',
  'image/tiff': 'TIFF',
};

/**
 * Returns the message, for mesh-hl7 or {@link writeHl7}.
 * @throws UnreadableError when there is nothing in the letter that an MDM could carry: an EPR would file an empty one
 */
export function letterToMdm(letter: ReceivedLetter, { controlId, from, to, now }: MdmOptions): Hl7Message {
  const trigger = letter.replaces === undefined ? 'T02' : 'T10';
  const written = hl7Time(letter.written);
  const time = new Date(now).toISOString().replaceAll(/[-:T]|\..*$/g, '') + '+0000';
  const { patient, author } = letter;
  const doctor = field('', author.family, author.given?.[0], author.given?.slice(1).join(' '), '', author.prefix);
  const type = field(letter.type?.code, letter.type?.display, letter.type?.code && 'SCT');
  const observations = [
    ...letter.sections
      .filter(({ text }) => text !== '')
      .map(({ code, title, text }) => ({
        valueType: 'FT',
        what: code === undefined && title === undefined ? type : field(code, title, code && 'SCT'),
        value: field(text),
      })),
    ...letter.documents.map(({ contentType, content, title }) => ({
      valueType: 'ED',
      what: title === undefined ? type : field(letter.type?.code, title, letter.type?.code && 'SCT'),
      value: field('', contentType.split('/')[0], SUBTYPES[contentType] ?? contentType, 'Base64', content),
    })),
  ];
  if (observations.length === 0) {
    throw new UnreadableError('The letter has neither text nor a file, so there is nothing for the EPR to show.', {
      advice: 'Read the FHIR message itself, and do not acknowledge it as processed before a person has seen it.',
    });
  }
  return {
    MSH: [
      {
        f1: '|',
        f2: '^~\\&',
        ...segment({
          3: field(from.application),
          4: field(from.facility),
          5: field(to.application),
          6: field(to.facility),
          7: field(time),
          9: field('MDM', trigger, 'MDM_T02'),
          10: field(controlId),
          11: field('P'),
          12: field('2.4'),
          18: field('UNICODE UTF-8'),
        }),
      },
    ],
    EVN: [segment({ 1: field(trigger), 2: field(time) })],
    PID: [
      segment({
        1: field('1'),
        3: field(patient.nhsNumber, '', '', 'NHS', 'NH'),
        5: field(patient.family, patient.given?.[0], patient.given?.slice(1).join(' '), '', patient.prefix),
        7: field(patient.birthDate?.replaceAll('-', '')),
        8: field(GENDERS[patient.gender ?? ''] ?? 'U'),
        11: field(
          patient.address?.lines?.[0],
          patient.address?.lines?.slice(1).join(', '),
          patient.address?.city,
          '',
          patient.address?.postalCode,
        ),
      }),
    ],
    PV1: [segment({ 1: field('1'), 2: field('N') })],
    TXA: [
      segment({
        1: field('1'),
        2: field(letter.type?.code),
        3: field('AP'),
        4: field(written),
        9: doctor,
        12: field(letter.documentNumber),
        13: field(letter.replaces),
        17: field('AU'),
        19: field('AV'),
      }),
    ],
    OBX: observations.map(({ valueType, what, value }, index) =>
      segment({ 1: field(String(index + 1)), 2: field(valueType), 3: what, 5: value, 11: field('F') }),
    ),
  };
}

/** Returns a FHIR time as HL7 v2 writes it: `YYYYMMDD[HHMMSS+ZZZZ]`. */
function hl7Time(time: string | undefined): string | undefined {
  const found = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d))?$/.exec(time ?? '');
  if (!found) return undefined;
  const [, year, month, day, hour, minute, second, zone] = found;
  if (hour === undefined) return `${year}${month}${day}`;
  return `${year}${month}${day}${hour}${minute}${second}${zone === 'Z' ? '+0000' : zone?.replace(':', '')}`;
}
