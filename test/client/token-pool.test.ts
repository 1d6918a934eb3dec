import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { TokenPool } from '../../lib/client/token-pool';
import { authorizationHash, parseAuthorizationToken } from '../../lib/protocol/authorization';

describe('the tokens of the pool', () => {
  const credentials = { mailboxId: 'X26ABC1', password: 'password', sharedKey: 'TestKey' };
  const FIRST = new Date('2026-01-31T14:59:30.000Z');
  const NEXT = new Date('2026-01-31T15:00:00.000Z');

  /** Takes `count` tokens, some at once and some with time for a refill in between. */
  async function take(pool: TokenPool, count: number): Promise<string[]> {
    const all: string[] = [];
    while (all.length < count) {
      all.push(pool.take());
      if (all.length % 7 === 0) await sleep(1);
    }
    return all;
  }

  it('are each returned once, however many are taken at once', async () => {
    const tokens = new TokenPool(credentials);
    const all = [...(await take(tokens, 500)), ...Array.from({ length: 100 }, () => tokens.take())];
    assert.equal(new Set(all.map((token) => parseAuthorizationToken(token)?.nonce)).size, 600);
  });

  it('are signed like any other token', async () => {
    for (const token of await take(new TokenPool(credentials), 50)) {
      const parts = parseAuthorizationToken(token);
      assert.ok(parts);
      assert.equal(parts.hash, authorizationHash(credentials, parts));
    }
  });

  it('are not used in a later minute than theirs', async () => {
    let now = FIRST;
    const tokens = new TokenPool(credentials, () => now);
    await take(tokens, 30);
    await sleep(5);
    now = NEXT;
    const times = (await take(tokens, 30)).map((token) => parseAuthorizationToken(token)?.timestamp);
    assert.deepEqual(new Set(times), new Set(['202601311500']));
  });

  it('are not used in a later minute that begins during a refill', async () => {
    let now = FIRST;
    const tokens = new TokenPool(credentials, () => now);
    tokens.take();
    now = NEXT;
    await sleep(5);
    assert.equal(parseAuthorizationToken(tokens.take())?.timestamp, '202601311500');
  });
});
