/**
 * Finds the messages among the entries of an out folder: pairs of a `.dat` and a `.ctl`, and what is none. Pure. Names
 * that differ only in case belong together if nothing else fits: programs on Windows write `letter.DAT` and
 * `LETTER.ctl`.
 */

/** An entry of a folder, by the bytes of its name: not every name is UTF-8. */
export interface FolderEntry {
  bytes: Buffer;
  isFile: boolean;
}

/** Why an entry is no pair. `bad-name`: its name is no UTF-8. `ambiguous`: several files could be its other half. */
export type NoPair = 'no-dat' | 'no-ctl' | 'not-a-file' | 'bad-name' | 'ambiguous';

/** What belongs together in the folder. */
export interface Candidate {
  kind: 'pair' | NoPair;
  /** The names' bytes: of a pair, and of what has a bad name, the `.dat` before the `.ctl`. */
  names: Buffer[];
  /** True if it has a `.ctl`. */
  hasControl: boolean;
}

const ENDING = /\.(dat|ctl)$/i;

/** Returns the candidates. Entries with other endings are ignored. */
export function pairUp(entries: readonly FolderEntry[]): Candidate[] {
  const candidates: Candidate[] = [];
  const files: File[] = [];
  for (const { bytes, isFile } of entries) {
    // Each byte is one character: the endings are ASCII.
    const latin = bytes.toString('latin1');
    const ending = ENDING.exec(latin)?.[1]?.toLowerCase();
    if (ending === undefined) continue;
    const isControl = ending === 'ctl';
    if (isFile) files.push({ bytes, stem: latin.slice(0, -4), isControl });
    else candidates.push({ kind: 'not-a-file', names: [bytes], hasControl: isControl });
  }
  // First those whose stems are the same, then those of what is left that differ in case only.
  const rest: File[] = [];
  for (const group of groups(files, ({ stem }) => stem)) {
    if (isHalf(group)) rest.push(...group);
    else candidates.push(candidateOf(group));
  }
  for (const group of groups(rest, ({ bytes }) => bytes.toString('utf8').slice(0, -4).toLowerCase())) {
    candidates.push(...(isHalf(group) ? group.map((file) => candidateOf([file])) : [candidateOf(group)]));
  }
  return candidates;
}

/** Returns a name for people and for file names: as it is, or if it is no UTF-8 with `%` and its bytes' numbers. */
export function readableName(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  return [...bytes].map((byte) => (byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : escaped(byte))).join('');
}

interface File {
  bytes: Buffer;
  stem: string;
  isControl: boolean;
}

const escaped = (byte: number): string => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`;

function isUtf8(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString('utf8')).equals(bytes);
}

function groups(files: readonly File[], keyOf: (file: File) => string): File[][] {
  return [...Map.groupBy(files, keyOf).values()];
}

function isHalf(group: readonly File[]): boolean {
  return group.every(({ isControl }) => isControl) || group.every(({ isControl }) => !isControl);
}

function candidateOf(group: readonly File[]): Candidate {
  const sorted = group.toSorted((one, two) => Number(one.isControl) - Number(two.isControl));
  const names = sorted.map(({ bytes }) => bytes);
  const hasControl = group.some(({ isControl }) => isControl);
  if (group.length > 2) return { kind: 'ambiguous', names, hasControl };
  if (!names.every(isUtf8)) return { kind: 'bad-name', names, hasControl };
  if (group.length === 2) return { kind: 'pair', names, hasControl };
  return { kind: hasControl ? 'no-dat' : 'no-ctl', names, hasControl };
}
