/** Starts worker threads from files of this package, which are JavaScript once built and TypeScript in the tests. */
import { extname, join } from 'node:path';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * Starts a worker thread.
 *
 * @param path its file's path without the extension. TypeScript gets the hook of the tests, which a thread does not
 *   inherit from a process that required it after its start.
 */
export function startWorker(path: string, options: Omit<WorkerOptions, 'execArgv'> = {}): Worker {
  const extension = extname(__filename);
  const execArgv = extension === '.ts' ? ['--require', join(__dirname, '..', '..', 'scripts', 'typescript.cjs')] : [];
  return new Worker(`${path}${extension}`, { ...options, execArgv });
}
