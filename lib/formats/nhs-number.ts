/**
 * The NHS number: ten digits, the last of them a check digit by Modulus 11 (NHS Data Dictionary, NHS NUMBER). Scottish
 * CHI numbers and the Health and Care numbers of Northern Ireland have the same form and the same check.
 *
 * A number is patient data (docs/design.md, rule 12): what is wrong with one is a rule's name and its text, never the
 * number.
 */

/**
 * What can be wrong with a number, in the order in which it is looked at.
 * - `digits`: it is not ten of the digits 0 to 9
 * - `display-form`: it has spaces or hyphens between or around its ten digits, which {@link normaliseNhsNumber} takes out
 * - `no-number`: no number with its first nine digits exists, because their check digit would be 10
 * - `check-digit`: its last digit is not the check digit of the others
 * - `placeholder`: ten equal digits. They satisfy the arithmetic and stand for nobody: the trace service answers
 *   `0000000000` for no match and `9999999999` for several
 * - `test-number`: from 900 000 0000 on, where numbers are synthetic and never a patient's
 * - `not-test-number`: below 900 000 0000, where a sender of test data may have insisted on synthetic ones
 */
export type NhsNumberRule =
  'digits' | 'display-form' | 'no-number' | 'check-digit' | 'placeholder' | 'test-number' | 'not-test-number';

/** What a caller takes besides ten digits with their check digit. */
export interface NhsNumberOptions {
  /** Spaces and hyphens between the digits. Default: refuse. */
  separators?: 'refuse' | 'allow';
  /** Numbers from 900 000 0000 on. Default: allow. */
  testNumbers?: 'allow' | 'refuse' | 'require';
}

const ZERO = 48;
const LENGTH = 10;
/** The first digit of the numbers that are not issued to people. */
const TEST_DIGIT = 9;

/**
 * Returns the check digit of nine digits: 11 less the remainder of their weighted sum on division by 11, and 0 for 11.
 * 10 means that no number with these nine digits exists. NaN unless the text begins with nine digits; what comes behind
 * them is not looked at.
 */
export function nhsCheckDigit(digits: string): number {
  let sum = 0;
  for (let index = 0; index < LENGTH - 1; index += 1) {
    const digit = digits.charCodeAt(index) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    sum += digit * (LENGTH - index);
  }
  return (11 - (sum % 11)) % 11;
}

/** Returns the first rule that a number breaks; undefined if it may be used. */
export function brokenNhsNumberRule(number: string, options: NhsNumberOptions = {}): NhsNumberRule | undefined {
  const digits = options.separators === 'allow' ? normaliseNhsNumber(number) : number;
  const expected = nhsCheckDigit(digits);
  const last = digits.charCodeAt(LENGTH - 1) - ZERO;
  if (digits.length !== LENGTH || Number.isNaN(expected) || !(last >= 0 && last <= 9)) {
    return isDisplayForm(number) ? 'display-form' : 'digits';
  }
  if (expected === 10) return 'no-number';
  if (expected !== last) return 'check-digit';
  if (isPlaceholder(digits)) return 'placeholder';
  const isTest = digits.charCodeAt(0) - ZERO === TEST_DIGIT;
  if (isTest && options.testNumbers === 'refuse') return 'test-number';
  if (!isTest && options.testNumbers === 'require') return 'not-test-number';
  return undefined;
}

/** Whether it may be used: see {@link brokenNhsNumberRule}. */
export function isNhsNumber(number: string, options: NhsNumberOptions = {}): boolean {
  return brokenNhsNumberRule(number, options) === undefined;
}

/** A sentence for each rule, for findings and errors. */
export const NHS_NUMBER_TEXTS: Readonly<Record<NhsNumberRule, string>> = {
  digits: 'An NHS number has ten digits. A spreadsheet may have taken a leading zero.',
  'display-form': 'The NHS number has spaces or hyphens. Its ten digits alone are wanted here.',
  'no-number': 'No NHS number with these first nine digits exists (Modulus 11).',
  'check-digit': 'The check digit of the NHS number is wrong (Modulus 11).',
  placeholder: 'Ten equal digits are nobody’s NHS number.',
  'test-number': 'NHS numbers from 900 000 0000 on are for tests and nobody’s.',
  'not-test-number': 'Test data has NHS numbers from 900 000 0000 on only.',
};

/**
 * Returns the ten digits of a number that is in display form (`999 787 7896`, `999-787-7896`); any other text as it
 * is. A caller that takes separators out says that it did.
 */
export function normaliseNhsNumber(number: string): string {
  return isDisplayForm(number) ? number.replaceAll(SEPARATORS, '') : number;
}

/** Returns ten digits in display form, `999 787 7896`, as the NHS writes them for people; any other text as it is. */
export function displayNhsNumber(number: string): string {
  return number.replace(/^(\d{3})(\d{3})(\d{4})$/, '$1 $2 $3');
}

/** Blanks, no-break spaces, and the hyphens that word processors write. */
const SEPARATORS = /[ \u00A0\u2009\u202F\u2010\u2011\u2013-]/g;

/** Whether the text is ten digits with separators between or around them. */
function isDisplayForm(number: string): boolean {
  const digits = number.replaceAll(SEPARATORS, '');
  return digits.length < number.length && /^\d{10}$/.test(digits);
}

function isPlaceholder(digits: string): boolean {
  const first = digits.charCodeAt(0);
  for (let index = 1; index < LENGTH; index += 1) if (digits.charCodeAt(index) !== first) return false;
  return true;
}
