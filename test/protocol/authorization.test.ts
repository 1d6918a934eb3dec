import assert from 'node:assert/strict';
import { authorizationHash, authorizationToken, parseAuthorizationToken } from '../../lib/protocol/authorization';

// Both hashes were computed with Python's hmac over `mailbox:nonce:count:password:timestamp`.
const FIRST = '0d96ba75e47a18fbe7212c223b3970395ce6d19a056cf4753b704697b595b0fa';
const SECOND = 'a846dcce68762a1bc0c3ac3d1fb795acaf00d295b264e062e4c63e11d76db773';

describe('the authorization token', () => {
  const credentials = { mailboxId: 'X26ABC1', password: 'password', sharedKey: 'TestKey' };
  const fixed = { nonce: '00000000-0000-4000-8000-000000000001', now: new Date('2026-01-31T14:59:59.999Z') };

  it('is scheme, mailbox, nonce, count, UTC minutes and hash', () => {
    assert.equal(
      authorizationToken(credentials, fixed),
      `NHSMESH X26ABC1:00000000-0000-4000-8000-000000000001:0:202601311459:${FIRST}`,
    );
  });

  it('is signed as UTF-8, a colon in the password included', () => {
    const odd = { mailboxId: 'x26abc2', password: 'päss:word', sharedKey: 'kéy £' };
    const parts = { nonce: 'nonce', nonceCount: '42', timestamp: '202412312359' };
    assert.equal(authorizationHash(odd, parts), SECOND);
    assert.equal(
      authorizationToken(odd, { nonce: 'nonce', nonceCount: 42, now: new Date('2024-12-31T23:59:00Z') }),
      `NHSMESH X26ABC2:nonce:42:202412312359:${SECOND}`,
    );
  });

  it('has the mailbox in capitals, in its text and in its hash', () => {
    assert.equal(
      authorizationToken({ ...credentials, mailboxId: 'x26abc1' }, fixed),
      authorizationToken(credentials, fixed),
    );
  });

  it('is different each time', () => {
    const tokens = new Set(Array.from({ length: 100 }, () => authorizationToken(credentials)));
    assert.equal(tokens.size, 100);
  });

  it('has the current time', () => {
    const before = Date.now();
    const timestamp = parseAuthorizationToken(authorizationToken(credentials))?.timestamp ?? '';
    const iso = timestamp.replace(/^(....)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5Z');
    assert.ok(Math.abs(Date.parse(iso) - before) <= 61_000, timestamp);
  });

  it('is parsed into its parts', () => {
    assert.deepEqual(parseAuthorizationToken(`NHSMESH X26ABC1:n-1:7:202601311459:${FIRST.toUpperCase()}`), {
      mailboxId: 'X26ABC1',
      nonce: 'n-1',
      nonceCount: '7',
      timestamp: '202601311459',
      hash: FIRST,
    });
  });

  for (const [what, header] of [
    ['empty', ''],
    ['of another scheme', `Bearer X26ABC1:n:0:202601311459:${FIRST}`],
    ['with a colon after the scheme', `NHSMESH:X26ABC1:n:0:202601311459:${FIRST}`],
    ['without a mailbox', `NHSMESH :n:0:202601311459:${FIRST}`],
    ['without a nonce', `NHSMESH X26ABC1::0:202601311459:${FIRST}`],
    ['with a count that is no number', `NHSMESH X26ABC1:n:x:202601311459:${FIRST}`],
    ['with seconds in the time', `NHSMESH X26ABC1:n:0:20260131145900:${FIRST}`],
    ['with a short hash', `NHSMESH X26ABC1:n:0:202601311459:${FIRST.slice(1)}`],
    ['with a hash that is not hexadecimal', `NHSMESH X26ABC1:n:0:202601311459:${'z'.repeat(64)}`],
    ['with something more', `NHSMESH X26ABC1:n:0:202601311459:${FIRST}:more`],
  ] as const) {
    it(`a header ${what} is not a token`, () => assert.equal(parseAuthorizationToken(header), undefined));
  }
});
