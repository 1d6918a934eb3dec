import assert from 'node:assert/strict';
import { readChecksum } from '../../lib/protocol/checksum';

describe('a sender’s checksum', () => {
  const MD5 = 'a'.repeat(32);
  const SHA256 = '0F'.repeat(32);

  for (const text of [`md5 ${MD5}`, `MD5: ${MD5}`, `md5-${MD5}`, `md5 / ${MD5} `, `  ${MD5}`, `md5\t ${MD5}`]) {
    it(`is MD5: ${JSON.stringify(text)}`, () => {
      assert.deepEqual(readChecksum(text), { algorithm: 'md5', hex: MD5 });
    });
  }

  for (const text of [`SHA-256:${SHA256}`, `sha256-${SHA256}`, `SHA256 ${SHA256}`, SHA256]) {
    it(`is SHA-256: ${text.slice(0, 12)}…`, () => {
      assert.deepEqual(readChecksum(text), { algorithm: 'sha256', hex: SHA256.toLowerCase() });
    });
  }

  for (const text of [undefined, '', `sha-1 ${MD5}`, `md5${MD5}`, `md5::${MD5}`, `${MD5}g`, 'none']) {
    it(`is of an unknown kind: ${JSON.stringify(text)}`, () => {
      assert.equal(readChecksum(text), undefined);
    });
  }

  // A pattern that matches a run of spaces in two ways would take time quadratic in their number, and never end.
  for (const [what, text] of [
    ['spaces behind the name', `md5${' '.repeat(2_000_000)}!`],
    ['spaces before', `${' '.repeat(2_000_000)}!`],
    ['spaces behind the digits', `${MD5}${' '.repeat(2_000_000)}!`],
    ['digits', `sha-${'1'.repeat(2_000_000)}!`],
  ] as const) {
    it(`may be two million ${what}, read in one pass`, () => {
      assert.equal(readChecksum(text), undefined);
    });
  }
});
