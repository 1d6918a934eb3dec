/** A fresh clone: `npm ci` has all it needs in package-lock.json, on every platform, and changes no file. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { emptyFolder } from '../harness/cleanup';
import { ROOT } from '../harness/node-red';

interface LockedPackage {
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

const FILES = ['package.json', 'package-lock.json'];
const read = (folder: string): Promise<string> => readFile(join(folder, 'package-lock.json'), 'utf8');

describe('package-lock.json', () => {
  it('has the builds of every platform: each dependency of each package, optional ones too', async () => {
    const { packages } = JSON.parse(await read(ROOT)) as { packages: Record<string, LockedPackage> };
    const isLocked = (from: string, name: string): boolean => {
      const place = `${from === '' ? '' : `${from}/`}node_modules/${name}`;
      if (Object.hasOwn(packages, place)) return true;
      return from !== '' && isLocked(from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/'))), name);
    };
    const missing = Object.entries(packages).flatMap(([from, { dependencies = {}, optionalDependencies = {} }]) =>
      Object.keys({ ...dependencies, ...optionalDependencies })
        .filter((name) => !isLocked(from, name))
        .map((name) => `${name} of ${from}`),
    );
    assert.deepEqual(missing, []);
    assert.ok(Object.hasOwn(packages, 'node_modules/@oxlint/binding-darwin-arm64'));
  });

  it('stays as it is after npm install, and is enough for npm ci, without a registry', async () => {
    const folder = await emptyFolder();
    for (const file of FILES) await copyFile(join(ROOT, file), join(folder, file));
    // Without the user's own settings, which may change what npm writes.
    const options = ['--ignore-scripts', '--offline', '--no-audit', '--no-fund', '--userconfig', join(folder, 'none')];
    const npm = (...args: string[]) =>
      promisify(execFile)('npm', [...args, ...options], { cwd: folder, shell: process.platform === 'win32' });
    await npm('install', '--package-lock-only');
    assert.equal(await read(folder), await read(ROOT));
    await npm('ci', '--dry-run');
  }).timeout(120_000);
});
