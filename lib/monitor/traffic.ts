/**
 * What went through an open mailbox, counted since it was opened: for metrics. Each instance that shares a store counts what it did
 * itself, so that the sum over instances is right.
 */
import type { OutboxEvent } from '../send/outbox-types';

/** Upper bounds of the latency's buckets (seconds): minutes are usual, hours normal, after five days MESH gives up. */
export const LATENCY_BOUNDS = [60, 300, 900, 3600, 14_400, 43_200, 86_400, 172_800, 432_000] as const;

/** A snapshot. */
export interface Traffic {
  /** Accepted by MESH. */
  sent: { messages: number; bytes: number };
  /** Safe in the store. */
  received: { messages: number; bytes: number };
  /** From accepted to acknowledged, as it was seen here; MESH is asked now and then. `buckets` has a count for each bound, not summed up. */
  collected: { messages: number; totalSeconds: number; buckets: readonly number[] };
}

/** Told of what happens; counts it. */
export class TrafficRecorder {
  readonly #sent = { messages: 0, bytes: 0 };
  readonly #received = { messages: 0, bytes: 0 };
  readonly #buckets: number[] = LATENCY_BOUNDS.map(() => 0);
  readonly #collected = { messages: 0, totalSeconds: 0 };

  /** An event of the outbox. */
  happened({ event, message }: OutboxEvent): void {
    if (event === 'accepted' || event === 'adopted') {
      this.#sent.messages += 1;
      this.#sent.bytes += message.bytes;
    }
    const { acceptedAt, settledAt } = message;
    if (event === 'acknowledged' && acceptedAt !== undefined && settledAt !== undefined) {
      // A clock that was set back between the two makes no negative time.
      const seconds = Math.max(0, (Date.parse(settledAt) - Date.parse(acceptedAt)) / 1000);
      const bucket = LATENCY_BOUNDS.findIndex((bound) => seconds <= bound);
      if (bucket !== -1) this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
      this.#collected.messages += 1;
      this.#collected.totalSeconds += seconds;
    }
  }

  /** A received message of so many bytes is safe. */
  received(bytes: number): void {
    this.#received.messages += 1;
    this.#received.bytes += bytes;
  }

  snapshot(): Traffic {
    return {
      sent: { ...this.#sent },
      received: { ...this.#received },
      collected: { ...this.#collected, buckets: [...this.#buckets] },
    };
  }
}
