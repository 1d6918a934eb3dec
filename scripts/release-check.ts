/**
 * `npm run release:check`: checks that the package is fit to publish. Writes the tarball, sbom.cdx.json and licences.md
 * into release/, and prints a line for each part. Needs an npm registry and no other network.
 */
import { chmod, copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { ROOT } from '../test/harness/node-red';
import { audit } from './release/audit';
import { writeBill } from './release/bill-of-materials';
import { tryInstalls, tryUpload } from '../test/harness/installs';
import { command, succeeded } from '../test/harness/command';
import { scorecard } from './release/scorecard';
import { missing, pack, strays, type Tarball } from '../test/harness/tarball';

const lines: string[] = [];
let failed = 0;

/** Runs one part and prints its summary, or why it failed. */
async function part(name: string, check: () => Promise<string>): Promise<void> {
  const began = Date.now();
  const result = await check().then(
    (summary) => ({ word: 'ok    ', summary }),
    (error: unknown) => ({ word: 'FAILED', summary: error instanceof Error ? error.message : String(error) }),
  );
  if (result.word === 'FAILED') failed += 1;
  const line = `${result.word}  ${name} (${Math.round((Date.now() - began) / 1000)} s): ${result.summary}`;
  lines.push(line);
  process.stdout.write(`${line}\n`);
}

async function checkTarball(tarball: Tarball): Promise<string> {
  const wrong = [...strays(tarball.files), ...missing(tarball.files).map((file) => `${file}: missing`)];
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  return `${tarball.files.length} files, ${(tarball.bytes / 1e6).toFixed(1)} MB`;
}

async function checkTypes(tarball: Tarball): Promise<string> {
  // Not node10, the resolution that predates package exports: TypeScript itself has dropped it.
  succeeded(await command('attw', [tarball.path, '--profile', 'node16', '--no-emoji']), 'arethetypeswrong');
  succeeded(await command('publint', ['run', tarball.path, '--strict']), 'publint');
  return 'arethetypeswrong and publint find nothing';
}

async function checkScorecard(): Promise<string> {
  const { met, open } = scorecard();
  return `${met.length} met; open: ${open.join('; ') || 'none'}`;
}

async function main(): Promise<void> {
  const release = join(ROOT, 'release');
  await rm(release, { recursive: true, force: true });
  await mkdir(release);
  const folder = await mkdtemp(join(tmpdir(), 'mesh release '));
  try {
    // tryInstalls runs an installation as another user, who must be able to read the folder.
    await chmod(folder, 0o755);
    const tarball = await pack(folder);
    await copyFile(tarball.path, join(release, basename(tarball.path)));
    await part('tarball', () => checkTarball(tarball));
    await part('types', () => checkTypes(tarball));
    await part('scorecard', checkScorecard);
    await part('licences and SBOM', async () => `${await writeBill(release)} packages, each licence allowed`);
    await part('audit', audit);
    await part('upload in the editor', () => tryUpload(tarball.path, folder));
    await part('installs', async () => (await tryInstalls(tarball.path, folder)).join('\n  '));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  process.stdout.write(`\nRelease check: ${lines.length - failed} ok, ${failed} failed\n`);
  if (failed > 0) process.exitCode = 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
