/** A connection that breaks at COMMIT: whether it was committed is looked up, never guessed. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { MeshError } from '../../../lib/errors';
import { openPostgresStore } from '../../../lib/store/postgres/open-postgres-store';
import { afterThisTest } from '../../harness/cleanup';
import { dropSchema, newSchema, postgresUrl } from '../../harness/postgres';
import { ids, MAILBOX, note, outgoing } from '../contract/support';

/** The name of the prepared statement COMMIT. */
const COMMIT = `mesh_${createHash('sha256').update('COMMIT').digest('hex').slice(0, 16)}`;

/**
 * Makes a proxy to the server that breaks at every third COMMIT: before it, or with its response. `forGood`: it breaks
 * at the next COMMIT after `arm`, and refuses every connection from then on.
 */
async function breakingProxy(
  at: 'before' | 'after',
  forGood = false,
): Promise<{ url: string; broken: () => number; arm: () => void }> {
  const target = new URL(await postgresUrl());
  const { hostname, port } = target;
  const sockets = new Set<Socket>();
  let commits = 0;
  let broken = 0;
  let isArmed = false;
  const server = createServer((near) => {
    if (forGood && broken > 0) {
      near.destroy();
      return;
    }
    const far = connect(Number(port), hostname);
    let isCommitting = false;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    const cut = (): void => {
      broken += 1;
      near.destroy();
      far.destroy();
    };
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    near.on('data', (piece: Buffer) => {
      const breaks = piece.includes(COMMIT) && (forGood ? isArmed : ++commits % 3 === 0);
      if (breaks && at === 'before') {
        cut();
        return;
      }
      isCommitting ||= breaks;
      far.write(piece);
    });
    // The server has committed when it responds; the store never receives that.
    far.on('data', (piece: Buffer) => (isCommitting ? cut() : near.write(piece)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterThisTest(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  target.port = String((server.address() as AddressInfo).port);
  return { url: target.href, broken: () => broken, arm: () => (isArmed = true) };
}

describe('a connection that breaks at COMMIT', () => {
  for (const at of ['before', 'after'] as const) {
    const when = at === 'before' ? 'before the server has it' : 'with its response';
    it(`${when}: each message is stored once`, async () => {
      const schema = newSchema();
      afterThisTest(() => dropSchema(schema));
      const { url, broken } = await breakingProxy(at);
      const store = await openPostgresStore({ url, schema });
      afterThisTest(() => store.close());
      const messages = Array.from({ length: 12 }, () => outgoing());
      for (const message of messages) {
        assert.equal((await store.enqueue(message, note('queued'))).isNew, true);
        const claimed = await store.changeOutgoing(message.id, ['queued'], { state: 'sending' }, note('attempt'));
        assert.equal(claimed?.state, 'sending');
      }
      assert.ok(broken() >= 6, `${broken()} breaks`);
      assert.deepEqual(ids(await store.listOutgoing({ mailbox: MAILBOX }, { limit: 99 })), ids(messages));
      for (const { id } of messages) assert.equal((await store.history(MAILBOX, id)).length, 2);
    }).timeout(60_000);
  }

  for (const at of ['before', 'after'] as const) {
    const is = at === 'after' ? 'is there' : 'is not there';
    it(`and a database that stays away: not known, never refused; the message ${is}`, async () => {
      const schema = newSchema();
      afterThisTest(() => dropSchema(schema));
      const { url, arm } = await breakingProxy(at, true);
      const store = await openPostgresStore({ url, schema, patienceMs: 1000 });
      afterThisTest(() => store.close());
      await store.enqueue(outgoing(), note('queued'));
      arm();
      const message = outgoing();
      const [added, counted] = await Promise.allSettled([
        store.enqueue(message, note('queued')),
        store.countOutgoing(MAILBOX),
      ]);
      assert.equal(added.status === 'rejected' && (added.reason as MeshError).code, 'MESH_UNKNOWN_COMMIT');
      assert.equal(counted.status === 'rejected' && (counted.reason as MeshError).code, 'MESH_STORAGE');
      const again = await openPostgresStore({ url: await postgresUrl(), schema });
      afterThisTest(() => again.close());
      assert.equal((await again.getOutgoing(message.id)) !== undefined, at === 'after');
    }).timeout(60_000);
  }
});
