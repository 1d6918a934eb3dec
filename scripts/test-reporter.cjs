/** Mocha's dots, and beside them what scripts/test.ts wants to know: the files with failures, and the slowest tests. */
'use strict';
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

/** From the last test to the end of the process. */
const ENDS_WITHIN_MS = 60_000;

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
      // A server or a timer that nobody has ended holds the process, and CI would wait for it until its own time is over.
      setTimeout(() => {
        console.error(
          `The tests have ended, but not their process: held by ${process.getActiveResourcesInfo().join(', ')}`,
        );
        // Mocha sets its own code when the process exits; this listener comes after.
        process.once('exit', () => (process.exitCode = 1));
        process.exit();
      }, ENDS_WITHIN_MS).unref();
    });
  }
};
