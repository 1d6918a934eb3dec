/**
 * Reads a letter from an HL7 v2 message: MDM^T02 and T10 with the document in OBX, or ADT^A03 with what a discharge
 * says (docs/letters.md, From HL7 v2, has the table of fields). What a message lacks stays out of the letter: whoever
 * builds one says what is missing.
 */
import { InvalidMessageError } from '../errors';
import type { Hl7Message } from '../formats/hl7/message';
import { mediaTypeOf } from '../formats/hl7/file-types';
import { findHeading, type Heading } from './headings';
import type { Letter, LetterAuthor, LetterFile } from './letter';
import { fhirTime } from './uk-time';

/** A trust's own codes: which letter its document types are, and which service its wards' letters come from. */
export interface LetterCodes {
  /** By TXA-2, or by OBX-3 of the document. */
  types?: Record<string, Pick<Letter, 'title' | 'type'>>;
  /** By PV1-10, the hospital service. */
  careSettings?: Record<string, Letter['careSetting']>;
}

/** What is read of a message. */
export interface FromHl7Options {
  codes?: LetterCodes;
  /** Whether allergies, diagnoses and procedures (AL1, DG1, PR1) become sections; not where a file is the letter. */
  structured?: boolean;
}

/** The messages that are letters: trigger events of ADT and MDM. */
const TRIGGERS: Readonly<Record<string, readonly string[]>> = { ADT: ['A03'], MDM: ['T02', 'T10'] };
/** HL7 table 0272: very restricted, restricted. */
const CONFIDENTIAL = new Set(['V', 'R']);
/** HL7 table 0271: authenticated, legally authenticated. Others are drafts, or nobody has signed them. */
const SIGNED = new Set(['AU', 'LA']);
/** HL7 table 0273: cancelled, obsolete, unavailable. */
const WITHDRAWN = new Set(['CA', 'OB', 'UN']);
/** HL7 table 0085: final, corrected. */
const FINAL = new Set(['F', 'C', '']);
const TEXT_TYPES = new Set(['TX', 'FT', 'ST']);

/** One segment of a message, read by position: `at(3, 4)` is the fourth component of field 3. */
interface Segment {
  at(field: number, component?: number): string;
  /** The repeats of a field, each a function that reads a component. */
  repeats(field: number): Array<(component: number) => string>;
}

function segments(message: Hl7Message, name: string): Segment[] {
  const found = message[name];
  return Array.isArray(found) ? found.map(segment) : [];
}

function segment(fields: unknown): Segment {
  const repeats = (field: number): Array<(component: number) => string> => {
    const value = (fields as Record<string, unknown>)[`f${field}`];
    const list = Array.isArray(value) ? value : value === undefined ? [] : [value];
    return list.map((repeat: unknown) => (component) => componentOf(repeat, component));
  };
  return { repeats, at: (field, component = 1) => repeats(field)[0]?.(component) ?? '' };
}

/** Returns a component's text, its first subcomponent if it has any. HL7's `""` is none. */
function componentOf(repeat: unknown, component: number): string {
  if (typeof repeat === 'string') return component === 1 && repeat !== '""' ? repeat : '';
  const value = (repeat as Record<string, unknown> | null)?.[`c${component}`];
  const text = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)['s1'] : value;
  return typeof text === 'string' && text !== '""' ? text : '';
}

const NONE = segment({});

/**
 * Returns the letter of a message.
 * @throws InvalidMessageError when the message is no letter, or one that must not go: a draft, withdrawn, confidential,
 *   not final, or with a document that cannot be read; it names the field, never its value
 */
export function letterFromHl7(message: Hl7Message, { codes = {}, structured = true }: FromHl7Options = {}): Letter {
  const first = (name: string): Segment => segments(message, name)[0] ?? NONE;
  const [msh, pid, pv1, txa] = [first('MSH'), first('PID'), first('PV1'), first('TXA')];
  checkMayGo(msh, txa);
  const observations = segments(message, 'OBX');
  for (const obx of observations) {
    if (FINAL.has(obx.at(11))) continue;
    throw refused('a document or text of it is not final (OBX-11)', 'Send it once it is final.');
  }
  const documents = observations.filter((obx) => obx.at(2) === 'ED').map(fileOf);
  const pointer = observations.find((obx) => obx.at(2) === 'RP');
  if (pointer) throw refused('its document is a reference (OBX-2 is RP), not the document itself', 'Send it as ED.');
  const coded = codes.types?.[txa.at(2)] ?? codes.types?.[observations[0]?.at(3) ?? ''];
  const sections = sectionsFrom(structured ? message : {}, observations);
  const doctor = txa.at(9) || txa.at(9, 2) ? txa.repeats(9)[0] : pv1.repeats(7)[0];
  const written = [txa.at(4), txa.at(6), first('EVN').at(2), msh.at(7)]
    .map(fhirTime)
    .find((time) => time?.includes('T'));
  return compact({
    ...coded,
    careSetting: codes.careSettings?.[pv1.at(10)],
    written,
    documentNumber: txa.at(12) || undefined,
    replaces: msh.at(9, 2) === 'T10' ? txa.at(13) || undefined : undefined,
    reference: msh.at(10) || undefined,
    patient: patientOf(pid),
    author: doctor && authorOf(doctor),
    practice: practiceOf(first('PD1')),
    encounter: compact({
      start: fhirTime(pv1.at(44)),
      end: fhirTime(pv1.at(45)) ?? (msh.at(9, 2) === 'A03' ? fhirTime(first('EVN').at(2)) : undefined),
      ward: pv1.at(3) || undefined,
    }),
    sections: Object.keys(sections).length === 0 ? undefined : sections,
    documents: documents.length === 0 ? undefined : documents,
  }) as Letter;
}

/** @throws InvalidMessageError when the message is no letter, or says of itself that it must not go */
function checkMayGo(msh: Segment, txa: Segment): void {
  const [kind, trigger] = [msh.at(9), msh.at(9, 2)];
  if (!(TRIGGERS[kind] ?? []).includes(trigger)) {
    throw refused('it is no ADT^A03, MDM^T02 or MDM^T10', 'Route other messages past the letters.');
  }
  if (CONFIDENTIAL.has(txa.at(18))) {
    throw refused('it is confidential (TXA-18)', 'A confidential letter may not be sent this way. Tell its author.');
  }
  if (txa.at(17) !== '' && !SIGNED.has(txa.at(17))) {
    throw refused('it is not authenticated (TXA-17 is neither AU nor LA)', 'Send it once it is signed.');
  }
  if (WITHDRAWN.has(txa.at(19))) {
    throw refused('it is withdrawn (TXA-19)', 'It is not sent. Tell the practice if it has an earlier one.');
  }
  if (trigger === 'T10' && txa.at(13) === '') {
    throw refused('it replaces a letter and does not name it (TXA-13)', 'Correct the source.');
  }
}

function fileOf(obx: Segment): LetterFile {
  const kind = obx.at(5, 3).toUpperCase();
  const contentType = mediaTypeOf(kind);
  if (contentType === undefined) {
    throw refused(
      'the type of its document is not known (OBX-5.3)',
      'Name it PDF, DOCX, RTF, HTML, TXT, JPG, PNG, TIFF …',
    );
  }
  const encoding = obx.at(5, 4).toUpperCase();
  const content = obx.at(5, 5).replaceAll(/\\\.br\\|\\X0[AD]\\|\s/gi, '');
  if (encoding === 'HEX' && /^(?:[\dA-F]{2})+$/i.test(content)) {
    return withTitle(obx, { contentType, content: Buffer.from(content, 'hex').toString('base64') });
  }
  // Base64 that loses a character on the way decodes to another document.
  const isWhole = content !== '' && Buffer.from(content, 'base64').toString('base64') === content;
  if (encoding !== 'BASE64' || !isWhole) {
    throw refused('its document is not whole base64 (OBX-5)', 'Correct the source: OBX-5.4 is Base64 or Hex.');
  }
  return withTitle(obx, { contentType, content });
}

const withTitle = (obx: Segment, file: LetterFile): LetterFile =>
  obx.at(3, 2) === '' ? file : { ...file, title: obx.at(3, 2) };

/** Texts by heading: OBX by its OBX-3; diagnoses, procedures and allergies from DG1, PR1 and AL1. */
function sectionsFrom(message: Hl7Message, observations: readonly Segment[]): Partial<Record<Heading, string>> {
  const lines: Partial<Record<Heading, string[]>> = {};
  const add = (heading: Heading, line: string): void => {
    if (line.trim() !== '') (lines[heading] ??= []).push(line.trim());
  };
  for (const dg1 of segments(message, 'DG1')) add('Diagnoses', dg1.at(3, 2) || dg1.at(4));
  for (const pr1 of segments(message, 'PR1')) add('Procedures', pr1.at(3, 2) || pr1.at(4));
  for (const al1 of segments(message, 'AL1')) {
    const reactions = al1
      .repeats(5)
      .map((read) => read(1))
      .filter(Boolean);
    const allergen = al1.at(3, 2) || al1.at(3);
    add('Allergies and adverse reactions', [allergen, ...reactions].filter(Boolean).join(': '));
  }
  for (const obx of observations.filter((each) => TEXT_TYPES.has(each.at(2)))) {
    const heading = findHeading(obx.at(3)) ?? findHeading(obx.at(3, 2));
    if (heading === undefined) {
      throw refused('a text has no heading (OBX-3)', 'OBX-3 names the heading, by its SNOMED CT code or its name.');
    }
    for (const read of obx.repeats(5)) add(heading, read(1).replaceAll(/\\\.(?:br|sp)\\/gi, '\n'));
  }
  return Object.fromEntries(Object.entries(lines).map(([heading, found]) => [heading, found.join('\n')]));
}

const GENDERS: Readonly<Record<string, NonNullable<Letter['patient']>['gender']>> = {
  M: 'male',
  F: 'female',
  O: 'other',
  A: 'other',
};

function patientOf(pid: Segment): Letter['patient'] {
  const number = pid.repeats(3).find((read) => read(5) === 'NH' || read(4) === 'NHS');
  const birth = fhirTime(pid.at(7))?.slice(0, 10);
  const status = /^(?:NSTS)?(0[1-8])$/i.exec(pid.at(32))?.[1] as NonNullable<Letter['patient']>['numberStatus'];
  const given = [pid.at(5, 2), ...pid.at(5, 3).split(' ')].filter(Boolean);
  const [line, other, city, , postalCode] = [1, 2, 3, 4, 5].map((component) => pid.at(11, component));
  const lines = [line, other].filter((each): each is string => Boolean(each));
  return compact({
    nhsNumber: number?.(1).replaceAll(/\s/g, '') || undefined,
    numberStatus: status,
    family: pid.at(5, 1) || undefined,
    given: given.length === 0 ? undefined : given,
    prefix: pid.at(5, 5) || undefined,
    birthDate: birth,
    gender: GENDERS[pid.at(8)] ?? 'unknown',
    address: compact({
      lines: lines.length === 0 ? undefined : lines,
      city: city || undefined,
      postalCode: postalCode || undefined,
    }),
    phone: pid.at(13) || undefined,
  });
}

/** Systems of a staff member's id, by XCN-9 or XCN-13. A number without one of them is nobody's id elsewhere. */
const STAFF_SYSTEMS: Readonly<Record<string, string>> = {
  SDS: 'https://fhir.nhs.uk/Id/sds-user-id',
  GMC: 'https://fhir.hl7.org.uk/Id/gmc-number',
  GPHC: 'https://fhir.hl7.org.uk/Id/gphc-number',
  HCPC: 'https://fhir.hl7.org.uk/Id/hcpc-number',
};

function authorOf(read: (component: number) => string): LetterAuthor | undefined {
  const system = STAFF_SYSTEMS[read(9).toUpperCase()] ?? STAFF_SYSTEMS[read(13).toUpperCase()];
  const given = [read(3), read(4)].filter(Boolean);
  return compact({
    family: read(2) || undefined,
    given: given.length === 0 ? undefined : given,
    prefix: read(6) || undefined,
    identifier: system !== undefined && read(1) !== '' ? { system, value: read(1) } : undefined,
  });
}

/** PD1-3 is the practice (XON: name, and the ODS code in its third or tenth component). */
function practiceOf(pd1: Segment): Letter['practice'] {
  const odsCode = pd1.at(3, 10) || pd1.at(3, 3);
  return compact({ name: pd1.at(3) || undefined, odsCode: odsCode || undefined });
}

/** Returns the object without undefined properties; undefined if none is left. */
function compact<Type extends object>(value: Type): Type | undefined {
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as Type);
}

function refused(why: string, advice: string): InvalidMessageError {
  return new InvalidMessageError(`The HL7 message is not sent as a letter: ${why}.`, { advice });
}
