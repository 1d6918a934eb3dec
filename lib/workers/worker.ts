/** The thread: does one task after the other. Its pool sends the next one when this one has an answer. */
import { parentPort } from 'node:worker_threads';
import { MeshError } from '../errors';
import type { TaskAnswer, TaskCall } from './pool';
import { TASKS } from './tasks';

async function answer({ name, argument }: TaskCall): Promise<TaskAnswer> {
  try {
    return { result: await TASKS[name](argument) };
  } catch (error) {
    if (!(error instanceof MeshError))
      return { error: { message: error instanceof Error ? error.message : String(error) } };
    const { code, message, advice } = error;
    return { error: { code, message, advice } };
  }
}

async function work(call: TaskCall): Promise<void> {
  const answered = await answer(call);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  parentPort?.postMessage(answered);
}

// What cannot be posted ends the thread, and its pool says so.
parentPort?.on('message', (call: TaskCall) => void work(call));
