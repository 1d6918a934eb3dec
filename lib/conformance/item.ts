/** An item of the assurance catalogue. */
import type { Note } from './note';
import type { Stage } from './stage';

export interface Item {
  /** Of the catalogue, e.g. `201`. */
  readonly id: string;
  readonly title: string;
  run(stage: Stage, note: Note): Promise<void>;
}

export { NeedsPerson, Note, NotPossibleHere } from './note';
