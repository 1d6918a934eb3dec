/** An item of the assurance catalogue. */
import type { Evidence } from './evidence';
import type { RunContext } from './run-context';

export interface Item {
  /** Its number in the catalogue, e.g. `201`. */
  readonly id: string;
  readonly title: string;
  run(context: RunContext, evidence: Evidence): Promise<void>;
}

export { NeedsPerson, Evidence, NotPossibleHere } from './evidence';
