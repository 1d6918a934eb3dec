import assert from 'node:assert/strict';
import { adviceFor, ERROR_CODES, findErrorCode } from '../../lib/protocol/error-codes';

// docs/mesh.md, Error codes.
const API = ['02', '06', '07', '08', '09', '11', '12', '14', '15', '16', '17', '18', '19', '20'];
const EPL = ['EPL-150', 'EPL-151', 'EPL-152', 'EPL-153', 'EPL-154'];

describe('the table of error codes', () => {
  for (const code of [...API, ...EPL]) {
    it(`has a meaning and advice for ${code}, in either case`, () => {
      const row = findErrorCode(code);
      assert.ok(row && row.meaning.length > 5 && row.advice.length > 5);
      assert.equal(findErrorCode(code.toLowerCase()), row);
      assert.equal(adviceFor(code.toLowerCase()), row.advice);
    });
  }

  it('has exactly these codes, each once', () => {
    assert.deepEqual(
      ERROR_CODES.map((row) => row.code),
      [...API, ...EPL],
    );
  });

  it('ends an advice with a full stop, a meaning without one', () => {
    for (const row of ERROR_CODES) {
      assert.doesNotMatch(row.meaning, /\.$/, row.code);
      assert.match(row.advice, /\.$/, row.code);
    }
  });

  it('has the service desk as the advice for an unknown code, which it names', () => {
    assert.equal(findErrorCode('99'), undefined);
    assert.match(adviceFor('99'), /99.*service desk/);
  });
});
