/** Tests that need what not every machine has. */
import type { Context } from 'mocha';

/**
 * Skips the running test because this machine lacks something that CI installs (`.ci/run`).
 * @param missing what is missing, and how to get it
 * @throws Error in CI, where the test must not be skipped unnoticed
 */
export function skipFor(test: Context, missing: string): never {
  if (process.env['CI'] === 'true') throw new Error(`This test must not be skipped in CI: ${missing}`);
  return test.skip();
}
