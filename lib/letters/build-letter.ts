/**
 * Builds a letter from its fields: the FHIR message, and what its headers are made of. Content that a specification
 * makes mandatory and that is not there is refused by name; nothing is filled in (docs/letters.md).
 */
import { InvalidMessageError } from '../errors';
import { brokenNhsNumberRule } from '../formats/nhs-number';
import { isXmlText } from '../formats/xml';
import { sendDocument, SUMMARIES, transferOfCare, type WholeLetter } from './document';
import { SEND_DOCUMENT, TRANSFERS_OF_CARE, type Heading, type LetterKind, type TransferOfCare } from './headings';
import { itk3Message, type Resource } from './itk3-message';
import { fullName, sectionsOf, type Letter } from './letter';
import { notifyLetter } from './notify-letter';
import { gpProviderAddress, type PatientTrace } from './practice-address';

/** Whose mailbox sends the letter. */
export interface LetterSender {
  mailboxId: string;
  /** The mailbox's organisation: it stands for `sender.odsCode` of a letter without one. */
  odsCode?: string | undefined;
  /** Size of the whole message at which it is refused (bytes). ITK3 advises 5 MB: 20015 beyond it. */
  maxBytes: number;
  /** Time in ms since 1970. */
  now: number;
}

/** The values of the subject that GP Connect prescribes. */
export interface GpConnectSubject {
  title: string;
  patientName: string;
  nhsNumber: string;
  practiceName: string;
  version: string;
}

export interface BuiltLetter {
  /** A FHIR resource as JSON: the ITK3 message (STU3), or NHS Notify's DocumentReference (R4). */
  message: Resource;
  /** `MessageHeader.id`, to which the acknowledgements refer; NHS Notify has none. */
  itk3Id?: string;
  workflowId?: string;
  /** The patient in `message`, for `Mex-To`: the two must agree (GPCM-SD-038). */
  patient: PatientTrace;
  /** For the subject of GP Connect. */
  gpConnect?: GpConnectSubject;
  /** `Mex-LocalID` where it is the letter's own; GP Connect's is its profile's. */
  localId?: string;
}

const KB = 1000;

/**
 * Builds a letter.
 * @throws InvalidMessageError that lists by name what is missing or wrong, never a value; also when it is too large
 */
export function buildLetter(kind: LetterKind, fields: Letter, by: LetterSender): BuiltLetter {
  const transfer = isTransfer(kind) ? TRANSFERS_OF_CARE[kind] : undefined;
  const letter = withDefaults(fields, by, transfer);
  const missing = missingFrom(kind, letter, transfer);
  if (missing.length > 0) {
    throw new InvalidMessageError(`The letter lacks ${missing.join('; ')}. Nothing was sent.`, {
      advice: 'Add it at the source, or on msg.letter from a source that has it. It is never made up here.',
    });
  }
  checkContent(letter, transfer);
  const whole = letter as WholeLetter;
  const patient = traceOf(whole, by);
  const built = kind === 'notify' ? notifyLetter(whole) : itk3Letter(whole, by, transfer);
  const bytes = Buffer.byteLength(JSON.stringify(built.message));
  if (bytes > by.maxBytes) {
    throw new InvalidMessageError(
      `The letter has ${Math.ceil(bytes / KB)} kB; at most ${Math.floor(by.maxBytes / KB)} kB are sent.`,
      { advice: 'Make the PDF smaller, or leave attachments out and list them in it: name, time, size.' },
    );
  }
  return { ...built, patient };
}

const isTransfer = (kind: LetterKind): kind is keyof typeof TRANSFERS_OF_CARE => Object.hasOwn(TRANSFERS_OF_CARE, kind);

function withDefaults(letter: Letter, { odsCode }: LetterSender, transfer: TransferOfCare | undefined): Letter {
  const type = letter.type ?? transfer?.type;
  const careSetting = letter.careSetting?.display;
  // The title of a Transfer of Care document is its care setting and its type.
  const title = letter.title ?? (transfer && type && careSetting ? `${careSetting} ${type.display}` : undefined);
  const sender = { ...(odsCode !== undefined && odsCode !== '' && { odsCode }), ...letter.sender };
  return { ...letter, sender, ...(type && { type }), ...(title !== undefined && { title }) };
}

/** Returns the names of mandatory content that is not there, with the HL7 v2 field that has it. */
function missingFrom(kind: LetterKind, letter: Letter, transfer: TransferOfCare | undefined): string[] {
  const { patient = {}, author = {}, sender = {}, documents = [] } = letter;
  const isItk3 = kind !== 'notify';
  const needed: ReadonlyArray<[value: unknown, name: string]> = [
    [patient.nhsNumber, 'the NHS number (patient.nhsNumber, PID-3)'],
    [patient.family, 'the surname (patient.family, PID-5)'],
    [patient.birthDate, 'the birth date (patient.birthDate, PID-7)'],
    [!isItk3 || patient.numberStatus, 'the NHS number’s verification status (patient.numberStatus, PID-32)'],
    [!isItk3 || author.family, 'its author (author.family, TXA-9 or PV1-7)'],
    [sender.odsCode, 'the sender’s ODS code (sender.odsCode)'],
    [!isItk3 || sender.name, 'the sender’s name (sender.name)'],
    [kind !== 'send-document' || sender.phone, 'the sender’s telephone number (sender.phone)'],
    [letter.title, 'its title (title, by TXA-2)'],
    [letter.type, 'its type (type, by TXA-2)'],
    [letter.written, 'its time (written, TXA-4 or MSH-7)'],
    [transfer || documents.length > 0, 'its document (documents, OBX-5 of type ED)'],
    [!transfer || letter.careSetting, 'the care setting (careSetting, by PV1-10)'],
    [kind !== 'notify' || letter.documentNumber, 'its document number (documentNumber, TXA-12)'],
  ];
  const names = needed.filter(([value]) => value === undefined || value === false).map(([, name]) => name);
  const ofHeadings = (transfer?.mandatory ?? [])
    .filter((heading) => !isWrittenByItself(heading) && sectionsOf(letter)[heading] === undefined)
    .map((heading) => `the section “${heading}” (sections)`);
  return [...names, ...ofHeadings];
}

const isWrittenByItself = (heading: Heading): boolean =>
  ['Patient demographics', 'GP practice', 'Person completing record'].includes(heading);

/** @throws InvalidMessageError when a part of it is not what it says, or has no place in the document */
function checkContent(letter: Letter, transfer: TransferOfCare | undefined): void {
  const wrong = (what: string, advice: string): InvalidMessageError =>
    new InvalidMessageError(`The letter’s ${what}. Nothing was sent.`, { advice });
  if (brokenNhsNumberRule(letter.patient?.nhsNumber ?? '') !== undefined) {
    throw wrong('NHS number is no NHS number', 'Correct patient.nhsNumber (PID-3): ten digits with their check digit.');
  }
  for (const { contentType, content } of letter.documents ?? []) {
    const bytes = Buffer.from(content, 'base64');
    if (bytes.toString('base64') !== content) throw wrong('document is not whole base64', 'Read the file again.');
    if (contentType === 'application/pdf' && !bytes.subarray(0, KB).includes('%PDF-')) {
      throw wrong('document is said to be a PDF and is none', 'Check its content type, and the program that wrote it.');
    }
  }
  const texts = [letter.title ?? '', ...Object.values(letter.sections ?? {})];
  if (!texts.every(isXmlText)) {
    throw wrong('text has control characters, which XML cannot carry', 'Take them out at the source.');
  }
  if (!transfer && letter.sections !== undefined) {
    throw wrong('texts have no place beside a file', 'Put them into the PDF, or build a Transfer of Care document.');
  }
  if (!transfer) return;
  const sections = sectionsOf(letter);
  const stranger = (Object.keys(sections) as Heading[]).find((heading) => !transfer.headings.includes(heading));
  if (stranger !== undefined) {
    throw wrong(`section “${stranger}” has no place in this document`, 'Put its text under another heading.');
  }
  const hasEncounter = letter.encounter?.start !== undefined || letter.encounter?.end !== undefined;
  const bare = (['Admission details', 'Discharge details'] as const).find((each) => sections[each] !== undefined);
  if (bare !== undefined && !hasEncounter) {
    throw wrong(
      `section “${bare}” needs the encounter’s times`,
      'Set encounter.start or encounter.end (PV1-44, PV1-45).',
    );
  }
  if ((letter.documents ?? []).length > 0 && !SUMMARIES.some((heading) => sections[heading] !== undefined)) {
    throw wrong('files have no section to stand in', `Add the section “${SUMMARIES.join('” or “')}”.`);
  }
}

/** Returns the patient as the address has it, checked as the address is. */
function traceOf({ patient }: WholeLetter, { now }: LetterSender): PatientTrace {
  const trace = { nhsNumber: patient.nhsNumber, birthDate: patient.birthDate, surname: patient.family };
  gpProviderAddress(trace, { now });
  return trace;
}

function itk3Letter(
  letter: WholeLetter,
  by: LetterSender,
  transfer: TransferOfCare | undefined,
): Omit<BuiltLetter, 'patient'> {
  const document = transfer ? transferOfCare(letter, transfer) : sendDocument(letter);
  const { event, definition, workflowId } = transfer ?? SEND_DOCUMENT;
  const { message, id } = itk3Message(document, {
    event,
    definition,
    mailboxId: by.mailboxId,
    odsCode: letter.sender.odsCode,
    senderReference: letter.reference ?? document.id,
    recipientType: letter.recipientType ?? 'FA',
    now: by.now,
  });
  if (transfer) return { message, itk3Id: id, workflowId };
  const gpConnect = {
    title: letter.title,
    patientName: fullName(letter.patient),
    nhsNumber: letter.patient.nhsNumber,
    practiceName: letter.sender.name,
    version: String(letter.version ?? (letter.replaces === undefined ? 1 : 2)),
  };
  return { message, itk3Id: id, workflowId, gpConnect };
}
