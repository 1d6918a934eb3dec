/** The lists of mutations: a check that was rewritten must not leave them unnoticed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '../harness/node-red';
import { trackedFiles } from '../harness/tracked-files';
import { LOAD_TYPESCRIPT } from '../harness/typescript';

describe('every mutation', () => {
  const lists = trackedFiles(/^test\/\w+\/mutations\.ts$/);

  it('has its check in its file, as the list has it', () => {
    assert.ok(lists.length >= 12);
    for (const list of lists) {
      execFileSync(process.execPath, [...LOAD_TYPESCRIPT, join(ROOT, list), '--check'], { cwd: ROOT, stdio: 'pipe' });
    }
  }).timeout(60_000);
});
