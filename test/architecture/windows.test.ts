/** What Windows needs, by rule: it cannot be run here (docs/windows.md). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../harness/node-red';
import { trackedFiles } from '../harness/tracked-files';

const sources = trackedFiles(/^(?:lib|nodes)\/.*\.ts$/).map((file) => ({
  file,
  text: readFileSync(join(ROOT, file), 'utf8').replaceAll(/\/\*[^]*?\*\/|\/\/[^\n]*/g, ''),
}));
/** The files in which a pattern occurs, but for these. */
const filesWith = (pattern: RegExp, except: string[]): string[] =>
  sources.filter(({ file, text }) => pattern.test(text) && !except.includes(file)).map(({ file }) => file);

describe('on Windows', () => {
  it('every rename is one that waits for other programs', () => {
    const imported = /import \{[^}]*\brename\b[^}]*\} from '(?:[./]*files|node:fs(?:\/promises)?)'/;
    assert.deepEqual(filesWith(imported, ['lib/payload/rename-with-retry.ts']), []);
  });

  it('every delete of a file of ours is one that waits for other programs', () => {
    // The sandbox has retries of its own; the others delete what they have just written, and go on without.
    const allowed = [
      'lib/payload/rename-with-retry.ts',
      'lib/sandbox/bodies.ts',
      'lib/cli/csr.ts',
      'nodes/csv/joiner.ts',
    ];
    assert.deepEqual(filesWith(/\brm\([^;]*, \{ force: true \}\)|\bunlink\(/, allowed), []);
  });

  it('every sync of a folder is in one place', () => {
    assert.deepEqual(filesWith(/O_RDONLY\)[^]{0,80}\.sync\(\)/, ['lib/payload/sync-folder.ts']), []);
  });
});
