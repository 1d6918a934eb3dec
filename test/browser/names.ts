/** The names in the editor that docs/first-steps.md tells a newcomer to press or read. */
import assert from 'node:assert/strict';
import { textOf } from '../docs/markdown';

/** The names that a section of docs/first-steps.md prints in bold, and those that the test has not used yet. */
export class Names {
  readonly #unused: Set<string>;
  readonly #all: ReadonlySet<string>;

  constructor(heading: string) {
    const [, section = ''] = textOf('docs/first-steps.md').split(new RegExp(`^## ${heading}$`, 'm'));
    const [text = ''] = section.split(/^## /m);
    this.#all = new Set([...text.matchAll(/\*\*([^*]+)\*\*/g)].map(([, name = '']) => name.replaceAll(/\s+/g, ' ')));
    this.#unused = new Set(this.#all);
  }

  /** Marks a name as used and returns it; fails if the document does not have it. */
  of(name: string): string {
    assert.ok(this.#all.has(name), `docs/first-steps.md does not say “${name}”`);
    this.#unused.delete(name);
    return name;
  }

  allUsed(): void {
    assert.deepEqual([...this.#unused], [], 'the document has names that the test does not use');
  }
}
