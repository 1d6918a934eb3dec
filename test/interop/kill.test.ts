/**
 * A real Node-RED is killed (SIGKILL) in the middle of an exchange with the official sandbox, and started again: what was under
 * way goes on where it was, and nothing is there twice. A proxy in front of the sandbox says which request is the last.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RealNodeRed } from '../harness/node-red';
import { fastClock } from '../harness/clocks';
import { untilInNodeRed } from '../harness/until';
import { mailboxOn, sendAndPollFlow, text } from '../harness/flows';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { interceptingProxy, type Interference } from '../harness/mesh-gate';
import { forNodes } from './support/for-nodes';
import { freshFile, payloadFile, sha256OfFile } from './support/payloads';
import { officialSandbox, type Server } from './support/servers';

const [BOB, ALICE] = ['X26ABC1', 'X26ABC2'];
const MB = 1_000_000;

/** One Node-RED that sends and receives by way of the proxy. */
interface World {
  nodeRed: () => RealNodeRed;
  /** Waits for this request, holds or swallows it, waits for `and`, and kills. What was asked before is forgotten. */
  killAt: (what: string, how: Interference, and?: () => Promise<boolean>) => Promise<void>;
  restart: () => Promise<void>;
  /** Chunks of a broken-off download that are on the disk and noted there. */
  noted: () => Promise<number>;
  /** Method and path below the mailbox, but for handshakes and listings, in order; ids are `ID`. */
  asked: () => string[];
}

describe('A Node-RED that is killed, on the official sandbox', function () {
  this.timeout(90_000);
  let server: Server;
  before(async () => {
    server = await officialSandbox();
  });
  beforeEach(() => server.reset());

  async function world(): Promise<World> {
    let last = { what: 'nothing', how: 'pass' as Interference, came: false };
    let asked: string[] = [];
    const { ca, cert, key } = server.tls;
    const named = ({ method, url = '' }: IncomingMessage): string =>
      `${method} ${url.replace(/^\/messageexchange\/\w+/, '').replace(/[0-9A-F]{32}/, 'ID')}`;
    const proxy = await interceptingProxy(
      { url: server.url, ca, cert, key },
      (request) => {
        const name = named(request);
        if (!/^POST $|^GET \/inbox(\?|$)/.test(name)) asked.push(name);
        if (name !== last.what) return 'pass';
        last.came = last.how === 'hold';
        return last.how;
      },
      (request) => (last.came ||= named(request) === last.what),
    );
    const userDir = await mkdtemp(join(tmpdir(), 'mesh-interop-'));
    // What follows a lost answer comes in seconds.
    const start = (options: object): Promise<RealNodeRed> =>
      RealNodeRed.start({ userDir, clock, ...options });
    const clock = fastClock();
    let nodeRed = await start({ flows: [] });
    afterThisTest(async () => {
      await nodeRed.stop();
      await rm(userDir, { recursive: true, force: true });
    });
    const config = { maxRequestMb: 1, chunkMb: 1, compression: 'never' };
    const through = forNodes(server, proxy);
    await nodeRed.deploy([
      ...(await mailboxOn(through, BOB, { config })),
      ...(await mailboxOn(through, ALICE, { config })),
      ...sendAndPollFlow(BOB, ALICE, {
        send: { payloadIs: 'file', confirm: 'queued' },
        poll: { payloadAs: 'file', folder: await emptyFolder() },
      }),
    ]);
    return {
      nodeRed: () => nodeRed,
      asked: () => asked,
      async noted() {
        const spool = join(userDir, 'mesh', 'spool');
        const note = (await readdir(spool)).find((name) => /^part-.*\.json$/.test(name));
        if (note === undefined) return 0;
        return (JSON.parse(await readFile(join(spool, note), 'utf8')) as { chunks: number }).chunks;
      },
      async killAt(what, how, and = async () => true) {
        last = { what, how, came: false };
        await untilInNodeRed(what, () => last.came && and());
        await nodeRed.stop('SIGKILL');
        last = { what: 'nothing', how: 'pass', came: false };
        asked = [];
      },
      async restart() {
        nodeRed = await start({});
      },
    };
  }

  /** Of the outbox, by the inject button before mesh-track. */
  async function outbox(nodeRed: RealNodeRed, list: string): Promise<Array<{ messageId?: string }>> {
    await nodeRed.inject('ask', [{ p: 'meshTrack', v: JSON.stringify({ list }), vt: 'json' }]);
    return (await nodeRed.debug('tracked')) as Array<{ messageId?: string }>;
  }

  /** The outbox is done with one message, and Alice has that one, whole, and no other. */
  async function arrivedOnce(nodeRed: RealNodeRed, sha256: string): Promise<void> {
    const settled = await untilInNodeRed('a settled outbox', async () => {
      const open = [...(await outbox(nodeRed, 'waiting')), ...(await outbox(nodeRed, 'unknown'))];
      return open.length === 0 ? outbox(nodeRed, 'accepted') : undefined;
    });
    const listed = await server.official(ALICE).list();
    assert.deepEqual(
      listed,
      settled.map(({ messageId }) => messageId),
    );
    assert.equal(listed.length, 1);
    assert.equal((await server.official(ALICE).receive(listed[0] ?? '', await freshFile())).sha256, sha256);
  }

  const chunk = (number: number): string => `POST /outbox/ID/${number}`;

  it('in the middle of a chunked upload: it goes on with the chunk that MESH has not taken, and arrives once', async () => {
    const { nodeRed, killAt, restart, asked } = await world();
    const { path, sha256 } = await payloadFile(5 * MB, 'random');
    await nodeRed().inject('go', text(path));
    await killAt(chunk(3), 'hold');
    await restart();
    await arrivedOnce(nodeRed(), sha256);
    assert.deepEqual(asked(), [chunk(3), chunk(4), chunk(5)]);
  });

  it('when MESH has taken a chunk, and its answer was lost: the chunk is sent again, and it arrives once', async () => {
    const { nodeRed, killAt, restart, asked } = await world();
    const { path, sha256 } = await payloadFile(5 * MB, 'random');
    await nodeRed().inject('go', text(path));
    await killAt(chunk(3), 'swallow');
    await restart();
    await arrivedOnce(nodeRed(), sha256);
    assert.deepEqual(asked(), [chunk(3), chunk(4), chunk(5)]);
  });

  it('when MESH has taken the last chunk, and its answer was lost: 423 says that it is complete', async () => {
    const { nodeRed, killAt, restart, asked } = await world();
    const { path, sha256 } = await payloadFile(5 * MB, 'random');
    await nodeRed().inject('go', text(path));
    await killAt(chunk(5), 'swallow');
    await restart();
    await arrivedOnce(nodeRed(), sha256);
    assert.equal(asked()[0], chunk(5));
    assert.ok(!asked().includes('POST /outbox'), 'it is not sent anew');
  });

  it('when MESH has taken a message of one piece, and its answer was lost: it is found by its local id', async () => {
    const { nodeRed, killAt, restart, asked } = await world();
    const { path, sha256 } = await payloadFile(1000, 'random');
    await nodeRed().inject('go', text(path));
    await killAt('POST /outbox', 'swallow');
    await restart();
    await arrivedOnce(nodeRed(), sha256);
    assert.ok(asked().some((request) => request.startsWith('GET /outbox/tracking')));
    assert.ok(!asked().includes('POST /outbox'), 'it is not sent again');
  });

  it('in the middle of a chunked download: it goes on at the first chunk that is missing, and is delivered once', async () => {
    const { nodeRed, killAt, restart, noted, asked } = await world();
    const { path: file, sha256 } = await payloadFile(5 * MB, 'random');
    const bob = server.official(BOB);
    const fields = { workflow_id: 'TEST_WORKFLOW' };
    const messageId = await bob.send({ to: ALICE, file, compress: true, maxChunkBytes: MB, fields });
    const get = (number: number): string => `GET /inbox/ID/${number}`;
    await nodeRed().inject('look');
    // Notes are written behind: what is not noted yet is fetched again.
    await killAt(get(4), 'hold', async () => (await noted()) === 3);
    assert.deepEqual(await server.official(ALICE).list(), [messageId]);
    await restart();
    await nodeRed().inject('look');
    const isThis = (value: unknown): boolean => (value as { messageId: string }).messageId === messageId;
    const mesh = (await nodeRed().debug('received', 30_000, isThis)) as { file: string; deliveryCount: number };
    assert.equal(mesh.deliveryCount, 1);
    assert.equal(await sha256OfFile(mesh.file), sha256);
    assert.deepEqual(asked(), [get(4), get(5), 'PUT /inbox/ID/status/acknowledged']);
    assert.equal((await bob.track(messageId))['status'], 'acknowledged');

    // The next one comes, and the first has not come again.
    const letter = await payloadFile(1000, 'random');
    const second = await bob.send({ to: ALICE, file: letter.path, fields });
    await nodeRed().inject('look');
    await nodeRed().debug(
      'received',
      30_000,
      (value) => !isThis(value) && (value as { messageId: string }).messageId === second,
    );
    await assert.rejects(nodeRed().debug('received', 0));
  });
});
