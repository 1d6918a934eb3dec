import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../harness/node-red';
import { notLoaded } from '../harness/installs';
import { missing, pack, strays, type Tarball } from '../harness/tarball';
import { relativeLinks, textOf } from '../docs/markdown';
import { MAJORS, startNodeRed } from './support';

const run = promisify(execFile);
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

  it('holds what users need and package.json promises, and nothing else', () => {
    assert.deepEqual(strays(packed.files), []);
    assert.deepEqual(missing(packed.files), []);
    const wrong = ['test/a.test.ts', 'dist/lib/no-such-file.js', 'dist/lib/store/mesh.db', 'examples/key.pem'];
    assert.equal(strays(wrong).length, wrong.length);
    assert.ok(missing(packed.files.filter((file) => file !== 'dist/nodes/mesh-send.html')).length === 1);
  });

  it('holds the documents, and README and documents link to nothing but pictures that is not in it', () => {
    const texts = packed.files.filter((file) => file.endsWith('.md'));
    assert.ok(texts.includes('README.md') && texts.includes('docs/recipes/alerts.md'));
    const dead = texts.flatMap((file) =>
      relativeLinks(textOf(file))
        .map((target) => posix.join(posix.dirname(file), target.split('#')[0] || posix.basename(file)))
        .filter((target) => !packed.files.some((one) => one === target || one.startsWith(`${target}/`)))
        // What is not even here yet is for test/docs.
        .filter((target) => existsSync(join(ROOT, target)))
        .filter((target) => !/\/pictures\/[\w-]+\.png$/.test(target))
        .map((target) => `${file}: ${target}`),
    );
    assert.deepEqual(dead, []);
  });

  after(() => rm(folder, { recursive: true, force: true }));

  for (const major of MAJORS) {
    it(`installs into an empty user folder of Node-RED ${major}, in a path with a space, and every node loads`, async () => {
      const userDir = join(folder, `user folder ${major}`);
      await mkdir(userDir);
      await writeFile(join(userDir, 'package.json'), '{"name":"node-red-project","version":"0.0.1","private":true}');
      // As a user's machine does it: no script of any package may be needed.
      await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', tarball], { cwd: userDir });
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
