/**
 * Finds values that occur more than once among millions: their 64-bit hashes are kept, 8 bytes each, and sorted at the
 * end. Equal hashes are a suspicion only; the file is read once more for those (check.ts).
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Hashes are kept apart by their first bits, so that each part is sorted in a few milliseconds. */
const PARTS = 1024;
/** Hashes in one piece of memory: what is not used yet is at most half a piece a part on average, 4 MiB in all. */
const PIECE = 1024;

/** A hash as two whole numbers of 32 bits. */
export interface Hash {
  high: number;
  low: number;
}

/** Returns the hash of a row's values: the same object at each call. Not for secrets: hits are looked at again. */
export function hashOf(values: readonly string[]): Hash {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (const value of values) {
    for (let index = 0; index < value.length; index += 1) {
      const code = value.charCodeAt(index);
      high = Math.imul(high ^ code, 2654435761);
      low = Math.imul(low ^ code, 1597334677);
    }
    // Ends a value with what no value has.
    high = Math.imul(high ^ 0x10000, 2654435761);
    low = Math.imul(low ^ 0x10001, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  shared.high = high >>> 0;
  shared.low = low >>> 0;
  return shared;
}
const shared: Hash = { high: 0, low: 0 };

/** The hash as a number, which has 53 of its bits. */
export function hashNumber({ high, low }: Hash): number {
  return (high & 0x1fffff) * 0x1_0000_0000 + low;
}

/** Hashes of any number of values. */
export class HashList {
  /** The pieces of each part; two places for each hash. */
  readonly #parts: Uint32Array[][] = Array.from({ length: PARTS }, () => []);
  readonly #counts = new Uint32Array(PARTS);

  add({ high, low }: Hash): void {
    const part = high >>> 22;
    const pieces = this.#parts[part] ?? [];
    const count = this.#counts[part] ?? 0;
    const at = count % PIECE;
    if (at === 0) pieces.push(new Uint32Array(2 * PIECE));
    const piece = pieces[pieces.length - 1];
    if (piece) {
      piece[2 * at] = low;
      piece[2 * at + 1] = high;
    }
    this.#counts[part] = count + 1;
  }

  /** Takes the hashes out, and yields the numbers of those that occur more than once, each once. */
  async *takeRepeated(): AsyncGenerator<number> {
    for (let part = 0; part < PARTS; part += 1) {
      if ((this.#counts[part] ?? 0) > 1) {
        const places = this.#takeSorted(part);
        let last = -1;
        for (let at = 2; at < places.length; at += 2) {
          if (places[at] !== places[at - 2] || places[at + 1] !== places[at - 1]) continue;
          const number = hashNumber({ high: places[at + 1] ?? 0, low: places[at] ?? 0 });
          if (number !== last) yield number;
          last = number;
        }
        await nextTurn();
      }
    }
  }

  /** Takes the hashes out, for looking others up among them. */
  async sorted(): Promise<SortedHashes> {
    const parts: Uint32Array[] = [];
    for (let part = 0; part < PARTS; part += 1) {
      parts.push(this.#takeSorted(part));
      await nextTurn();
    }
    return new SortedHashes(parts);
  }

  /** Returns the hashes of a part in their order, two places for each, and forgets them. */
  #takeSorted(part: number): Uint32Array {
    const count = this.#counts[part] ?? 0;
    const pieces = this.#parts[part] ?? [];
    const places = new Uint32Array(2 * count);
    pieces.forEach((piece, index) =>
      places.set(index < pieces.length - 1 ? piece : piece.subarray(0, 2 * (count - index * PIECE)), 2 * index * PIECE),
    );
    new BigUint64Array(places.buffer).sort();
    this.#parts[part] = [];
    this.#counts[part] = 0;
    return places;
  }
}

/** Hashes of values, each of which can be taken as often as it was added. */
export class SortedHashes {
  readonly #parts: readonly Uint32Array[];
  /** How often each was taken, at the first place that it has. */
  readonly #taken: readonly Uint32Array[];

  constructor(parts: readonly Uint32Array[]) {
    this.#parts = parts;
    this.#taken = parts.map(({ length }) => new Uint32Array(length / 2));
  }

  /** Takes a hash out once. `repeated`: it was taken as often as it was added. */
  take({ high, low }: Hash): 'taken' | 'repeated' | 'unknown' {
    const places = this.#parts[high >>> 22] ?? new Uint32Array(0);
    const taken = this.#taken[high >>> 22] ?? new Uint32Array(0);
    let from = 0;
    let to = taken.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const [middleHigh, middleLow] = [places[2 * middle + 1] ?? 0, places[2 * middle] ?? 0];
      if (middleHigh < high || (middleHigh === high && middleLow < low)) from = middle + 1;
      else to = middle;
    }
    const isHere = (at: number): boolean => places[2 * at + 1] === high && places[2 * at] === low;
    if (!isHere(from)) return 'unknown';
    const times = taken[from] ?? 0;
    if (!isHere(from + times)) return 'repeated';
    taken[from] = times + 1;
    return 'taken';
  }
}
