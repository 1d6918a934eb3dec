/** The check digits of SNOMED CT (also dm+d) and LOINC. A wrong one is a typing mistake, or a code cut by a spreadsheet. */
import { DMD, LOINC, SNOMED_CT } from './systems';

/** Multiplication in the dihedral group D5, and its permutation (SNOMED CT Technical Implementation Guide, "Check-digit"). */
const MULTIPLY = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
  [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
  [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
  [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
  [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
  [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
  [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
  [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
  [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];
const PERMUTE = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
  [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
  [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
  [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
  [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
  [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
  [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
];

/** Whether digits end with their check digit by Verhoeff. */
export function isVerhoeff(digits: string): boolean {
  let check = 0;
  for (let index = 0; index < digits.length; index += 1) {
    const digit = digits.charCodeAt(digits.length - 1 - index) - 48;
    check = MULTIPLY[check]?.[PERMUTE[index % 8]?.[digit] ?? 0] ?? 0;
  }
  return check === 0;
}

/** Whether digits end with their check digit by Mod 10 (Luhn), as LOINC prescribes (LOINC Users' Guide, appendix C). */
export function isMod10(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    const digit = digits.charCodeAt(digits.length - 1 - index) - 48;
    const doubled = index % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** What is wrong with a code of SNOMED CT, dm+d or LOINC; undefined for a good one, and for any other system. */
export function checkDigitFault(
  system: string | undefined,
  code: string,
): { rule: 'snomed-form' | 'snomed-check-digit' | 'loinc-form' | 'loinc-check-digit'; text: string } | undefined {
  if (system === SNOMED_CT || system === DMD) {
    // 6 to 18 digits; the partition (the third and second digit from the right) of a concept is 00 or 10.
    if (!/^[1-9]\d{5,17}$/.test(code)) {
      return {
        rule: 'snomed-form',
        text: 'The code is no SNOMED CT identifier: 6 to 18 digits without a leading zero.',
      };
    }
    if (!isVerhoeff(code)) {
      return { rule: 'snomed-check-digit', text: 'The last digit of the SNOMED CT code is not its check digit.' };
    }
    if (!/[01]0\d$/.test(code)) {
      return { rule: 'snomed-form', text: 'The SNOMED CT identifier is of a description or relationship, no concept.' };
    }
  }
  if (system === LOINC) {
    // Parts, answer lists and answers: their check digit is made by another rule, which LOINC does not publish.
    if (/^L[APL]\d{1,8}-\d$/.test(code)) return undefined;
    const number = /^(\d{1,8})-(\d)$/.exec(code);
    if (!number) return { rule: 'loinc-form', text: 'The code is no LOINC: a number, a hyphen, a check digit.' };
    if (!isMod10(`${number[1]}${number[2]}`)) {
      return { rule: 'loinc-check-digit', text: 'The last digit of the LOINC is not its check digit.' };
    }
  }
  return undefined;
}
