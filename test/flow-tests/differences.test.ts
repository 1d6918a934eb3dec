import assert from 'node:assert/strict';
import { comparePayloads, isAsExpected, valueAt } from '../../lib/flow-tests/differences';

const ADT = 'MSH|^~\\&|PAS|X26|||20260115||ADT^A01|1|P|2.4\rPID|1||9990000018^^^NHS~123||SMITH^ANN\rOBX|1\rOBX|2|ST\r';
const fields = (expected: string, actual: string, ignore: string[] = []): string[] =>
  comparePayloads(expected, actual, ignore).map(
    ({ field, expected: one, actual: other }) => `${field}: ${one ?? '-'} | ${other ?? '-'}`,
  );

describe('a difference between two payloads', () => {
  it('of HL7 v2 is named by segment, field and component', () => {
    assert.deepEqual(fields(ADT, ADT.replace('SMITH', 'SMYTH').replace('|ST', '|NM')), [
      'PID-5.1: SMITH | SMYTH',
      'OBX[2]-2.1: ST | NM',
    ]);
    assert.deepEqual(fields(ADT, ADT.replace('~123', '~124')), ['PID-3[2].1: 123 | 124']);
  });

  it('of HL7 v2 is none where only the line ends differ', () =>
    assert.deepEqual(fields(ADT, ADT.replaceAll('\r', '\n')), []));

  it('of EDIFACT is named by segment, element and component', () => {
    const edifact = "UNB+UNOA:2+A+B+260115:0930+1'UNH+1+MEDRPT:0:1'PNA+PAT+999:OPI+++SU:SMITH'UNT+3+1'UNZ+1+1'";
    assert.deepEqual(fields(edifact, edifact.replace('SMITH', 'SMYTH')), ['PNA+5.2: SMITH | SMYTH']);
  });

  it('of EDIFACT is not told of an element that may differ', () => {
    const at = (time: string): string => `UNB+UNOA:2+A+B+260115:${time}+1'UNH+1+X'DTM+137:${time}:203'UNT+3+1'UNZ+1+1'`;
    assert.deepEqual(fields(at('0930'), at('0931'), ['UNB+4', 'DTM']), []);
  });

  it('of FHIR is named by its path', () =>
    assert.deepEqual(fields('{"entry":[{"resource":{"id":"a"}}]}', '{"entry":[{"resource":{"id":"b","meta":{}}}]}'), [
      'entry[0].resource.id: a | b',
      'entry[0].resource.meta: - | {}',
    ]));

  it('of anything else is named by its line, and markup has a line for each element', () => {
    assert.deepEqual(fields('a\nb', 'a\r\nc'), ['line 2: b | c']);
    assert.deepEqual(fields('<a><b/></a>', '<a><c/></a>'), ['line 2: <b/> | <c/>']);
  });

  it('is none between ids made anew, as long as each stands for the same one', () => {
    const [a, b, c, d] = [1, 2, 3, 4].map((n) => `0000000${n}-1111-4222-8333-444455556666`);
    assert.deepEqual(fields(`{"x":"${a}","y":"${a}","z":"${b}"}`, `{"x":"${c}","y":"${c}","z":"${d}"}`), []);
    assert.equal(fields(`{"x":"${a}","y":"${a}"}`, `{"x":"${c}","y":"${d}"}`).length, 1);
  });

  it('is not told of a field that may differ, nor of what is below it', () => {
    const other = ADT.replace('20260115', '20260116').replace('SMITH', 'SMYTH');
    assert.deepEqual(fields(ADT, other, ['MSH-7']), ['PID-5.1: SMITH | SMYTH']);
    assert.deepEqual(fields(ADT, other, ['MSH-7', 'PID-5']), []);
    assert.deepEqual(fields('{"a":[{"id":1},{"id":2}]}', '{"a":[{"id":3},{"id":4}]}', ['a[*].id']), []);
  });
});

describe('an expected value', () => {
  for (const [expected, actual, isRight] of [
    ['AA', 'AA', true],
    ['AA', 'AE', false],
    ['5', 5, true],
    [{ matches: '^A.$' }, 'AA', true],
    [{ contains: 'PID' }, Buffer.from('MSH PID'), true],
    [{ contains: 'PID' }, undefined, false],
    [{ present: false }, undefined, true],
    [{ present: true }, null, false],
    [{ a: [1] }, { a: [1] }, true],
    [{ a: [1] }, { a: [2] }, false],
    [true, 'true', true],
  ] as const) {
    it(`${JSON.stringify(expected)} is ${isRight ? '' : 'not '}${JSON.stringify(actual)}`, () =>
      assert.equal(isAsExpected(expected as never, actual), isRight));
  }

  it('is found by its path, and never in a prototype', () => {
    assert.equal(valueAt({ a: [{ b: 1 }] }, 'a[0].b'), 1);
    assert.equal(valueAt({ a: 1 }, 'constructor.name'), undefined);
    assert.equal(valueAt({ a: null }, 'a.b'), undefined);
  });
});
