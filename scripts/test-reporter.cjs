/** Mocha's dot reporter, which also writes what scripts/test.ts reads: the failed tests and the slowest tests. */
'use strict';
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

/** Maximum time from the last test to the end of the process. */
const EXIT_TIMEOUT_MS = 60_000;

module.exports = class extends reporters.Dot {
  constructor(runner, options) {
    super(runner, options);
    const failed = [];
    const slow = [];
    runner.on('fail', (test) => failed.push({ file: test.file ?? test.parent?.file ?? '', title: test.fullTitle() }));
    runner.on('test end', (test) => slow.push({ ms: test.duration ?? 0, title: test.fullTitle() }));
    runner.on('end', () => {
      slow.sort((a, b) => b.ms - a.ms);
      writeFileSync(process.env.MESH_TEST_REPORT, JSON.stringify({ failed, slow: slow.slice(0, 15) }));
      // A server or timer that no test has closed keeps the process alive, and CI would wait until its own time limit.
      setTimeout(() => {
        console.error(
          `The tests have ended, but their process has not. Still open: ${process.getActiveResourcesInfo().join(', ')}`,
        );
        // Mocha sets its own code when the process exits; this listener runs after it.
        process.once('exit', () => (process.exitCode = 1));
        process.exit();
      }, EXIT_TIMEOUT_MS).unref();
    });
  }
};
