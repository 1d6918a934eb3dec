/**
 * `Mex-To` by the patient: `GPPROVIDER_<NHS number>_<date of birth>_<surname>`, by which MESH finds the patient's
 * practice (docs/mesh.md, Sending). What a wrong one costs is a letter that nobody reads, so each part is checked, and
 * nothing is guessed. The address is patient data: an error names a part, never its value (docs/design.md, rule 12).
 */
import { InvalidMessageError } from '../errors';
import { brokenNhsNumberRule, NHS_NUMBER_TEXTS, normaliseNhsNumber } from '../formats/nhs-number';

/** The details by which MESH finds a patient's practice. */
export interface PatientTrace {
  /** Ten digits, the last of them a check digit; spaces and hyphens are taken out. */
  nhsNumber: string;
  /** `YYYY-MM-DD` or `YYYYMMDD`; of an HL7 v2 or FHIR time the date counts. */
  birthDate: string;
  /** As it is registered. */
  surname: string;
}

/**
 * The order of the birth date's digits in the address. The GP Connect guides' examples have `ddmmyyyy`, MESH's own
 * documents and products in use `yyyymmdd`: confirm it on Integration.
 */
export const BIRTH_DATE_ORDERS = ['yyyymmdd', 'ddmmyyyy'] as const;
export type BirthDateOrder = (typeof BIRTH_DATE_ORDERS)[number];

/** Prefix of an address by which MESH finds the patient's practice. */
const BY_PATIENT = 'GPPROVIDER_';
/** `Mex-To` takes 100 characters: what is left for the surname behind the prefix, ten digits, eight digits and `_`s. */
const MAX_SURNAME = 100 - `${BY_PATIENT}1234567890_19700101_`.length;
/** Nobody alive was born earlier: a year before it is a slip of the keyboard. */
const FIRST_YEAR = 1900;
const DAY_MS = 86_400_000;

/** Whether a recipient is an address by the patient, which is patient data. */
export const isPracticeAddress = (to: string): boolean => to.toUpperCase().startsWith(BY_PATIENT);

/**
 * Returns `Mex-To` by the patient.
 * @param now the current time (ms since 1970): nobody is born tomorrow
 * @throws InvalidMessageError when a part is wrong; it names the part, never its value
 */
export function gpProviderAddress(
  { nhsNumber, birthDate, surname }: PatientTrace,
  { order = 'yyyymmdd', now = Date.now() }: { order?: BirthDateOrder | undefined; now?: number } = {},
): string {
  const rule = brokenNhsNumberRule(nhsNumber.trim(), { separators: 'allow' });
  if (rule !== undefined) throw notUsable('NHS number', NHS_NUMBER_TEXTS[rule]);
  const [year, month, day] = birthDateParts(birthDate, now);
  const date = order === 'ddmmyyyy' ? `${day}${month}${year}` : `${year}${month}${day}`;
  return `${BY_PATIENT}${normaliseNhsNumber(nhsNumber)}_${date}_${addressSurname(surname)}`;
}

/** @throws InvalidMessageError unless it is a whole date, of a day between 1900 and today */
function birthDateParts(birthDate: string, now: number): [year: string, month: string, day: string] {
  const [, year = '', month = '', day = ''] =
    /^\s*(\d{4})(?:-(\d\d)-(\d\d)(?:T.*)?|(\d\d)(\d\d)(?:\d[\d.]*(?:[+-]\d{4})?)?)\s*$/
      .exec(birthDate)
      ?.filter((part) => part !== undefined) ?? [];
  const time = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
  // Date.parse takes 30 February for 2 March.
  const isDate = Number.isFinite(time) && new Date(time).toISOString().startsWith(`${year}-${month}-${day}`);
  if (!isDate) throw notUsable('date of birth', 'Write it whole, as YYYY-MM-DD.');
  if (Number(year) < FIRST_YEAR || time > now + DAY_MS) {
    throw notUsable('date of birth', 'It is not between 1900 and today.');
  }
  return [year, month, day];
}

/** Letters that Unicode does not take apart into an ASCII letter and an accent. */
const LETTERS: Readonly<Record<string, string>> = {
  Æ: 'AE',
  æ: 'ae',
  Œ: 'OE',
  œ: 'oe',
  Ø: 'O',
  ø: 'o',
  ß: 'ss',
  Ł: 'L',
  ł: 'l',
  Đ: 'D',
  đ: 'd',
  Ð: 'D',
  ð: 'd',
  Þ: 'TH',
  þ: 'th',
  ı: 'i',
};

/**
 * Returns a surname as it goes into the address: without accents, since MESH does not say in which character set it
 * reads a header; with one plain apostrophe, hyphen and space for all that look like them; its letters' case is kept.
 * (Not in a specification: _not confirmed_.)
 * @throws InvalidMessageError when it is empty or has what is no name in ASCII
 */
function addressSurname(surname: string): string {
  const name = surname
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/\P{ASCII}/gu, (letter) => LETTERS[letter] ?? letter)
    .replaceAll(/[\u2018\u2019\u201B\u02BC\u00B4\u2032`]/g, "'")
    .replaceAll(/\s*[\u2010-\u2015\u2212-]\s*/g, '-')
    .replaceAll(/\s+/g, ' ')
    .trim();
  if (name === '') throw notUsable('surname', 'Enter the surname as it is registered.');
  if (!/^[A-Za-z](?:[A-Za-z0-9'. -]*[A-Za-z0-9.'])?$/.test(name)) {
    throw notUsable('surname', 'It may have letters, digits, spaces, apostrophes, hyphens and full stops.');
  }
  if (name.length > MAX_SURNAME) throw notUsable('surname', `MESH takes at most ${MAX_SURNAME} characters of it.`);
  return name;
}

function notUsable(part: string, advice: string): InvalidMessageError {
  return new InvalidMessageError(`The patient’s ${part} cannot be used to find the practice. Nothing was sent.`, {
    advice: `${advice} Or send it to the practice’s mailbox by its id.`,
  });
}
