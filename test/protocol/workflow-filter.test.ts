import assert from 'node:assert/strict';
import { workflowMatcher, workflowsMatcher } from '../../lib/protocol/workflow-filter';

describe('workflow patterns', () => {
  for (const [pattern, fits, not] of [
    ['TOC', ['TOC'], ['TOC_FHIR', 'XTOC', 'toc', '']],
    ['TOC*', ['TOC', 'TOC_FHIR'], ['XTOC', '']],
    ['*TOC*', ['TOC', 'XTOCX'], ['TO', '']],
    ['*_ACK', ['_ACK', 'TOC_ACK'], ['TOC_ACK_2', 'ACK']],
    ['!TOC', ['TOC_FHIR', ''], ['TOC']],
    ['!TOC*', ['XTOC'], ['TOC', 'TOC_FHIR']],
    ['!*_ACK*', ['TOC'], ['TOC_ACK', 'A_ACK_B']],
    ['*', ['', 'anything'], []],
    ['', ['', 'anything'], []],
    ['  TOC  ', ['TOC'], ['  TOC  ']],
    ['A.C', ['A.C'], ['ABC']],
    ['!', [], ['', 'anything']],
  ] as const) {
    it(`"${pattern}" matches ${JSON.stringify(fits)} and not ${JSON.stringify(not)}`, () => {
      const matcher = workflowMatcher(pattern);
      assert.deepEqual([...fits, ...not].filter(matcher), [...fits]);
    });
  }

  it('match together if any plain one matches and every one with ! does', () => {
    const matcher = workflowsMatcher(['TOC_*', 'GP*', '!*_ACK', '!GPX']);
    const all = ['TOC_1', 'TOC_1_ACK', 'GP1', 'GPX', 'OTHER'];
    assert.deepEqual(all.filter(matcher), ['TOC_1', 'GP1']);
  });

  it('with ! alone match everything else', () => {
    assert.deepEqual(['A', 'B', 'C'].filter(workflowsMatcher(['!A', ' !B '])), ['C']);
  });

  it('match everything if there are none, or only empty ones', () => {
    assert.ok(workflowsMatcher([])('A'));
    assert.ok(workflowsMatcher(['', '  '])('A'));
  });
});
