/** What the code tables of this room are made of: codes, the table as others see it, and what a look-up finds. */

/**
 * How a target relates to its source, in the words of ConceptMap in STU3 and R4. `narrower`: the target means less than
 * the source; `wider`: it means more. `unmatched` and `disjoint`: there is no target that stands for the source.
 */
export const EQUIVALENCES = [
  'equal',
  'equivalent',
  'wider',
  'subsumes',
  'narrower',
  'specializes',
  'relatedto',
  'inexact',
  'unmatched',
  'disjoint',
] as const;
export type Equivalence = (typeof EQUIVALENCES)[number];

/** What a table has for a code. Plain JSON, frozen. */
export interface CodeTarget {
  /** The URI of the code system; undefined where the table names none. */
  readonly system?: string;
  readonly code: string;
  readonly display?: string;
  /** Undefined where the table does not say. */
  readonly equivalence?: Equivalence;
  /** The line of the file that has the row, or the number of the row that was typed; undefined for a ConceptMap. */
  readonly line?: number;
  /** Where a code has several targets: the lower number first. */
  readonly priority?: number;
}

/** A table of codes, whatever it was read from. */
export interface CodeTable {
  readonly name: string;
  /** As its owner named it; otherwise the beginning of the SHA-256 of its content. */
  readonly version: string;
  /**
   * Returns the target of a code; undefined where the table has none. Takes about a microsecond.
   * @param system the source's code system: its URI, or one of the short names of {@link systemUri}. Without it a code is
   * found only if no two systems of the table have it
   */
  look(system: string | undefined, code: string): CodeTarget | undefined;
}

/**
 * What a look-up found.
 * - `found`: `target`, and `alternatives` of a lower priority. `isDefault`: not the code's own target, but what the ConceptMap
 *   prescribes for every code that it does not have
 * - `unmatched`: the table says that the code has no target
 * - `ambiguous`: several code systems have the code, and none was named
 * - `unknown`: the table does not have the code
 */
export type CodeLookup =
  | { outcome: 'found'; target: CodeTarget; alternatives: readonly CodeTarget[]; isDefault?: true }
  | { outcome: 'unmatched' | 'ambiguous' | 'unknown' };

/** A row before it is in a table. Texts are as they were read. */
export interface CodeRow {
  /** Where it is: a line of a file, the number of a typed row, or a path in a ConceptMap. */
  at: number | string;
  sourceSystem?: string | undefined;
  source: string;
  targetSystem?: string | undefined;
  target: string;
  display?: string | undefined;
  equivalence?: string | undefined;
  priority?: string | number | undefined;
}
