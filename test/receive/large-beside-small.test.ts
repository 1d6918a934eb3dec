/** A large download beside small messages: one request at a time for each mailbox, and a chunk is one request. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { emptyFolder } from '../harness/cleanup';
import { hostileMesh, type HostileMesh } from '../harness/hostile-mesh';
import { mailboxAt } from '../harness/mailboxes';
import { until } from '../harness/until';

const CHUNKS = 4;
const CHUNK = Array.from({ length: 4 }, () => randomBytes(20_000));
const SMALL = Buffer.from('small');

/** Starts a MESH with a message of several chunks, each of which takes 200 ms, and a small one. */
function slowMesh(): Promise<HostileMesh> {
  return hostileMesh(({ method, path }) => {
    if (method === 'POST') return { status: 202, body: Buffer.from('{"message_id":"SENT"}') };
    const headers = { 'mex-messagetype': 'DATA', 'mex-from': 'X26ABC3', 'mex-to': 'X26ABC1', 'mex-workflowid': 'WF' };
    if (path.includes('/SMALL')) return { headers: { ...headers, 'content-length': SMALL.length }, body: SMALL };
    const chunk = Number(/LARGE\/(\d)/.exec(path)?.[1] ?? 1);
    return {
      status: chunk < CHUNKS ? 206 : 200,
      headers: { ...headers, 'mex-chunk-range': `${chunk}:${CHUNKS}`, 'content-length': 80_000 },
      body: CHUNK,
      every: 50,
    };
  });
}

/** Returns the requests in order, by the ends of their paths. */
const order = ({ seen }: HostileMesh): string[] =>
  seen.map(({ method, path }) => `${method} ${path.replace(/^.*\/(?:inbox|outbox)/, '')}`);

describe('a large download', () => {
  it('holds up another message of its mailbox for one chunk at most', async () => {
    const server = await slowMesh();
    const mailbox = mailboxAt(server);
    const large = mailbox.receive('LARGE', { file: join(await emptyFolder(), 'large') });
    await until('the large download has begun', () => server.seen.length === 1);
    await mailbox.send({ to: 'X26ABC2', workflowId: 'WF', payload: SMALL });
    assert.deepEqual(order(server), ['GET /LARGE', 'POST ']);
    await mailbox.receive('SMALL');
    assert.ok(server.seen.length <= 4, order(server).join(', '));
    assert.equal((await large).bytes, CHUNKS * 80_000);
    assert.equal(server.connections(), 1);
  });

  it('holds up no other mailbox', async () => {
    const server = await slowMesh();
    const large = mailboxAt(server).receive('LARGE', { file: join(await emptyFolder(), 'large') });
    await until('the large download has begun', () => server.seen.length === 1);
    const other = mailboxAt(server, { mailboxId: 'X26ABC2' });
    await other.receive('SMALL');
    await other.send({ to: 'X26ABC3', workflowId: 'WF', payload: SMALL });
    assert.deepEqual(order(server), ['GET /LARGE', 'GET /SMALL', 'POST ']);
    await large;
  });
});
