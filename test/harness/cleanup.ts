/** Closes what a test has opened, in reverse order, also when the test fails. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const closers: Array<() => unknown> = [];

/** Calls `close` after the test under way. */
export function afterThisTest(close: () => unknown): void {
  closers.push(close);
}

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** Returns the path of an empty folder, which is removed after the test. */
export async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-test-'));
  afterThisTest(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
