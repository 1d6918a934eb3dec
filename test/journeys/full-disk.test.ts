/** The disk of the user folder fills up: a file system of its own, if the machine allows mounting one. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import type { RealNodeRed } from '../harness/node-red';
import { mailboxOn, sendAndPollFlow, startNodeRed, text, type Caught } from '../harness/flows';
import { until } from '../harness/until';

const MB = 1024 ** 2;
/** The free space that the outbox and the inbox require (bytes). */
const REQUIRED = 512 * MB;
const QUEUED = 40;

describe('a full disk under a real Node-RED 5', function () {
  this.timeout(180_000);
  let userDir: string;
  let folder: string;
  let sandbox: Sandbox;
  let nodeRed: RealNodeRed;
  let done = async (): Promise<void> => undefined;

  before(async function () {
    userDir = await mkdtemp(join(tmpdir(), 'mesh-full-'));
    folder = join(userDir, 'mesh');
    await mkdir(folder);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=640m', 'tmpfs', folder], { stdio: 'ignore' });
    } catch {
      await rm(userDir, { recursive: true });
      this.skip();
    }
    sandbox = await startSandbox({ clientCertificate: 'required' });
    await start();
  });

  after(async () => {
    await nodeRed?.stop();
    await sandbox?.close();
    if (folder) execFileSync('umount', ['-l', folder]);
    await done();
  });

  async function start(): Promise<void> {
    ({ nodeRed, done } = await startNodeRed({ major: '5', userDir }));
    await nodeRed.deploy([
      ...(await mailboxOn(sandbox, 'X26ABC1')),
      ...(await mailboxOn(sandbox, 'X26ABC2')),
      ...sendAndPollFlow('X26ABC1', 'X26ABC2', { send: { confirm: 'queued' } }),
    ]);
  }

  const ballast = (): string => join(folder, 'ballast');
  const free = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  };

  /** Fills the disk until `left` bytes are free. */
  async function fill(left: number): Promise<void> {
    const handle = await open(ballast(), 'a');
    const piece = Buffer.alloc(MB, 'ballast');
    try {
      for (let space = await free(); space > left; space = await free()) {
        await handle.appendFile(piece.subarray(0, Math.min(piece.length, space - left)));
      }
    } finally {
      await handle.close();
    }
  }

  const caught = async (from: string, code: string): Promise<Caught> => {
    const fits = ({ source, code: its }: Caught): boolean => source.id === from && its === code;
    return (await nodeRed.debug('error', 60_000, (value) => fits(value as Caught))) as Caught;
  };

  /** Sends and receives a message. */
  async function recovers(): Promise<void> {
    const before = sandbox.messages().length;
    await nodeRed.inject('go', text('there is space'));
    await inAMinute('the message', () => sandbox.messages().length === before + 1);
    await nodeRed.inject('look');
    await inAMinute('its acknowledgement', () => sandbox.messages().every(({ status }) => status === 'acknowledged'));
  }

  const inAMinute = (what: string, fact: () => boolean): Promise<unknown> => until(what, fact, 60_000);

  it('nearly full: refuses to send, leaves received messages in MESH, says so, and recovers', async () => {
    await recovers();
    await nodeRed.inject('go', text('received when there is space'));
    await inAMinute('the message', () => sandbox.messages().some(({ status }) => status === 'accepted'));
    await fill(REQUIRED - 10 * MB);

    await nodeRed.inject('go', text('too much'));
    assert.match((await caught('send', 'MESH_OUTBOX_FULL')).message, /disk is nearly full.*Free space/s);
    await nodeRed.status('send', ({ fill: colour, text: shown }) => colour === 'red' && shown === 'outbox full');
    await nodeRed.inject('look');
    assert.match((await caught('poll', 'MESH_STORAGE')).message, /stay in the MESH inbox.*Free space/s);
    assert.deepEqual(
      sandbox.messages().map(({ status }) => status),
      ['acknowledged', 'accepted'],
    );
    await rm(ballast());
    await recovers();
  });

  it('full to the last byte: loses no queued message and sends none twice, also across a kill', async () => {
    const before = sandbox.messages().length;
    sandbox.fault({ operation: 'send_message', times: Infinity, effect: { kind: 'status', status: 503 } });
    for (let count = 1; count <= QUEUED; count += 1) {
      await nodeRed.inject('go', text(`letter ${count}`));
      await nodeRed.debug('sent');
    }
    await fill(0);
    sandbox.clearFaults();
    // A message with a committed intent may be sent; for another intent the store has no space.
    assert.match((await caught('send', 'MESH_STORAGE')).message, /no room|disk/);
    const whileFull = sandbox.messages().length - before;
    assert.ok(whileFull < QUEUED, `${whileFull} were sent`);

    await nodeRed.stop('SIGKILL');
    await rm(ballast());
    await start();
    await inAMinute('all of them', () => sandbox.messages().length >= before + QUEUED);
    await recovers();
    assert.equal(sandbox.messages().length, before + QUEUED + 1);
    const ids = sandbox.messages().map(({ localId }) => localId);
    assert.equal(new Set(ids).size, ids.length);
    process.stdout.write(`    full disk: ${whileFull} of ${QUEUED} were sent while it was full\n`);
  });
});
