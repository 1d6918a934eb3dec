/** What the worker threads can do: heavy work that would hold up the event loop, by its name. */
import {
  validatePayload,
  type ValidationRequest,
  type ValidationOutcome,
} from '../formats/fhir/profiles/validate-payload';

/** Argument and result of each task; both are copied between the threads (structured clone). */
export interface Tasks {
  validate: { argument: ValidationRequest; result: ValidationOutcome };
}

export type TaskName = keyof Tasks;

export const TASKS: { [Name in TaskName]: (argument: Tasks[Name]['argument']) => Promise<Tasks[Name]['result']> } = {
  validate: validatePayload,
};
