import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { TokensAhead } from '../../lib/client/tokens-ahead';
import { authorizationHash, parseAuthorizationToken } from '../../lib/protocol/authorization';

describe('tokens made ahead', () => {
  const credentials = { mailboxId: 'X26ABC1', password: 'password', sharedKey: 'TestKey' };
  const FIRST = new Date('2026-01-31T14:59:30.000Z');
  const NEXT = new Date('2026-01-31T15:00:00.000Z');

  /** Takes so many, with time in between to make more, and some at once. */
  async function taken(tokens: TokensAhead, count: number): Promise<string[]> {
    const all: string[] = [];
    while (all.length < count) {
      all.push(tokens.take());
      if (all.length % 7 === 0) await sleep(1);
    }
    return all;
  }

  it('are each given once, whoever asks and however many at once', async () => {
    const tokens = new TokensAhead(credentials);
    const all = [...(await taken(tokens, 500)), ...Array.from({ length: 100 }, () => tokens.take())];
    assert.equal(new Set(all.map((token) => parseAuthorizationToken(token)?.nonce)).size, 600);
  });

  it('are signed as others are', async () => {
    for (const token of await taken(new TokensAhead(credentials), 50)) {
      const parts = parseAuthorizationToken(token);
      assert.ok(parts);
      assert.equal(parts.hash, authorizationHash(credentials, parts));
    }
  });

  it('are not used in a later minute than theirs', async () => {
    let now = FIRST;
    const tokens = new TokensAhead(credentials, () => now);
    await taken(tokens, 30);
    await sleep(5);
    now = NEXT;
    const times = (await taken(tokens, 30)).map((token) => parseAuthorizationToken(token)?.timestamp);
    assert.deepEqual(new Set(times), new Set(['202601311500']));
  });

  it('are not used in a later minute when that begins while they are made', async () => {
    let now = FIRST;
    const tokens = new TokensAhead(credentials, () => now);
    tokens.take();
    now = NEXT;
    await sleep(5);
    assert.equal(parseAuthorizationToken(tokens.take())?.timestamp, '202601311500');
  });
});
