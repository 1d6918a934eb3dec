/**
 * Given to mocha with --require: ends the servers and clients that the tests started, and leaves what became of each test in the
 * file that test/interop/run.ts names, for the table in docs/interoperation.md.
 */
import { writeFileSync } from 'node:fs';
import type { TestResult } from './matrix';
import { stopServers } from './servers';

const results: TestResult[] = [];

export const mochaHooks = {
  afterEach(this: Mocha.Context): void {
    const { currentTest: test } = this;
    if (test) results.push({ title: test.fullTitle(), passed: test.state === 'passed', ms: test.duration ?? 0 });
  },
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(30_000);
    const file = process.env['MESH_INTEROP_RESULTS'];
    if (file !== undefined) writeFileSync(file, JSON.stringify(results));
    await stopServers();
  },
};
