import assert from 'node:assert/strict';
import { formatChunkRange, parseChunkRange } from '../../lib/protocol/chunk-range';

describe('the chunk range', () => {
  it('is written as chunk:total', () => assert.equal(formatChunkRange({ chunk: 2, totalChunks: 13 }), '2:13'));

  for (const [text, chunk, totalChunks] of [
    ['1:1', 1, 1],
    ['3:12', 3, 12],
    [' 3 : 12 ', 3, 12],
    ['007:010', 7, 10],
  ] as const) {
    it(`"${text}" is chunk ${chunk} of ${totalChunks}`, () =>
      assert.deepEqual(parseChunkRange(text), { chunk, totalChunks }));
  }

  for (const text of [
    '',
    '1',
    ':',
    '1:',
    ':1',
    '0:1',
    '2:1',
    '-1:1',
    '1:2:3',
    '1.0:2',
    '1e1:20',
    '１:２',
    '1:99999999999999999',
    '1:2'.padEnd(21),
    'x:y',
  ]) {
    it(`"${text}" is not a chunk range`, () => assert.equal(parseChunkRange(text), undefined));
  }
});
