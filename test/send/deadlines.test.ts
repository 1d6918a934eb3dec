import assert from 'node:assert/strict';
import { ConfigurationError, InvalidMessageError } from '../../lib/errors';
import { deadlineRules } from '../../lib/send/deadlines';
import { afterWorkingDays } from '../../lib/send/working-days';
import { thrown } from '../harness/failure';

const HOUR = 3_600_000;
const at = (time: string): number => Date.parse(`${time}:00Z`);

describe('deadlines', () => {
  it('are 12 hours, 24 hours and 2 working days', () => {
    assert.deepEqual(deadlineRules()('W', {}), {
      collectWithinMs: 12 * HOUR,
      infrastructureWithinMs: 24 * HOUR,
      businessWithinWorkingDays: 2,
    });
  });

  it('are the message’s own, then those of the exact workflow, then of the first pattern, field by field', () => {
    const rules = deadlineRules([
      { workflow: 'TOC_*', collectWithinMs: 1, infrastructureWithinMs: 10, businessWithinWorkingDays: 1 },
      { workflow: '*', infrastructureWithinMs: 20, businessWithinWorkingDays: 3 },
      { workflow: 'TOC_FHIR', collectWithinMs: 2 },
    ]);
    const found = (workflowId: string, own = {}): number[] => Object.values(rules(workflowId, own));
    assert.deepEqual(found('TOC_FHIR'), [2, 10, 1]);
    assert.deepEqual(found('TOC_FHIR', { collectWithinMs: 5, businessWithinWorkingDays: 0.5 }), [5, 10, 0.5]);
    assert.deepEqual(found('TOC_OTHER'), [1, 10, 1]);
    assert.deepEqual(found('PATH'), [12 * HOUR, 20, 3]);
  });

  it('cannot be switched off: a value that is not a positive number is refused', () => {
    for (const value of [0, -1, Number.NaN, Infinity, '12']) {
      const wrong = { infrastructureWithinMs: value as number };
      const error = thrown(ConfigurationError, () => deadlineRules([{ workflow: 'W', ...wrong }]));
      assert.match(error.message, /infrastructureWithinMs of workflow W/);
      thrown(InvalidMessageError, () => deadlineRules()('W', wrong));
    }
  });

  // 20 November 2026 is a Friday.
  for (const [from, days, until] of [
    ['2026-11-16T09:30', 2, '2026-11-18T09:30'],
    ['2026-11-20T15:00', 2, '2026-11-24T15:00'],
    ['2026-11-20T15:00', 0.25, '2026-11-20T21:00'],
    ['2026-11-20T15:00', 0.5, '2026-11-23T03:00'],
    ['2026-11-21T10:00', 2, '2026-11-25T00:00'],
    ['2026-11-22T23:59', 1, '2026-11-24T00:00'],
    ['2026-11-18T00:00', 10, '2026-12-02T00:00'],
  ] as const) {
    it(`${days} working days after ${from} end at ${until}`, () => {
      assert.equal(new Date(afterWorkingDays(at(from), days)).toISOString().slice(0, 16), until);
    });
  }
});
