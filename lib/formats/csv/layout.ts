/** Where the rows of a checked file are, and which of them were rejected: a few bytes a row, so that a file of millions can be split without being parsed again. */

/** Bytes of one piece of memory. */
const PIECE = 64 * 1024;

/** The lengths of rows, in their order: each takes a byte for every 7 bits. */
export class RowLengths {
  readonly #pieces: Uint8Array[] = [];
  #at = PIECE;
  count = 0;

  push(length: number): void {
    let rest = length;
    while (rest > 0x7f) {
      this.#put((rest & 0x7f) | 0x80);
      rest = Math.floor(rest / 128);
    }
    this.#put(rest);
    this.count += 1;
  }

  #put(byte: number): void {
    if (this.#at === PIECE) {
      this.#pieces.push(new Uint8Array(PIECE));
      this.#at = 0;
    }
    const piece = this.#pieces.at(-1);
    if (piece) piece[this.#at] = byte;
    this.#at += 1;
  }

  *[Symbol.iterator](): Generator<number> {
    let length = 0;
    let factor = 1;
    let left = this.count;
    for (const piece of this.#pieces) {
      for (let at = 0; at < PIECE && left > 0; at += 1) {
        const byte = piece[at] ?? 0;
        length += (byte & 0x7f) * factor;
        if (byte > 0x7f) {
          factor *= 128;
          continue;
        }
        yield length;
        length = 0;
        factor = 1;
        left -= 1;
      }
    }
  }
}

/** Some of the rows: one bit for each. */
export class RowSet {
  #bits = new Uint8Array(128);
  size = 0;

  add(row: number): void {
    const at = row >>> 3;
    if (at >= this.#bits.length) {
      const grown = new Uint8Array(Math.max(at + 1, 2 * this.#bits.length));
      grown.set(this.#bits);
      this.#bits = grown;
    }
    const bits = this.#bits[at] ?? 0;
    const bit = 1 << (row & 7);
    if ((bits & bit) !== 0) return;
    this.#bits[at] = bits | bit;
    this.size += 1;
  }

  has(row: number): boolean {
    return ((this.#bits[row >>> 3] ?? 0) & (1 << (row & 7))) !== 0;
  }
}

/** What {@link splitCsv} needs to know of a file. */
export interface CsvLayout {
  /** Where the header's own row begins; `headEnd` if there is none. */
  headerStart: number;
  /** Where the rows begin: byte order mark, leading rows and header are before. */
  headEnd: number;
  /** Where they end: trailing rows are behind. */
  tailStart: number;
  lengths: RowLengths;
  rejected: RowSet;
}
