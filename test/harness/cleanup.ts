/** What a test has opened is closed after it, in reverse order, also when it fails. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const open: Array<() => unknown> = [];

/** Runs `close` after the test under way. */
export function afterThisTest(close: () => unknown): void {
  open.push(close);
}

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

/** An empty folder, removed after the test. */
export async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-test-'));
  afterThisTest(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
