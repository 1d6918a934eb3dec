/** What the main thread and the worker post to each other, besides requests and answers (shared-commits.ts). */
import type { TestOptions } from './database';
import type { PostedError } from './failures';
import type { Answer } from './shared-commits';

/** What the worker is started with. */
export interface WorkerData {
  folder: string;
  test: TestOptions;
}

/** What the worker posts. */
export type WorkerMessage = { opened: true } | { failed: PostedError } | { answers: Answer[] } | { closed: true };

/** The last request of all. */
export const CLOSE = 'close';
