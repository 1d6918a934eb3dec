/** Programs whose disk fails to sync: a library that is loaded before the system's own. Linux with a C compiler only. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Context } from 'mocha';
import { skipFor } from './skip';

/** The environment in which every sync fails while the file `flag` exists. Without a C compiler, skips the test. */
export function failingSync(test: Context, folder: string, flag: string): NodeJS.ProcessEnv {
  const library = join(folder, 'failing-sync.so');
  try {
    execFileSync('cc', ['-shared', '-fPIC', '-o', library, join(__dirname, 'failing-sync.c'), '-ldl'], {
      stdio: 'ignore',
    });
  } catch {
    skipFor(test, 'install a C compiler (apt-get install gcc libc6-dev).');
  }
  return { ...process.env, LD_PRELOAD: library, MESH_TEST_FAIL_SYNC: flag };
}
