/** Simulated time, and what is to happen in it. Nothing in a simulation waits for the machine. */

/** Something that ends at once with everything it had planned, e.g. a process that is killed. */
export interface Life {
  isOver: boolean;
}

interface Planned {
  at: number;
  /** Decides between plans for the same moment. */
  order: number;
  /** True once it has run, or was cancelled. */
  isDone: boolean;
  life: Life | undefined;
  run: () => void;
}

/** Plans by their time, in a binary heap. */
export class Schedule {
  /** Milliseconds since the simulation began: the true time, which no clock in it has to show. */
  now = 0;
  /** How many plans have run. */
  steps = 0;
  readonly #heap: Planned[] = [];
  #order = 0;

  /** Plans `run` in `ms` whole milliseconds, as a timer has them, unless the life that it belongs to is over by then. Returns a cancellation. */
  in(ms: number, run: () => void, life?: Life): () => void {
    const planned = { at: this.now + Math.max(0, Math.ceil(ms)), order: this.#order++, isDone: false, life, run };
    this.#push(planned);
    return () => void (planned.isDone = true);
  }

  /** When the next plan is due; undefined if there is none. */
  get next(): number | undefined {
    this.#dropDone();
    return this.#heap[0]?.at;
  }

  /** Moves time to the next plan and runs it. Returns false if there is none. */
  step(): boolean {
    this.#dropDone();
    const planned = this.#pop();
    if (!planned) return false;
    planned.isDone = true;
    this.now = planned.at;
    this.steps += 1;
    planned.run();
    return true;
  }

  #dropDone(): void {
    for (let first = this.#heap[0]; first && (first.isDone || first.life?.isOver); first = this.#heap[0]) this.#pop();
  }

  #push(planned: Planned): void {
    const heap = this.#heap;
    let at = heap.push(planned) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(planned, heap.at(above) as Planned)) break;
      heap[at] = heap.at(above) as Planned;
      at = above;
    }
    heap[at] = planned;
  }

  #pop(): Planned | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap.at(below + 1) as Planned, heap.at(below) as Planned)) below += 1;
      if (!isBefore(heap.at(below) as Planned, last)) break;
      heap[at] = heap.at(below) as Planned;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(one: Planned, other: Planned): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
