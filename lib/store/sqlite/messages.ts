/** Messages between the main thread and the worker, besides calls and their results (shared-commits.ts). */
import type { RequiredStore } from '../rules/known-store';
import type { TestOptions } from './database';
import type { PostedError } from './failures';
import type { CallResult } from './shared-commits';

/** The worker's start data. */
export interface WorkerData {
  folder: string;
  required?: RequiredStore;
  test: TestOptions;
}

/** Messages of the worker. */
export type WorkerMessage = { opened: true } | { failed: PostedError } | { results: CallResult[] } | { closed: true };

/** The last message to the worker. */
export const CLOSE = 'close';
