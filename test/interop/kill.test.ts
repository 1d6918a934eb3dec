/**
 * A real Node-RED is killed (SIGKILL) during an exchange with the official sandbox, and restarted: the transfer resumes
 * where it stopped, and nothing is transferred twice. A proxy in front of the sandbox picks the last request before the
 * kill.
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

/** A Node-RED that sends and receives through the proxy. */
interface Exchange {
  nodeRed: () => RealNodeRed;
  /** Waits for this request, interferes with it, waits for `and`, kills Node-RED, and clears the recorded requests. */
  killAt: (request: string, how: Interference, and?: () => Promise<boolean>) => Promise<void>;
  restart: () => Promise<void>;
  /** Returns the number of chunks that the spool's note of an interrupted download counts. */
  notedChunks: () => Promise<number>;
  /** Returns the requests in order, without handshakes and listings: method and path below the mailbox, ids as `ID`. */
  requests: () => string[];
}

describe('A Node-RED killed during an exchange with the official sandbox', function () {
  this.timeout(90_000);
  let server: Server;
  before(async () => {
    server = await officialSandbox();
  });
  beforeEach(() => server.reset());

  async function startExchange(): Promise<Exchange> {
    let last = { request: 'none', how: 'pass' as Interference, came: false };
    let requests: string[] = [];
    const { ca, cert, key } = server.tls;
    const nameOf = ({ method, url = '' }: IncomingMessage): string =>
      `${method} ${url.replace(/^\/messageexchange\/\w+/, '').replace(/[0-9A-F]{32}/, 'ID')}`;
    const proxy = await interceptingProxy(
      { url: server.url, ca, cert, key },
      (request) => {
        const name = nameOf(request);
        if (!/^POST $|^GET \/inbox(\?|$)/.test(name)) requests.push(name);
        if (name !== last.request) return 'pass';
        last.came = last.how === 'hold';
        return last.how;
      },
      (request) => (last.came ||= nameOf(request) === last.request),
    );
    const userDir = await mkdtemp(join(tmpdir(), 'mesh-interop-'));
    // Follow-ups to a lost response take seconds.
    const start = (options: object): Promise<RealNodeRed> => RealNodeRed.start({ userDir, clock, ...options });
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
      requests: () => requests,
      async notedChunks() {
        const spool = join(userDir, 'mesh', 'spool');
        const note = (await readdir(spool)).find((name) => /^part-.*\.json$/.test(name));
        if (note === undefined) return 0;
        return (JSON.parse(await readFile(join(spool, note), 'utf8')) as { chunks: number }).chunks;
      },
      async killAt(request, how, and = async () => true) {
        last = { request, how, came: false };
        await untilInNodeRed(request, () => last.came && and());
        await nodeRed.stop('SIGKILL');
        last = { request: 'none', how: 'pass', came: false };
        requests = [];
      },
      async restart() {
        nodeRed = await start({});
      },
    };
  }

  /** Returns the messages of one of the outbox's lists, from mesh-track. */
  async function outboxList(nodeRed: RealNodeRed, list: string): Promise<Array<{ messageId?: string }>> {
    await nodeRed.inject('track-now', [{ p: 'meshTrack', v: JSON.stringify({ list }), vt: 'json' }]);
    return (await nodeRed.debug('tracked')) as Array<{ messageId?: string }>;
  }

  /** Waits until the outbox is done, and checks that Alice has its only message, whole and once. */
  async function arrivedOnce(nodeRed: RealNodeRed, sha256: string): Promise<void> {
    const settled = await untilInNodeRed('a settled outbox', async () => {
      const open = [...(await outboxList(nodeRed, 'waiting')), ...(await outboxList(nodeRed, 'unknown'))];
      return open.length === 0 ? outboxList(nodeRed, 'accepted') : undefined;
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

  it('in the middle of a chunked upload: continues with the chunk that MESH lacks, and arrives once', async () => {
    const { nodeRed, killAt, restart, requests } = await startExchange();
    const { path, sha256 } = await payloadFile(5 * MB, 'random');
    await nodeRed().inject('go', text(path));
    await killAt(chunk(3), 'hold');
    await restart();
    await arrivedOnce(nodeRed(), sha256);
    assert.deepEqual(requests(), [chunk(3), chunk(4), chunk(5)]);
  });

  it('when MESH has taken a chunk and the response was lost: sends the chunk again, and arrives once', async () => {
    const { nodeRed, killAt, restart, requests } = await startExchange();
    const { path, sha256 } = await payloadFile(5 * MB, 'random');
    await nodeRed().inject('go', text(path));
    await killAt(chunk(3), 'swallow');
    await restart();
    await arrivedOnce(nodeRed(), sha256);
    assert.deepEqual(requests(), [chunk(3), chunk(4), chunk(5)]);
  });

  it('when MESH has taken the last chunk and the response was lost: 423 says that it is complete', async () => {
    const { nodeRed, killAt, restart, requests } = await startExchange();
    const { path, sha256 } = await payloadFile(5 * MB, 'random');
    await nodeRed().inject('go', text(path));
    await killAt(chunk(5), 'swallow');
    await restart();
    await arrivedOnce(nodeRed(), sha256);
    assert.equal(requests()[0], chunk(5));
    assert.ok(!requests().includes('POST /outbox'), 'it is not sent again');
  });

  it('when MESH has taken a whole message and the response was lost: finds it by its local id', async () => {
    const { nodeRed, killAt, restart, requests } = await startExchange();
    const { path, sha256 } = await payloadFile(1000, 'random');
    await nodeRed().inject('go', text(path));
    await killAt('POST /outbox', 'swallow');
    await restart();
    await arrivedOnce(nodeRed(), sha256);
    assert.ok(requests().some((request) => request.startsWith('GET /outbox/tracking')));
    assert.ok(!requests().includes('POST /outbox'), 'it is not sent again');
  });

  it('in the middle of a chunked download: continues at the first missing chunk, and delivers once', async () => {
    const { nodeRed, killAt, restart, notedChunks, requests } = await startExchange();
    const { path: file, sha256 } = await payloadFile(5 * MB, 'random');
    const bob = server.official(BOB);
    const fields = { workflow_id: 'TEST_WORKFLOW' };
    const messageId = await bob.send({ to: ALICE, file, compress: true, maxChunkBytes: MB, fields });
    const get = (number: number): string => `GET /inbox/ID/${number}`;
    await nodeRed().inject('look');
    // Notes are written after chunks: a chunk that is not noted yet is downloaded again.
    await killAt(get(4), 'hold', async () => (await notedChunks()) === 3);
    assert.deepEqual(await server.official(ALICE).list(), [messageId]);
    await restart();
    await nodeRed().inject('look');
    const isThis = (value: unknown): boolean => (value as { messageId: string }).messageId === messageId;
    const mesh = (await nodeRed().debug('received', 30_000, isThis)) as { file: string; deliveryCount: number };
    assert.equal(mesh.deliveryCount, 1);
    assert.equal(await sha256OfFile(mesh.file), sha256);
    assert.deepEqual(requests(), [get(4), get(5), 'PUT /inbox/ID/status/acknowledged']);
    assert.equal((await bob.track(messageId))['status'], 'acknowledged');

    // The next message is delivered, and the first is not delivered again.
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
