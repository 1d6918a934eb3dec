/** How many stored messages have a pending delivery, by workflow: counted as they come and go, never queried. */
import type { RoutingKey } from './poll/inbox-router';

/** The counts of one mailbox. */
export class PendingCounts {
  readonly #counts = new Map<string, { key: RoutingKey; count: number }>();

  add({ workflowId, messageType }: RoutingKey, by: 1 | -1 = 1): void {
    const name = `${messageType} ${workflowId}`;
    const entry = this.#counts.get(name) ?? { key: { workflowId, messageType }, count: 0 };
    entry.count += by;
    if (entry.count > 0) this.#counts.set(name, entry);
    else this.#counts.delete(name);
  }

  /** Returns the number of messages whose workflow and type are `isWanted`. */
  count(isWanted: (key: RoutingKey) => boolean): number {
    let sum = 0;
    for (const { key, count } of this.#counts.values()) if (isWanted(key)) sum += count;
    return sum;
  }

  /** Returns the workflows and types of which at least one message is pending. */
  keys(): RoutingKey[] {
    return [...this.#counts.values()].map(({ key }) => key);
  }

  clear(): void {
    this.#counts.clear();
  }
}
