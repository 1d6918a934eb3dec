/**
 * At most two worker threads for heavy work: validation, mapping, files. They start when there is work, end when there
 * has been none for a while, and do not keep the process running.
 */
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { ConfigurationError, UnreadableError } from '../errors';
import { startWorker } from './start-worker';
import type { TaskName, Tasks } from './tasks';

export interface PoolOptions {
  /** A worker that has been idle this long (milliseconds) ends, and the definitions that it has read go with it. */
  idleMs: number;
  /** A task that takes longer (milliseconds) is given up, and its worker ended: no payload may hold one for good. */
  maxTaskMs: number;
}

/** A machine of two cores keeps one for the event loop most of the time; more would only hold more memory. */
const MAX_WORKERS = 2;
/** Heap of one worker (MiB): the definitions of several packages, and the largest payload that is accepted. */
const MAX_HEAP_MB = 1024;

export interface TaskCall {
  name: TaskName;
  argument: never;
}

/** What a task returned or threw; errors lose their class on the way. */
export type TaskAnswer = { result: unknown } | { error: PostedError };

interface PostedError {
  code?: string;
  message: string;
  advice?: string | undefined;
}

interface WaitingTask {
  call: { name: TaskName; argument: unknown };
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
}

interface Thread {
  worker: Worker;
  task: WaitingTask | undefined;
  /** Ends the thread: when idle, or when its task takes too long. */
  timer: NodeJS.Timeout | undefined;
}

/** Worker threads that share one queue of tasks. The process has one ({@link runInWorker}); tests have their own. */
export class WorkerPool {
  readonly #options: PoolOptions;
  readonly #threads = new Set<Thread>();
  readonly #waiting: WaitingTask[] = [];

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** How many threads there are. */
  get size(): number {
    return this.#threads.size;
  }

  /**
   * Does a task in a worker thread, oldest first.
   * @throws UnreadableError when the task refuses its argument, or takes too long or too much memory;
   *   ConfigurationError when a setting in the argument is wrong
   */
  async run<Name extends TaskName>(name: Name, argument: Tasks[Name]['argument']): Promise<Tasks[Name]['result']> {
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.push({ call: { name, argument }, resolve, reject });
      this.#startWaiting();
    }) as Promise<Tasks[Name]['result']>;
  }

  /** Ends all threads. What they were doing is rejected. */
  async end(): Promise<void> {
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #startWaiting(): void {
    while (this.#waiting.length > 0) {
      const idle = [...this.#threads].find(({ task }) => task === undefined);
      if (!idle && this.#threads.size >= MAX_WORKERS) return;
      const next = this.#waiting.shift();
      if (next) this.#start(idle ?? this.#newThread(), next);
    }
  }

  #start(thread: Thread, task: WaitingTask): void {
    clearTimeout(thread.timer);
    thread.task = task;
    thread.timer = setTimeout(() => void thread.worker.terminate(), this.#options.maxTaskMs);
    thread.worker.ref();
    try {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
      thread.worker.postMessage(task.call);
    } catch (error) {
      // A value that cannot be copied, such as a function in an object.
      this.#settle(thread, () => task.reject(unreadable('It has values that are not JSON.', undefined, error)));
    }
  }

  #settle(thread: Thread, answer: () => void): void {
    clearTimeout(thread.timer);
    thread.task = undefined;
    thread.worker.unref();
    thread.timer = setTimeout(() => void thread.worker.terminate(), this.#options.idleMs).unref();
    answer();
    this.#startWaiting();
  }

  #newThread(): Thread {
    const worker = startWorker(join(__dirname, 'worker'), {
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    const thread: Thread = { worker, task: undefined, timer: undefined };
    this.#threads.add(thread);
    worker.on('message', (answer: TaskAnswer) => {
      const { task } = thread;
      this.#settle(thread, () =>
        'result' in answer ? task?.resolve(answer.result) : task?.reject(asError(answer.error)),
      );
    });
    let cause: unknown;
    worker.on('error', (error) => (cause = error));
    worker.on('exit', () => {
      clearTimeout(thread.timer);
      this.#threads.delete(thread);
      thread.task?.reject(unreadable('The work took too long or too much memory, and was given up.', undefined, cause));
      thread.task = undefined;
      this.#startWaiting();
    });
    return thread;
  }
}

function asError({ code, message, advice }: PostedError): Error {
  if (code !== 'MESH_CONFIGURATION') return unreadable(message, advice);
  return new ConfigurationError(message, advice === undefined ? {} : { advice });
}

const unreadable = (message: string, advice?: string, cause?: unknown): UnreadableError =>
  new UnreadableError(message, { ...(advice === undefined ? {} : { advice }), cause });

const pool = new WorkerPool({ idleMs: 60_000, maxTaskMs: 120_000 });

/** Does a task in one of the process's worker threads; see {@link WorkerPool.run}. */
export const runInWorker: WorkerPool['run'] = (name, argument) => pool.run(name, argument);

/** Ends the process's worker threads, for tests. */
export const endWorkers = (): Promise<void> => pool.end();
