import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RealNodeRed } from '../harness/node-red';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { fastClock } from '../harness/clocks';
import { dataFor, exampleOn } from '../harness/examples';
import { MAJORS, startNodeRed } from '../harness/flows';
import { untilInNodeRed } from '../harness/until';

const CONTENT = randomBytes(6_000_000);

for (const major of MAJORS) {
  describe(`a large extract in a real Node-RED ${major}`, function () {
    this.timeout(60_000);
    let sandbox: Sandbox;
    let nodeRed: RealNodeRed;
    let userDir = '';
    let folder: string;
    const clock = fastClock();
    const ended: Array<() => Promise<void>> = [];

    const start = async (): Promise<void> => {
      const env = {
        MESH_EXTRACT_FOLDER: folder,
        MESH_RECEIVED_FOLDER: join(folder, 'received'),
      };
      const started = await startNodeRed({ major, ...(userDir && { userDir }), env, clock });
      ({ nodeRed, userDir } = started);
      ended.push(started.done);
      await nodeRed.deploy(
        await exampleOn(sandbox, 'large-extract', {
          // Six chunks. Only buttons start the flow.
          'extract-x26abc18': { maxRequestMb: 1, chunkMb: 1 },
          'le-now': { once: false },
          'le-later': { timeout: '1', timeoutUnits: 'seconds' },
        }),
      );
    };

    before(async () => {
      sandbox = await startSandbox({ clientCertificate: 'required' });
      folder = await mkdtemp(join(tmpdir(), 'mesh-extract-'));
      await start();
    });
    after(async () => {
      for (const done of ended) await done();
      await sandbox?.close();
      await rm(folder, { recursive: true, force: true });
    });

    it('raises an alert while its file is missing, and is then sent in chunks, across a kill', async () => {
      await nodeRed.inject('le-now');
      assert.match(String(await nodeRed.debug('le-tell')), /cannot be read|does not exist|ENOENT/);

      sandbox.fault({ operation: 'send_chunk', after: 2, times: Infinity, effect: { kind: 'status', status: 503 } });
      const name = join(folder, `extract-${new Date().toISOString().slice(0, 10)}.csv`);
      await writeFile(`${name}.part`, CONTENT);
      await rename(`${name}.part`, name);
      const chunks = (): number =>
        sandbox.requests().filter(({ operation, status }) => operation === 'send_chunk' && status === 202).length;
      await untilInNodeRed('two chunks', () => chunks() >= 2);
      await nodeRed.stop('SIGKILL');
      sandbox.clearFaults();
      await start();
      await untilInNodeRed('accepted', () => dataFor(sandbox, 'X26ABC19').find(({ status }) => status === 'accepted'));
      assert.equal(dataFor(sandbox, 'X26ABC19').length, 1);
    });

    it('is received unchanged into the folder, and acknowledged', async () => {
      await nodeRed.inject('le-pollnow');
      const mesh = (await nodeRed.debug('le-received')) as { file: string; sha256: string; bytes: number };
      assert.equal(mesh.bytes, CONTENT.length);
      const hash = createHash('sha256').update(CONTENT).digest('hex');
      assert.equal(mesh.sha256, hash);
      assert.equal(
        createHash('sha256')
          .update(await readFile(mesh.file))
          .digest('hex'),
        hash,
      );
      assert.deepEqual(
        dataFor(sandbox, 'X26ABC19').map(({ status }) => status),
        ['acknowledged'],
      );
    });

    it('is not sent again on the same day, neither by the button nor by a restart', async () => {
      await nodeRed.inject('le-now');
      const sent = (await nodeRed.debug(
        'le-sent',
        30_000,
        (value) => (value as { repeated?: true }).repeated === true,
      )) as object;
      assert.ok(sent);
      assert.equal(dataFor(sandbox, 'X26ABC19').length, 1);
    });
  });
}
