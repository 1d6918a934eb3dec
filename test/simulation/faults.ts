/** The faults of one world: which kinds there are, how often each strikes, and how to leave some out. */
import { SeededRandom } from './random';

/** Every kind of fault. */
export const KINDS = [
  // The clocks
  'clock step',
  'summer time',
  'clock drift',
  // The disk
  'disk error',
  'disk full',
  'failed sync',
  'bit rot',
  'folder replaced',
  'foreign files',
  // The network
  'no connection',
  'request lost',
  'response lost',
  'response late',
  'response cut',
  // What stands between us and MESH
  'foreign response',
  'swapped response',
  // MESH
  'MESH busy',
  'MESH fault',
  'MESH clock',
  'undeliverable',
  'offered again',
  // The process
  'kill',
  'power cut',
  'restart',
  'second instance',
  'newer version',
  'backup put back',
  // The people and their flow
  'key reused',
  'resend',
  'drop',
  'redeliver',
  'erase',
  'flow fails',
  'flow never acknowledges',
] as const;
export type Kind = (typeof KINDS)[number];

/** What to leave out of a world: whole kinds, or single strikes by their number within their kind (from 1). */
export interface LeftOut {
  kinds: ReadonlySet<Kind>;
  strikes: ReadonlySet<string>;
  /** These kinds alone are there, and all of them. */
  only?: readonly Kind[];
}

export const NOTHING_LEFT_OUT: LeftOut = { kinds: new Set(), strikes: new Set() };

/** The name of one strike. */
const strikeName = (kind: Kind, number: number): string => `${kind} ${number}`;

/** The faults of one world. Each kind draws from a stream of its own: leaving one out does not move the others. */
export class Faults {
  /** How often each kind has struck. */
  readonly struck = new Map<Kind, number>();
  /** Every strike by its name, in order. */
  readonly strikesMade: string[] = [];
  /** Called with the kind of each strike, and its name. */
  onStrike: (kind: Kind, name: string) => void = () => undefined;
  readonly #streams = new Map<Kind, SeededRandom>();
  readonly #intensities = new Map<Kind, number>();
  readonly #leftOut: LeftOut;
  readonly #numbers = new Map<Kind, number>();
  #isOver = false;

  /** A world has about half of the kinds, each with an intensity of its own: some worlds have one thing going wrong. */
  constructor(random: SeededRandom, leftOut: LeftOut) {
    this.#leftOut = leftOut;
    const share = random.pick([0.15, 0.3, 0.5, 0.8]);
    for (const kind of KINDS) {
      const stream = random.fork(kind);
      this.#streams.set(kind, stream);
      const isChosen = stream.chance(share);
      const isHere = (leftOut.only?.includes(kind) ?? isChosen) && !leftOut.kinds.has(kind);
      this.#intensities.set(kind, isHere ? stream.pick([0.3, 1, 3]) : 0);
    }
  }

  /** True while this kind can strike. */
  isHere(kind: Kind): boolean {
    return !this.#isOver && (this.#intensities.get(kind) ?? 0) > 0;
  }

  /** Ends all faults. */
  end(): void {
    this.#isOver = true;
  }

  /** Does work during which nothing goes wrong. */
  without<Result>(work: () => Result): Result {
    const before = this.#isOver;
    this.#isOver = true;
    try {
      return work();
    } finally {
      this.#isOver = before;
    }
  }

  /** Returns whether this kind strikes now, which it does with about this probability. */
  strikes(kind: Kind, probability: number): boolean {
    if (!this.isHere(kind)) return false;
    if (!this.of(kind).chance(probability * (this.#intensities.get(kind) ?? 0))) return false;
    return this.#count(kind);
  }

  /** Returns the milliseconds until this kind strikes next, where it does about every `everyMs`. */
  wait(kind: Kind, everyMs: number): number {
    return (-Math.log(1 - this.of(kind).number()) * everyMs) / (this.#intensities.get(kind) ?? 1);
  }

  /** Records a strike whose time has come. Returns false if it is left out. */
  comes(kind: Kind): boolean {
    return this.isHere(kind) && this.#count(kind);
  }

  /** The stream that decides the details of this kind. */
  of(kind: Kind): SeededRandom {
    return this.#streams.get(kind) as SeededRandom;
  }

  #count(kind: Kind): boolean {
    const number = (this.#numbers.get(kind) ?? 0) + 1;
    this.#numbers.set(kind, number);
    if (this.#leftOut.strikes.has(strikeName(kind, number))) return false;
    this.struck.set(kind, (this.struck.get(kind) ?? 0) + 1);
    this.strikesMade.push(strikeName(kind, number));
    this.onStrike(kind, strikeName(kind, number));
    return true;
  }
}
