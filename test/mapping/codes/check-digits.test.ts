import assert from 'node:assert/strict';
import { checkDigitFault, isMod10, isVerhoeff } from '../../../lib/mapping/codes/check-digits';
import { DMD, LOINC, SNOMED_CT, systemUri } from '../../../lib/mapping/codes/systems';
import { ASTHMA, DIABETES, GLUCOSE_LOINC, SODIUM_LOINC } from './support';

describe('check digits of codes', () => {
  it('are right for published codes of SNOMED CT and LOINC', () => {
    for (const code of [DIABETES, ASTHMA, '138875005', '900000000000207008', '22298006', '38341003']) {
      assert.equal(checkDigitFault(SNOMED_CT, code), undefined, code);
    }
    for (const code of [SODIUM_LOINC, GLUCOSE_LOINC, '718-7', '4548-4', '2160-0', '33914-3', 'LA6576-8']) {
      assert.equal(checkDigitFault(LOINC, code), undefined, code);
    }
  });

  it('find every single wrong digit and every pair of neighbours that was swapped', () => {
    for (const code of [DIABETES, ASTHMA, '900000000000207008']) {
      for (let at = 0; at < code.length; at += 1) {
        for (let digit = 0; digit <= 9; digit += 1) {
          const wrong = `${code.slice(0, at)}${digit}${code.slice(at + 1)}`;
          assert.equal(isVerhoeff(wrong), wrong === code, wrong);
        }
        const swapped = `${code.slice(0, at)}${code[at + 1] ?? ''}${code[at] ?? ''}${code.slice(at + 2)}`;
        assert.equal(isVerhoeff(swapped), swapped === code, swapped);
      }
    }
    const digits = GLUCOSE_LOINC.replace('-', '');
    for (let at = 0; at < digits.length; at += 1) {
      for (let digit = 0; digit <= 9; digit += 1) {
        const wrong = `${digits.slice(0, at)}${digit}${digits.slice(at + 1)}`;
        assert.equal(isMod10(wrong), wrong === digits, wrong);
      }
    }
  });

  it('are looked at for these systems alone, whose codes must have their form', () => {
    assert.equal(checkDigitFault('urn:local', '73211008'), undefined);
    assert.equal(checkDigitFault(undefined, '73211008'), undefined);
    assert.equal(checkDigitFault(DMD, '73211008')?.rule, 'snomed-check-digit');
    // Excel writes a long code so.
    assert.equal(checkDigitFault(SNOMED_CT, '9.00E+17')?.rule, 'snomed-form');
    assert.equal(checkDigitFault(SNOMED_CT, '00073211009')?.rule, 'snomed-form');
    // A description.
    assert.equal(checkDigitFault(SNOMED_CT, '121589010')?.rule, 'snomed-form');
    assert.equal(checkDigitFault(LOINC, '23457')?.rule, 'loinc-form');
  });

  it('belong to a system by any of its names', () => {
    assert.equal(systemUri(' snomed ct '), SNOMED_CT);
    assert.equal(systemUri('LN'), LOINC);
    assert.equal(systemUri('dm+d'), DMD);
    assert.equal(systemUri('__proto__'), '__proto__');
  });
});
