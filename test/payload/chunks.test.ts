import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { chunkBody, splitPayload } from '../../lib/payload/chunks';
import { openPayload } from '../../lib/payload/source';
import { allOf } from '../support/all-of';

describe('splitting a payload', () => {
  for (const [size, max, ends] of [
    [1, 10, [1]],
    [9, 10, [9]],
    [10, 10, [10]],
    [11, 10, [10, 11]],
    [20, 10, [10, 20]],
    [21, 10, [10, 20, 21]],
    [3, 1, [1, 2, 3]],
  ] as const) {
    it(`of ${size} bytes by ${max} ends at ${ends.join(', ')}`, () => {
      const slices = splitPayload(size, max);
      assert.deepEqual(
        slices.map((slice) => slice.end),
        ends,
      );
      assert.deepEqual(
        slices.map((slice) => slice.start),
        [0, ...ends.slice(0, -1)],
      );
    });
  }
});

describe('the body of a chunk', () => {
  const bytes = randomBytes(3_000_000);

  for (const compression of ['gzip', 'never'] as const) {
    it(`with compression "${compression}" has its size, and can be read again`, async () => {
      const source = await openPayload(bytes);
      const body = await chunkBody(source, { start: 100, end: 2_500_000 }, compression);
      const first = Buffer.concat(await allOf(body.open()));
      const second = Buffer.concat(await allOf(body.open()));
      assert.equal(first.length, body.bytes);
      assert.ok(first.equals(second));
      const plain = compression === 'gzip' ? gunzipSync(first) : first;
      assert.ok(plain.equals(bytes.subarray(100, 2_500_000)));
    });
  }

  it('is a gzip of its own: each expands without the others', async () => {
    const source = await openPayload('a'.repeat(100) + 'b'.repeat(100));
    const expanded = [];
    for (const slice of splitPayload(source.size, 100)) {
      const body = await chunkBody(source, slice, 'gzip');
      expanded.push(gunzipSync(Buffer.concat(await allOf(body.open()))).toString());
    }
    assert.deepEqual(expanded, ['a'.repeat(100), 'b'.repeat(100)]);
  });
});
