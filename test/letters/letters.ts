/** Letters for tests: an HL7 v2 message and its PDF, and what a trust adds. All data is synthetic. */
// cspell:ignore EXAMPLETON
import { readHl7, type Hl7Message } from '../../lib/formats/hl7/message';
import type { LetterSender } from '../../lib/letters/build-letter';
import { TRANSFERS_OF_CARE, type TransferOfCareKind } from '../../lib/letters/headings';
import { letterFromHl7, type LetterCodes } from '../../lib/letters/from-hl7';
import { mergeLetters, readLetterFields, type Letter } from '../../lib/letters/letter';

export const NOW = Date.UTC(2026, 6, 16, 12);
export const SENDER: LetterSender = { mailboxId: 'X26ABC6', odsCode: 'X26', maxBytes: 5_000_000, now: NOW };

/** A small PDF with bytes that no text survives. */
export const PDF = Buffer.concat([
  Buffer.from('%PDF-1.4\n%\u00e2\u00e3\n', 'latin1'),
  Buffer.from(Array.from({ length: 600 }, (_each, index) => index % 256)),
  Buffer.from('\n%%EOF\n'),
]);

export const CODES: LetterCodes = {
  types: {
    CL: { title: 'Clinic letter', type: { code: '823681000000100', display: 'Outpatient letter' } },
  },
  careSettings: { '320': { code: '893061000000109', display: 'Cardiology service' } },
};

const PID =
  'PID|1||999 787 7896^^^NHS^NH~EX1^^^X26^PI||O’SAMPLE^TESTA^ANNE^^MRS||19800229|F|||1 EXAMPLE ST^FLAT 2^EXAMPLETON^^EX1 1EX||01632960001|||||||||||||||||||01';
const PV1 = `PV1|1|I|WARD1||||C9999998^CONSULTANT^EXAMPLE^^^DR|||320${'|'.repeat(9)}V1${'|'.repeat(25)}20260710093000|20260716110000`;

/** Returns an HL7 v2 message as mesh-hl7 reads it. */
const hl7 = (...lines: string[]): Hl7Message => readHl7(`${lines.join('\r')}\r`);
const msh = (type: string): string =>
  `MSH|^~\\&|PAS|X26|MESH|X26|20260716113000||${type}|CONTROL1|P|2.4|||AL|NE|GBR|UNICODE UTF-8`;

/** An MDM with a PDF: T02, or T10 when it replaces another document. */
export function mdm({ replaces = '', txa18 = '', txa17 = 'AU', txa19 = 'AV', obx = '' } = {}): Hl7Message {
  const trigger = replaces === '' ? 'T02' : 'T10';
  const txa = `TXA|1|CL|AP|20260716110000|||||C9999998^CONSULTANT^EXAMPLE^^^DR|||DOC2|${replaces}||||${txa17}|${txa18}|${txa19}`;
  const file = obx || `OBX|1|ED|CL^Clinic letter||^application^PDF^Base64^${PDF.toString('base64')}||||||F`;
  return hl7(msh(`MDM^${trigger}^MDM_T02`), `EVN|${trigger}|20260716113000`, PID, PV1, txa, file);
}

/** A discharge, with as much as an ADT says. */
export const adt = (...more: string[]): Hl7Message =>
  hl7(msh('ADT^A03^ADT_A03'), 'EVN|A03|20260716113000', PID, PV1, ...more);

/** What the dialog of mesh-letter adds. */
export const OWN: Letter = { sender: { name: 'Example Hospital', phone: '01632960000' } };

/** What a discharge needs beyond its ADT. */
export const SECTIONS = {
  'Allergies and adverse reactions': 'Penicillin: rash',
  'Clinical summary': 'Admitted with chest pain.\nTroponin < 5 & ECG normal.',
  Diagnoses: 'Chest pain, not cardiac',
};

export const sendDocumentLetter = (message = mdm(), more: Letter = {}): Letter =>
  mergeLetters(mergeLetters(OWN, letterFromHl7(message, { codes: CODES, structured: false })), readLetterFields(more));

export const dischargeLetter = (more: Letter = { sections: SECTIONS }, message = adt()): Letter =>
  mergeLetters(mergeLetters(OWN, letterFromHl7(message, { codes: CODES })), readLetterFields(more));

/** What each kind needs beyond an ADT. */
export function forKind(kind: TransferOfCareKind): Letter {
  const known = TRANSFERS_OF_CARE[kind].headings as readonly string[];
  return { sections: Object.fromEntries(Object.entries(SECTIONS).filter(([heading]) => known.includes(heading))) };
}
