/** Vectors of RFC 9562, appendix A. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { uuidOfName, uuidOfTime, uuidsOfTime } from '../../lib/uuid';

describe('a UUID', () => {
  it('of a time is that of RFC 9562', () =>
    assert.equal(
      uuidOfTime(0x017f22e279b0, 0xcc3, Buffer.from('18c4dc0c0c07398f', 'hex')),
      '017f22e2-79b0-7cc3-98c4-dc0c0c07398f',
    ));

  it('of a name is that of RFC 9562', () =>
    assert.equal(
      uuidOfName('www.example.com', '6ba7b810-9dad-11d1-80b4-00c04fd430c8'),
      '2ed6657d-e927-568b-95e1-2665a8aea6a2',
    ));

  it('sorts behind those that were made before it, in the same millisecond too, unless the clock was set back', () => {
    let now = Date.UTC(2026, 0, 1);
    const make = uuidsOfTime(() => now, randomBytes);
    const made: string[] = [];
    for (let count = 0; count < 5000; count += 1) {
      if (count % 1000 === 999) now += 1;
      made.push(make());
    }
    assert.deepEqual(made.toSorted(), made);
    assert.equal(new Set(made).size, made.length);
    now -= 3_600_000;
    assert.ok(make() < (made[0] ?? ''));
  });
});
