/** A consumer of a poller that records all its calls. */
import type { Delivery, InboxConsumer, InboxPoller, MeshError, PollerState } from '../../lib/index';
import { until } from './until';

/** A consumer, and the calls that it received. */
export interface TestConsumer extends InboxConsumer {
  readonly deliveries: Delivery[];
  readonly parkedMessages: Array<{ messageId: string; error: MeshError | undefined; deliveryCount: number }>;
  readonly failures: Array<{ error: MeshError; messageId: string | undefined }>;
  readonly states: PollerState[];
  /** Returns the message ids in the order of delivery. */
  ids(): string[];
}

/**
 * Returns a consumer that polls only on demand and takes up to 1,000 messages at a time, unless `options` say
 * otherwise.
 */
export function consumer(options: Partial<InboxConsumer> = {}): TestConsumer {
  const one: TestConsumer = {
    workflows: [],
    maxLeases: 1000,
    intervalMs: 0,
    acknowledge: 'flow',
    deliveries: [],
    parkedMessages: [],
    failures: [],
    states: [],
    ids: () => one.deliveries.map((delivery) => delivery.received.message.messageId),
    ...options,
    async deliver(delivery) {
      one.deliveries.push(delivery);
      await options.deliver?.(delivery);
    },
    parked: (message, error, deliveryCount) =>
      void one.parkedMessages.push({ messageId: message.messageId, error, deliveryCount }),
    failed: (error, messageId) => void one.failures.push({ error, messageId }),
    changed: (state) => void one.states.push(state),
  };
  return one;
}

/** Polls, and waits until the poll and its deliveries are done. `one` must be a consumer of the poller. */
export async function pollAndWait(poller: InboxPoller, one: TestConsumer, patienceMs?: number): Promise<void> {
  poller.poll();
  await idle(one, patienceMs);
}

/** Waits until the consumer's poller is idle. */
export async function idle(one: TestConsumer, patienceMs?: number): Promise<void> {
  await until('the poller to be idle', () => one.states.at(-1)?.polling === false, patienceMs);
}
