/**
 * Decides which consumer of a mailbox gets a message. One poller lists everything and splits here, by workflow: a
 * REPORT carries the workflow of the message that failed, so a filter at MESH would hide it (docs/design.md, The line
 * in).
 */
import { coversPatterns, workflowsMatcher, type WorkflowMatcher } from '../../protocol/workflow-filter';
import type { MessageHeaders } from '../../types';

/** What decides which consumer gets a message. */
export type RoutingKey = Pick<MessageHeaders, 'workflowId' | 'messageType'>;

/** `elsewhere` stays in the inbox on purpose; `unclaimed` is a fault that has to be raised. */
export type Route<C> = { to: C } | 'elsewhere' | 'unclaimed';

/** The workflows that a consumer wants. Empty: all that no other consumer names. */
export interface Claims {
  readonly workflows: readonly string[];
  /** Of two that want the same messages, the one with the lower number gets them. Default: the one added first. */
  readonly precedence?: number;
}

/** Routes for the consumers of one mailbox, by their precedence, then in the order in which they were added. */
export class InboxRouter<C extends Claims> {
  readonly #consumers: Array<{ consumer: C; matches: WorkflowMatcher; isNamed: boolean }> = [];
  readonly #isHandledElsewhere: WorkflowMatcher;

  /** `workflowsHandledElsewhere`: patterns of what another system collects from the same mailbox. */
  constructor(workflowsHandledElsewhere: readonly string[]) {
    const isNamed = workflowsHandledElsewhere.some((pattern) => pattern.trim() !== '');
    this.#isHandledElsewhere = isNamed ? workflowsMatcher(workflowsHandledElsewhere) : () => false;
    this.splits = isNamed;
  }

  /** False while every message goes to the same consumer: then MESH need not be asked (HEAD) for its workflow first. */
  splits: boolean;

  add(consumer: C): void {
    const isNamed = consumer.workflows.some((pattern) => pattern.trim() !== '');
    const entry = { consumer, matches: workflowsMatcher(consumer.workflows), isNamed };
    const { precedence = Infinity } = consumer;
    const later = this.#consumers.findIndex((each) => (each.consumer.precedence ?? Infinity) > precedence);
    this.#consumers.splice(later < 0 ? this.#consumers.length : later, 0, entry);
    this.splits ||= isNamed;
  }

  remove(consumer: C): void {
    const index = this.#consumers.findIndex((entry) => entry.consumer === consumer);
    if (index >= 0) this.#consumers.splice(index, 1);
  }

  /** The consumers, in order. */
  get consumers(): C[] {
    return this.#consumers.map((entry) => entry.consumer);
  }

  /** The consumer that takes the workflows that no consumer names: the first one, so that a second one gets nothing. */
  get fallback(): C | undefined {
    return this.#consumers.find((entry) => !entry.isNamed)?.consumer;
  }

  /** Returns the consumer before this one that takes all that this one wants; undefined if there is none. */
  shadowing(consumer: C): C | undefined {
    const at = this.#consumers.findIndex((entry) => entry.consumer === consumer);
    const own = this.#consumers[at];
    if (own === undefined) return undefined;
    if (!own.isNamed) return this.fallback === consumer ? undefined : this.fallback;
    return this.#consumers
      .slice(0, at)
      .find((entry) => entry.isNamed && coversPatterns(entry.consumer.workflows, consumer.workflows))?.consumer;
  }

  /** Returns where a listed message goes. */
  route(message: RoutingKey): Route<C> {
    if (this.#isHandledElsewhere(message.workflowId)) return 'elsewhere';
    const to = this.claim(message);
    return to ? { to } : 'unclaimed';
  }

  /**
   * Returns the consumer of a stored message, which has left MESH's inbox, so that no other system can have it. A
   * REPORT that no consumer claims goes to the first one: it must not go unnoticed.
   */
  claim(message: RoutingKey): C | undefined {
    const claimed = this.#consumers.find((entry) => entry.isNamed && entry.matches(message.workflowId))?.consumer;
    return claimed ?? this.fallback ?? (message.messageType === 'REPORT' ? this.consumers[0] : undefined);
  }
}
