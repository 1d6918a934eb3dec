/**
 * Loaded by mocha with --require: stops the servers and clients that the tests started, and writes each test's result
 * into the file that test/interop/run.ts names, for the table in docs/interoperation.md.
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
