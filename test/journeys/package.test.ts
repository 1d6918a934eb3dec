import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { ROOT } from '../harness/node-red';
import { npm, run, succeeded } from '../harness/command';
import { notLoaded, writeProject } from '../harness/installs';
import { missing, pack, strays, type Tarball } from '../harness/tarball';
import { relativeLinks, textOf } from '../docs/markdown';
import { MAJORS, startNodeRed } from '../harness/flows';

const NAME = '@mesh-flows/node-red-nhs-mesh';

describe('the packed tarball', function () {
  this.timeout(300_000);
  let folder: string;
  let tarball: string;
  let packed: Tarball;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mesh package '));
    packed = await pack(folder);
    tarball = packed.path;
  });

  it('has what users need and package.json promises, and nothing else', () => {
    assert.deepEqual(strays(packed.files), []);
    assert.deepEqual(missing(packed.files), []);
    const wrong = ['test/a.test.ts', 'dist/lib/no-such-file.js', 'dist/lib/store/mesh.db', 'examples/key.pem'];
    assert.equal(strays(wrong).length, wrong.length);
    assert.ok(missing(packed.files.filter((file) => file !== 'dist/nodes/mesh-send.html')).length === 1);
  });

  it('has the documents, and only links to pictures lead out of it', () => {
    const texts = packed.files.filter((file) => file.endsWith('.md'));
    assert.ok(texts.includes('README.md') && texts.includes('docs/recipes/alerts.md'));
    const dead = texts.flatMap((file) =>
      relativeLinks(textOf(file))
        .map((target) => posix.join(posix.dirname(file), target.split('#')[0] || posix.basename(file)))
        .filter((target) => !packed.files.some((one) => one === target || one.startsWith(`${target}/`)))
        // test/docs finds targets that do not exist at all.
        .filter((target) => existsSync(join(ROOT, target)))
        .filter((target) => !/\/pictures\/[\w-]+\.png$/.test(target))
        .map((target) => `${file}: ${target}`),
    );
    assert.deepEqual(dead, []);
  });

  after(() => rm(folder, { recursive: true, force: true }));

  /** Installs the tarball without running any package's scripts: none may be needed. */
  async function install(userDir: string): Promise<void> {
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', tarball];
    succeeded(await npm(args, { cwd: userDir }), 'npm install of the tarball');
  }

  for (const major of MAJORS) {
    it(`installs into a user folder of Node-RED ${major} with a space in its path, and every node loads`, async () => {
      const userDir = join(folder, `user folder ${major}`);
      await mkdir(userDir);
      await writeProject(userDir);
      await install(userDir);
      const { nodeRed, done } = await startNodeRed({ major, userDir, installed: true });
      try {
        assert.deepEqual(await notLoaded(nodeRed), []);
        const examples = (await (await fetch(`${nodeRed.url}/library/examples/flows/${NAME}`)).json()) as unknown;
        assert.match(JSON.stringify(examples), /first-message/);
      } finally {
        await done();
      }
    });
  }

  it('is also a library: openMailbox and startSandbox are exported by the package’s root and ./sandbox', async () => {
    const userDir = join(folder, `user folder ${MAJORS[0]} library`);
    await mkdir(userDir);
    await writeProject(userDir);
    await install(userDir);
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
    const stdout = succeeded(await run(process.execPath, [join(userDir, 'use.cjs')]), 'use.cjs');
    assert.equal(stdout, 'Hello acknowledged\n');
  });
});
