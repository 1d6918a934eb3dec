/**
 * Which consumer of a mailbox gets a message. One poller lists everything and splits here, by workflow: a REPORT carries the
 * workflow of the message that failed, so a filter at MESH would hide it (DESIGN.md, "One poller lists everything").
 */
import { workflowsMatcher, type WorkflowMatcher } from '../protocol/workflow-filter';
import type { MessageHeaders } from '../types';

/** Who gets it; `others` is left in the inbox on purpose, `nobody` is a fault that has to be raised. */
export type Route<C> = { to: C } | 'others' | 'nobody';

/** What a consumer says about the workflows that it wants. Empty: all that no other consumer names. */
export interface Claims {
  readonly workflows: readonly string[];
}

/** Routes for the consumers of one mailbox, in the order in which they were added. */
export class InboxRouter<C extends Claims> {
  readonly #consumers: Array<{ consumer: C; fits: WorkflowMatcher; named: boolean }> = [];
  readonly #leftToOthers: WorkflowMatcher;

  /** `leftToOthers`: patterns of what another system collects from the same mailbox. */
  constructor(leftToOthers: readonly string[]) {
    const named = leftToOthers.some((pattern) => pattern.trim() !== '');
    this.#leftToOthers = named ? workflowsMatcher(leftToOthers) : () => false;
    this.splits = named;
  }

  /** False while every message goes to the same consumer, so that nobody has to ask MESH (HEAD) for its workflow first. */
  splits: boolean;

  add(consumer: C): void {
    const named = consumer.workflows.some((pattern) => pattern.trim() !== '');
    this.#consumers.push({ consumer, fits: workflowsMatcher(consumer.workflows), named });
    this.splits ||= named;
  }

  remove(consumer: C): void {
    const index = this.#consumers.findIndex((entry) => entry.consumer === consumer);
    if (index >= 0) this.#consumers.splice(index, 1);
  }

  /** The consumers, in order. */
  get consumers(): C[] {
    return this.#consumers.map((entry) => entry.consumer);
  }

  /** The consumer that takes what nobody names. A second one would never get anything. */
  get fallback(): C | undefined {
    return this.#consumers.find((entry) => !entry.named)?.consumer;
  }

  /** Where a message goes. A REPORT that nobody claims goes to the first consumer all the same: somebody has to hear of it. */
  route(message: Pick<MessageHeaders, 'workflowId' | 'messageType'>): Route<C> {
    if (this.#leftToOthers(message.workflowId)) return 'others';
    const to = this.claim(message);
    return to ? { to } : 'nobody';
  }

  /** The consumer of a message that was taken out of MESH's inbox already, so that no other system can have it. */
  claim(message: Pick<MessageHeaders, 'workflowId' | 'messageType'>): C | undefined {
    const claimed = this.#consumers.find((entry) => entry.named && entry.fits(message.workflowId))?.consumer;
    return claimed ?? this.fallback ?? (message.messageType === 'REPORT' ? this.consumers[0] : undefined);
  }
}
