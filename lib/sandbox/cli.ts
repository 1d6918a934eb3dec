#!/usr/bin/env node
/** The sandbox as a program: `npm run sandbox -- --help`. */
import { ConfigurationError } from '../errors';
import { runSandbox } from './run-cli';

runSandbox(process.argv.slice(2)).catch((error: unknown) => {
  if (error instanceof ConfigurationError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
    return;
  }
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
