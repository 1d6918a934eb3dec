/** A table of codes, of the maps or of a user (mesh-codes). */
export interface CodeTable {
  name: string;
  version: string;
  /** Returns what a code becomes; undefined where the table has none for it. */
  look(system: string | undefined, code: string): { system?: string; code: string; display?: string } | undefined;
}
