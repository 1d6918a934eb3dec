/** Programs whose disk fails to sync: a library that is loaded before the system's own. Linux with a C compiler only. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** The environment in which every sync fails while the file `flag` exists; undefined without a C compiler. */
export function failingSync(folder: string, flag: string): NodeJS.ProcessEnv | undefined {
  const library = join(folder, 'failing-sync.so');
  try {
    execFileSync('cc', ['-shared', '-fPIC', '-o', library, join(__dirname, 'failing-sync.c'), '-ldl'], {
      stdio: 'ignore',
    });
  } catch {
    return undefined;
  }
  return { ...process.env, LD_PRELOAD: library, MESH_TEST_FAIL_SYNC: flag };
}
