import assert from 'node:assert/strict';
import { parseAuthorizationToken } from '../../lib/protocol/authorization';
import { AuthenticationError } from '../../lib/index';
import { failure } from '../harness/failure';
import { hostileMesh } from '../harness/hostile-mesh';
import { mailboxAt, operations, sandbox } from '../harness/mailboxes';

describe('each attempt has its own token', () => {
  it('within one call that is tried again', async () => {
    const server = await hostileMesh((_request, number) =>
      number < 4 ? { status: 503 } : { body: Buffer.from('{"messages":[]}') },
    );
    await mailboxAt(server, { retry: { attempts: 5, baseMs: 1 } }).listInbox();
    const tokens = server.seen.map((one) => parseAuthorizationToken(one.headers.authorization ?? ''));
    assert.equal(tokens.length, 4);
    assert.ok(tokens.every((token) => token?.mailboxId === 'X26ABC1'));
    assert.equal(new Set(tokens.map((token) => token?.nonce)).size, 4);
    assert.equal(new Set(tokens.map((token) => token?.hash)).size, 4);
  });

  it('so that the second attempt succeeds at a server that refuses used tokens', async () => {
    const server = await sandbox();
    server.fault({ operation: 'list_messages', effect: { kind: 'status', status: 502 } });
    await mailboxAt(server).listInbox();
    assert.deepEqual(
      server.requests().map((request) => request.status),
      [502, 200],
    );
  });

  it('and the sandbox refuses a used token', async () => {
    const server = await sandbox();
    const stolen = await hostileMesh(() => ({ body: Buffer.from('{"messages":[]}') }));
    await mailboxAt(stolen).listInbox();
    const authorization = stolen.seen[0]?.headers.authorization ?? '';
    const again = (): Promise<Response> =>
      fetch(`${server.url}/messageexchange/X26ABC1/inbox`, { headers: { authorization } });
    assert.equal((await again()).status, 200);
    assert.equal((await again()).status, 403);
  });

  it('and a 403 is not tried again with another token', async () => {
    const server = await sandbox();
    server.fault({ operation: 'handshake', effect: { kind: 'status', status: 403 } });
    await failure(AuthenticationError, mailboxAt(server).handshake());
    assert.equal(operations(server).length, 1);
  });
});
