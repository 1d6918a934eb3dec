/** The log of requests, for tests. */
import type { SandboxRequestRecord } from './types';

const MAX_RECORDS = 10_000;

/** Keeps the last requests, newest last. */
export class RequestLog {
  #records: SandboxRequestRecord[] = [];
  readonly #max: number;

  constructor(max = MAX_RECORDS) {
    this.#max = max;
  }

  add(record: SandboxRequestRecord): void {
    this.#records.push(record);
    // Cut by half and not one by one: shifting ten thousand elements at every request would be slow.
    if (this.#records.length >= this.#max * 2) this.#records = this.#records.slice(-this.#max);
  }

  list(): SandboxRequestRecord[] {
    return this.#records.slice(-this.#max);
  }
}
