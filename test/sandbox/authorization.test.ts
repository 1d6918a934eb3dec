import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { UsedTokens } from '../../lib/sandbox/used-tokens';
import { call, errorOf, sandboxFor, token, V1, type Call } from './support';

const HOUR = 60 * 60 * 1000;
const INBOX = '/messageexchange/X26ABC1/inbox';

async function refusal(
  call_: Promise<{ status: number; body: Buffer; json(): Record<string, unknown> }>,
): Promise<string> {
  const response = await call_;
  assert.equal(response.status, 403);
  return errorOf(response as Parameters<typeof errorOf>[0])[2];
}

describe('sandbox: authorization', () => {
  it('accepts a valid token', async () => {
    const sandbox = await sandboxFor();
    assert.equal((await call(sandbox, INBOX, { as: 'X26ABC1' })).status, 200);
  });

  it('refuses a missing token', async () => {
    const sandbox = await sandboxFor();
    assert.match(await refusal(call(sandbox, INBOX)), /Authorization header/);
  });

  it('refuses a malformed token', async () => {
    const sandbox = await sandboxFor();
    const good = token('X26ABC1');
    const malformed = [
      good.replace('NHSMESH ', ''),
      good.replace('NHSMESH ', 'NHSMESH:'),
      good.replace('NHSMESH', 'Basic'),
      `${good}:more`,
      good.slice(0, -1),
      good.replace(/:\d{12}:/, ':20261301:'),
      token('X26ABC1', { count: 'one' }),
    ];
    for (const Authorization of malformed) {
      assert.match(
        await refusal(call(sandbox, INBOX, { headers: { Authorization } })),
        /Authorization header/,
        Authorization,
      );
    }
  });

  it('refuses another mailbox’s token', async () => {
    const sandbox = await sandboxFor();
    assert.match(await refusal(call(sandbox, INBOX, { as: 'X26ABC2' })), /does not match/);
  });

  it('refuses a wrong password, a wrong shared key and a wrong hash', async () => {
    const sandbox = await sandboxFor();
    const wrong: Call[] = [
      { as: 'X26ABC1', token: { password: 'Password' } },
      { as: 'X26ABC1', token: { sharedKey: 'testkey' } },
      { headers: { Authorization: token('X26ABC1').replace(/.{4}$/, '0000') } },
    ];
    for (const options of wrong)
      assert.equal(await refusal(call(sandbox, INBOX, options)), 'Invalid Authentication Token');
  });

  it('uses the configured shared key', async () => {
    const sandbox = await sandboxFor({ sharedKey: 'another' });
    assert.equal(sandbox.sharedKey, 'another');
    assert.equal((await call(sandbox, INBOX, { as: 'X26ABC1' })).status, 403);
    assert.equal((await call(sandbox, INBOX, { as: 'X26ABC1', token: { sharedKey: 'another' } })).status, 200);
  });

  it('refuses a used token, also on another endpoint', async () => {
    const sandbox = await sandboxFor();
    const headers = { Authorization: token('X26ABC1') };
    assert.equal((await call(sandbox, INBOX, { headers })).status, 200);
    assert.match(await refusal(call(sandbox, INBOX, { headers })), /Duplicated/);
    assert.match(await refusal(call(sandbox, '/messageexchange/X26ABC1/count', { headers })), /Duplicated/);
  });

  it('accepts the same nonce with another count, and from another mailbox', async () => {
    const sandbox = await sandboxFor();
    const nonce = randomUUID();
    for (const count of [0, 1, 2]) {
      assert.equal((await call(sandbox, INBOX, { as: 'X26ABC1', token: { nonce, count } })).status, 200);
    }
    const other = '/messageexchange/X26ABC2/inbox';
    assert.equal((await call(sandbox, other, { as: 'X26ABC2', token: { nonce, count: 1 } })).status, 200);
    assert.match(await refusal(call(sandbox, INBOX, { as: 'X26ABC1', token: { nonce, count: 1 } })), /Duplicated/);
  });

  it('counts a token as used even if the request itself fails', async () => {
    const sandbox = await sandboxFor();
    const headers = { Authorization: token('X26ABC1') };
    assert.equal((await call(sandbox, `${INBOX}/NONE`, { headers })).status, 404);
    assert.match(await refusal(call(sandbox, INBOX, { headers })), /Duplicated/);
  });

  it('does not count a refused token as used', async () => {
    const sandbox = await sandboxFor();
    const headers = { Authorization: token('X26ABC1') };
    assert.equal((await call(sandbox, '/messageexchange/X26ABC2/inbox', { headers })).status, 403);
    assert.equal((await call(sandbox, INBOX, { headers })).status, 200);
  });

  it('remembers used tokens for four hours, and a bounded number of them', () => {
    const used = new UsedTokens(3);
    assert.equal(used.use('A', 'n', '1', 0), true);
    assert.equal(used.use('A', 'n', '1', 4 * HOUR), false);
    assert.equal(used.use('A', 'n', '1', 4 * HOUR + 1), true);
    for (const nonce of ['b', 'c', 'd']) assert.equal(used.use('A', nonce, '1', 4 * HOUR + 2), true);
    assert.equal(used.use('A', 'd', '1', 4 * HOUR + 3), false);
    assert.equal(used.use('A', 'n', '1', 4 * HOUR + 3), true, 'the oldest made room');
  });

  it('refuses a token more than two hours off the sandbox’s own clock', async () => {
    const sandbox = await sandboxFor();
    const from = async (ms: number): Promise<number> => {
      const time = new Date(sandbox.clock.now().getTime() + ms);
      return (await call(sandbox, INBOX, { as: 'X26ABC1', token: { time } })).status;
    };
    assert.equal(await from(-2 * HOUR + 5000), 200);
    assert.equal(await from(2 * HOUR - 5000), 200);
    assert.equal(await from(-2 * HOUR - 61_000), 403);
    assert.equal(await from(2 * HOUR + 61_000), 403);
    sandbox.clock.advance(3 * HOUR);
    assert.equal(await from(0), 200);
    const time = new Date();
    assert.match(await refusal(call(sandbox, INBOX, { as: 'X26ABC1', token: { time } })), /2 hours/);
  });

  it('refuses an unknown mailbox', async () => {
    const sandbox = await sandboxFor();
    assert.match(await refusal(call(sandbox, '/messageexchange/NOBODY/inbox', { as: 'NOBODY' })), /No mailbox/);
  });

  it('refuses a disabled mailbox until it is enabled again', async () => {
    const sandbox = await sandboxFor();
    sandbox.setMailboxActive('X26ABC1', false);
    assert.match(await refusal(call(sandbox, INBOX, { as: 'X26ABC1' })), /Inactive/);
    sandbox.setMailboxActive('x26abc1', true);
    assert.equal((await call(sandbox, INBOX, { as: 'X26ABC1' })).status, 200);
    assert.throws(() => sandbox.setMailboxActive('NOBODY', true), /no mailbox/);
  });

  it('accepts the mailbox id in any case in the path, and only in capitals in the token', async () => {
    const sandbox = await sandboxFor();
    const path = '/messageexchange/x26abc1/inbox';
    assert.equal((await call(sandbox, path, { as: 'X26ABC1' })).status, 200);
    assert.equal((await call(sandbox, path, { headers: { Authorization: token('x26abc1') } })).status, 403);
  });

  it('reports a refused token in version 1 as well', async () => {
    const sandbox = await sandboxFor();
    const response = await call(sandbox, INBOX, { headers: { Accept: V1 } });
    assert.equal(response.status, 403);
    assert.match(String(response.json()['errorDescription']), /Authorization header/);
  });

  it('adds a mailbox while it is running', async () => {
    const sandbox = await sandboxFor();
    sandbox.addMailbox({ mailboxId: 'new01', password: 'secret' });
    const path = '/messageexchange/NEW01/inbox';
    assert.equal((await call(sandbox, path, { as: 'NEW01', token: { password: 'secret' } })).status, 200);
    sandbox.addMailbox({ mailboxId: 'NEW01', password: 'changed' });
    assert.equal((await call(sandbox, path, { as: 'NEW01', token: { password: 'secret' } })).status, 403);
    assert.equal(sandbox.mailboxes.filter(({ mailboxId }) => mailboxId === 'NEW01').length, 1);
    for (const mailboxId of ['', 'A:B', 'A/B', 'A B', '../X', 'É']) {
      assert.throws(() => sandbox.addMailbox({ mailboxId, password: 'x' }), /mailbox id/, mailboxId);
    }
  });
});
