/** Vectors of RFC 9562, appendix A. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { uuidOfName, uuidOfTime } from '../../lib/uuid';

describe('a UUID', () => {
  it('of a time is that of RFC 9562', () =>
    assert.equal(
      uuidOfTime(0x017f22e279b0, Buffer.from('0cc318c4dc0c0c07398f', 'hex')),
      '017f22e2-79b0-7cc3-98c4-dc0c0c07398f',
    ));

  it('of a name is that of RFC 9562', () =>
    assert.equal(
      uuidOfName('www.example.com', '6ba7b810-9dad-11d1-80b4-00c04fd430c8'),
      '2ed6657d-e927-568b-95e1-2665a8aea6a2',
    ));

  it('of a later time sorts behind, and one of the same time is another', () => {
    const now = Date.UTC(2026, 0, 1);
    const at = (time: number): string => uuidOfTime(time, randomBytes(10));
    const [one, other, later] = [at(now), at(now), at(now + 1)];
    assert.notEqual(one, other);
    assert.ok(one < later);
  });
});
