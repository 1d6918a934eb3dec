import assert from 'node:assert/strict';
import { adviceFor, ERROR_CODES, findErrorCode } from '../../lib/protocol/error-codes';

// DOMAIN.md section 2.
const API = ['02', '06', '07', '08', '09', '11', '12', '14', '15', '16', '17', '18', '19', '20'];
const EPL = ['EPL-150', 'EPL-151', 'EPL-152', 'EPL-153', 'EPL-154'];
const CLIENT: Record<string, string[]> = {
  COLLECT: ['00', '01', '02'],
  TRANSFER: ['00', '03', '04', '05', '06'],
  SEND: ['07', '08', '12', '13', '14'],
  RECEIVE: ['00', '15', '16', '17'],
};

describe('the table of error codes', () => {
  for (const code of [...API, ...EPL]) {
    it(`has ${code} of the API with advice, at every step`, () => {
      const row = findErrorCode('api', undefined, code);
      assert.ok(row && row.meaning.length > 5 && row.advice.length > 5);
      assert.equal(findErrorCode('api', 'SEND', code), row);
      assert.equal(adviceFor('api', 'send', code.toLowerCase()), row.advice);
    });
  }

  for (const [event, codes] of Object.entries(CLIENT)) {
    for (const code of codes) {
      it(`has ${event} ${code} of the MESH Client with advice`, () => {
        const row = findErrorCode('client', event.toLowerCase(), code);
        assert.ok(row && row.meaning !== '' && row.advice !== '');
        assert.equal(row.event, event);
      });
    }
  }

  for (const code of ['06', '15', '16', '17']) {
    it(`${code} of the MESH Client means something else than ${code} of the API`, () => {
      const rows = ERROR_CODES.filter((row) => row.code === code);
      assert.equal(rows.length, 2);
      assert.notEqual(rows[0]?.meaning, rows[1]?.meaning);
      assert.notEqual(rows[0]?.advice, rows[1]?.advice);
    });
  }

  it('a code of the MESH Client is not found at another step', () => {
    assert.equal(findErrorCode('client', 'SEND', '17'), undefined);
    assert.equal(findErrorCode('client', undefined, '17'), undefined);
  });

  it('has no row twice', () => {
    const keys = ERROR_CODES.map((row) => `${row.source} ${row.event} ${row.code}`);
    assert.equal(new Set(keys).size, keys.length);
  });

  it('a meaning has no full stop at its end, an advice has one', () => {
    for (const row of ERROR_CODES) {
      assert.doesNotMatch(row.meaning, /\.$/, row.code);
      assert.match(row.advice, /\.$/, row.code);
    }
  });

  it('an unknown code gets the service desk, and is named', () => {
    assert.equal(findErrorCode('api', 'SEND', '99'), undefined);
    assert.match(adviceFor('api', 'SEND', '99'), /99.*service desk/);
  });
});
