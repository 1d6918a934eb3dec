/**
 * `npm run test:conformance`: runs the whole assurance catalogue on the built-in sandbox, as a user does. With `--docs`
 * (`npm run conformance:docs`) the page is copied to docs/conformance-evidence.html.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Findings } from '../lib/conformance/types';
import { ROOT } from '../test/harness/node-red';

const folder = mkdtempSync(join(tmpdir(), 'mesh-conformance-'));
try {
  const program = join(ROOT, 'dist', 'lib', 'cli', 'main.js');
  const { status } = spawnSync(process.execPath, [program, 'conformance', '--out', folder], { stdio: 'inherit' });
  const text = readFileSync(join(folder, 'conformance-evidence.json'), 'utf8');
  const { items } = JSON.parse(text) as Findings;
  const count = (...verdicts: string[]): number => items.filter(({ verdict }) => verdicts.includes(verdict)).length;
  // On the sandbox every item can run without a person: any verdict other than passed is a fault.
  const failed = items.length - count('passed');
  process.stdout.write(`\nTests: ${count('passed')} passed, ${failed} failed, 0 skipped\n`);
  if (failed > 0 || status !== 0) process.exitCode = 1;
  else if (process.argv.includes('--docs')) {
    copyFileSync(join(folder, 'conformance-evidence.html'), join(ROOT, 'docs', 'conformance-evidence.html'));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
