import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import {
  brokenNhsNumberRule,
  displayNhsNumber,
  isNhsNumber,
  NHS_NUMBER_TEXTS,
  nhsCheckDigit,
  normaliseNhsNumber,
  type NhsNumberRule,
} from '../../lib/formats/nhs-number';

const VALID =
  '9997877896 9991742182 9999081002 9993390755 9997938348 9997017463 9998145384 9994019163 9993307661 9990000050';
const WRONG_CHECK_DIGIT = '9997877897 9991742181 9990000051 9999081000 9993309755 9997014763 9994109163';
const NO_CHECK_DIGIT = '9990001090 9990001094 9990001099';

/** Nine digits that have a check digit, and that digit. */
const number = fc
  .stringMatching(/^\d{9}$/)
  .filter((nine) => nhsCheckDigit(nine) < 10)
  .map((nine) => `${nine}${nhsCheckDigit(nine)}`)
  .filter((digits) => new Set(digits).size > 1);

describe('An NHS number', () => {
  it('has its check digit by Modulus 11, also the 0 that stands for 11', () => {
    for (const digits of VALID.split(' ')) assert.equal(brokenNhsNumberRule(digits), undefined);
    assert.equal(nhsCheckDigit('999787789'), 6);
    assert.equal(nhsCheckDigit('999000005'), 0);
  });

  it('with a wrong check digit, or with neighbours swapped, is refused', () => {
    for (const digits of WRONG_CHECK_DIGIT.split(' ')) assert.equal(brokenNhsNumberRule(digits), 'check-digit');
  });

  it('does not exist where its check digit would be 10', () => {
    for (const digits of NO_CHECK_DIGIT.split(' ')) assert.equal(brokenNhsNumberRule(digits), 'no-number');
    assert.equal(nhsCheckDigit('999000109'), 10);
  });

  it('of one repeated digit is nobody’s, although the arithmetic holds for all ten of them', () => {
    for (let digit = 0; digit <= 9; digit += 1) {
      const repeated = String(digit).repeat(10);
      assert.equal(nhsCheckDigit(repeated), digit);
      assert.equal(brokenNhsNumberRule(repeated), 'placeholder');
    }
  });

  it('has ten ASCII digits and nothing else', () => {
    const refused = [
      '',
      '999787789',
      '99978778961',
      '999787789X',
      'ABCDEFGHIJ',
      '９９９７８７７８９６',
      '+997877896',
      '1e9',
    ];
    for (const text of refused) assert.equal(brokenNhsNumberRule(text), 'digits');
    assert.equal(Number.isNaN(nhsCheckDigit('99978778')), true);
  });

  it('in display form is told apart, and taken only where separators are allowed', () => {
    const forms = ['999 787 7896', '999-787-7896', ' 9997877896', '999\u00A0787\u00A07896', '99 97 87 78 96'];
    for (const text of forms) {
      assert.equal(brokenNhsNumberRule(text), 'display-form');
      assert.equal(brokenNhsNumberRule(text, { separators: 'allow' }), undefined);
      assert.equal(normaliseNhsNumber(text), '9997877896');
    }
    assert.equal(brokenNhsNumberRule('999 787 7897', { separators: 'allow' }), 'check-digit');
    assert.equal(displayNhsNumber('9997877896'), '999 787 7896');
    assert.equal(normaliseNhsNumber('no number'), 'no number');
  });

  it('from 900 000 0000 on is for tests: a live sender may refuse it, a test sender insist on it', () => {
    assert.equal(brokenNhsNumberRule('9997877896', { testNumbers: 'refuse' }), 'test-number');
    assert.equal(brokenNhsNumberRule('9997877896', { testNumbers: 'require' }), undefined);
    assert.equal(brokenNhsNumberRule('4010232137', { testNumbers: 'require' }), 'not-test-number');
    assert.equal(brokenNhsNumberRule('4010232137', { testNumbers: 'refuse' }), undefined);
  });

  it('is refused after any one digit has changed, and after neighbours were swapped', () => {
    fc.assert(
      fc.property(number, fc.nat(9), fc.integer({ min: 1, max: 9 }), (digits, at, more) => {
        const changed = String((Number(digits[at]) + more) % 10);
        assert.equal(isNhsNumber(digits), true);
        assert.equal(isNhsNumber(`${digits.slice(0, at)}${changed}${digits.slice(at + 1)}`), false);
        const swapped = `${digits.slice(0, at)}${digits[at + 1] ?? ''}${digits[at]}${digits.slice(at + 2)}`;
        assert.equal(isNhsNumber(swapped), swapped === digits);
      }),
    );
  });

  it('comes back from its display form', () => {
    fc.assert(
      fc.property(number, (digits) => {
        assert.match(displayNhsNumber(digits), /^\d{3} \d{3} \d{4}$/);
        assert.equal(normaliseNhsNumber(displayNhsNumber(digits)), digits);
      }),
    );
  });

  it('is never in the text of a rule', () => {
    const rules: NhsNumberRule[] = [
      'digits',
      'display-form',
      'no-number',
      'check-digit',
      'placeholder',
      'test-number',
      'not-test-number',
    ];
    assert.deepEqual(Object.keys(NHS_NUMBER_TEXTS).sort(), rules.sort());
    for (const text of Object.values(NHS_NUMBER_TEXTS)) assert.doesNotMatch(text, /\d{5}/);
  });
});
