/** How many stored messages wait for their first delivery, by workflow: counted as they come and go, never queried. */
import type { Routed } from './listed';

/** The counts of one mailbox. */
export class Waiting {
  readonly #counts = new Map<string, { routed: Routed; count: number }>();

  add({ workflowId, messageType }: Routed, by: 1 | -1 = 1): void {
    const key = `${messageType} ${workflowId}`;
    const entry = this.#counts.get(key) ?? { routed: { workflowId, messageType }, count: 0 };
    entry.count += by;
    if (entry.count > 0) this.#counts.set(key, entry);
    else this.#counts.delete(key);
  }

  /** How many of the workflows that are `wanted`. */
  count(wanted: (routed: Routed) => boolean): number {
    let sum = 0;
    for (const { routed, count } of this.#counts.values()) if (wanted(routed)) sum += count;
    return sum;
  }

  /** The workflows of which there are any. */
  workflows(): Routed[] {
    return [...this.#counts.values()].map(({ routed }) => routed);
  }

  clear(): void {
    this.#counts.clear();
  }
}
