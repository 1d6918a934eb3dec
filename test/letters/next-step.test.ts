import assert from 'node:assert/strict';
import { ITK3_CODES } from '../../lib/acks/itk3/codes';
import { NEXT_STEPS, nextStep } from '../../lib/letters/next-step';
import { ERROR_CODES } from '../../lib/protocol/error-codes';

describe('the next step about a letter that did not arrive', () => {
  const step = (code: string): string | undefined => nextStep(code)?.step;

  it('is to ask the practice where its mailbox is the matter, and to check the patient where PDS disagrees', () => {
    assert.deepEqual(['EPL-150', 'EPL-151', '14'].map(step), ['ask-practice', 'ask-practice', 'ask-practice']);
    assert.deepEqual(['EPL-152', 'epl-153', 'EPL-154'].map(step), ['check-patient', 'check-patient', 'check-patient']);
  });

  it('is to find the practice of a patient who moved', () => {
    assert.deepEqual(['30002', '30003'].map(step), ['patient-moved', 'patient-moved']);
    assert.match(nextStep('30003')?.advice ?? '', /Trace the patient in PDS/);
  });

  it('is known for every routing error, and for every negative ITK3 code below 30004', () => {
    const routing = ERROR_CODES.filter(({ code }) => code.startsWith('EPL-'));
    const negative = ITK3_CODES.filter(({ code, result }) => result === 'negative' && code < '30004');
    for (const { code } of [...routing, ...negative]) {
      const next = nextStep(code);
      assert.ok(next && NEXT_STEPS.includes(next.step) && next.advice.endsWith('.'), code);
    }
  });

  it('is none for what arrived, and for codes that nobody knows', () => {
    const none = ['20013', '30001', '30004', '', 'EPL-999'].map(step);
    assert.deepEqual(none, [undefined, undefined, undefined, undefined, undefined]);
  });
});
