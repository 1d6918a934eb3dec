/** One who takes messages from a poller and remembers everything that it is told. */
import type { Delivery, InboxConsumer, InboxPoller, MeshError, PollerState } from '../../lib/index';
import { until } from './mailboxes';

/** What it was told. */
export interface TestConsumer extends InboxConsumer {
  readonly deliveries: Delivery[];
  readonly parkedOnes: Array<{ messageId: string; error: MeshError | undefined; deliveryCount: number }>;
  readonly failures: Array<{ error: MeshError; messageId: string | undefined }>;
  readonly states: PollerState[];
  /** Ids in the order of delivery. */
  ids(): string[];
}

/** Polls only when it is told to, and takes a thousand messages at once, unless `options` say otherwise. */
export function consumer(options: Partial<InboxConsumer> = {}): TestConsumer {
  const one: TestConsumer = {
    workflows: [],
    maxInFlight: 1000,
    intervalMs: 0,
    acknowledge: 'flow',
    deliveries: [],
    parkedOnes: [],
    failures: [],
    states: [],
    ids: () => one.deliveries.map((delivery) => delivery.received.message.messageId),
    ...options,
    async deliver(delivery) {
      one.deliveries.push(delivery);
      await options.deliver?.(delivery);
    },
    parked: (message, error, deliveryCount) =>
      void one.parkedOnes.push({ messageId: message.messageId, error, deliveryCount }),
    failed: (error, messageId) => void one.failures.push({ error, messageId }),
    changed: (state) => void one.states.push(state),
  };
  return one;
}

/** Lists, and waits until everything that comes of it is done. `one` has to be among the poller's consumers. */
export async function pollAndWait(poller: InboxPoller, one: TestConsumer): Promise<void> {
  poller.poll();
  await idle(one);
}

/** Waits until the poller of this consumer has nothing to do. */
export function idle(one: TestConsumer, patienceMs?: number): Promise<void> {
  return until('the poller to be idle', () => one.states.at(-1)?.polling === false, patienceMs);
}
