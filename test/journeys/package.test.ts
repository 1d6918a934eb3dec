import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import manifest from '../../package.json';
import { ROOT } from '../../scripts/node-red';
import { MAJORS, startNodeRed } from './support';

const run = promisify(execFile);
const NAME = '@mesh-flows/node-red-nhs-mesh';
const NODES = Object.keys(manifest['node-red'].nodes).sort();

describe('the packed tarball', function () {
  this.timeout(300_000);
  let folder: string;
  let tarball: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mesh package '));
    const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
      cwd: ROOT,
    });
    const [packed] = Object.values(JSON.parse(stdout) as Array<{ filename: string }>);
    tarball = join(folder, packed?.filename ?? '');
  });

  after(() => rm(folder, { recursive: true, force: true }));

  for (const major of MAJORS) {
    it(`installs into an empty user folder of Node-RED ${major}, in a path with a space, and every node loads`, async () => {
      const userDir = join(folder, `user folder ${major}`);
      await mkdir(userDir);
      await writeFile(join(userDir, 'package.json'), '{"name":"node-red-project","version":"0.0.1","private":true}');
      // As a user's machine does it: no script of any package may be needed.
      await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', tarball], { cwd: userDir });
      const installed = await readdir(join(userDir, 'node_modules', NAME));
      assert.deepEqual(
        installed.filter((name) => ['lib', 'nodes', 'scripts', 'test', 'node_modules'].includes(name)),
        [],
        'only what users need',
      );
      const { nodeRed, done } = await startNodeRed({ major, userDir, installed: true });
      try {
        const response = await fetch(`${nodeRed.url}/nodes`, { headers: { accept: 'application/json' } });
        const sets = (await response.json()) as Array<{
          module: string;
          types: string[];
          enabled: boolean;
          err?: string;
        }>;
        const ours = sets.filter((set) => set.module === NAME);
        assert.deepEqual(ours.flatMap((set) => set.types).sort(), NODES);
        assert.deepEqual(
          ours.filter((set) => !set.enabled || set.err),
          [],
        );
        const examples = (await (await fetch(`${nodeRed.url}/library/examples/flows/${NAME}`)).json()) as unknown;
        assert.match(JSON.stringify(examples), /first-message/);
      } finally {
        await done();
      }
    });
  }

  it('is a library too: openMailbox and startSandbox from the package’s root and ./sandbox', async () => {
    const userDir = join(folder, `user folder ${MAJORS[0]} library`);
    await mkdir(userDir);
    await writeFile(join(userDir, 'package.json'), '{"name":"user","version":"1.0.0","private":true}');
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', tarball], { cwd: userDir });
    await writeFile(
      join(userDir, 'use.cjs'),
      `const { openMailbox } = require('${NAME}');
const { startSandbox } = require('${NAME}/sandbox');
(async () => {
  const sandbox = await startSandbox();
  const open = (mailboxId) => openMailbox({
    environment: sandbox.url, mailboxId, password: 'password', sharedKey: sandbox.sharedKey, tls: { ca: sandbox.ca },
  });
  const [alice, bob] = [open('X26ABC1'), open('X26ABC2')];
  const { messageId } = await alice.send({ to: 'X26ABC2', workflowId: 'TEST_WORKFLOW', payload: 'Hello' });
  const { payload } = await bob.receive(messageId);
  await bob.acknowledge(messageId);
  console.log(payload.toString(), (await alice.track(messageId)).status);
  await Promise.all([alice.close(), bob.close(), sandbox.close()]);
})();`,
    );
    const { stdout } = await run(process.execPath, [join(userDir, 'use.cjs')]);
    assert.equal(stdout, 'Hello acknowledged\n');
  });
});
