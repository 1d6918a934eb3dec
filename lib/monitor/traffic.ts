/**
 * Counts the traffic of an open mailbox since it was opened: for metrics. Each instance that shares a store counts only
 * its own work, so that the sum over all instances is right.
 */
import type { OutboxEvent } from '../send/outbox-types';

/** Upper bounds of the latency buckets (seconds): minutes are usual, hours normal, after five days MESH gives up. */
export const LATENCY_BOUNDS = [60, 300, 900, 3600, 14_400, 43_200, 86_400, 172_800, 432_000] as const;

/** The counts at one moment. */
export interface Traffic {
  /** Accepted by MESH. */
  sent: { messages: number; bytes: number };
  /** Durable in the store. */
  received: { messages: number; bytes: number };
  /**
   * Latency from accepted to collected, as seen here: MESH is asked at intervals. `buckets` has one count for each
   * bound, not cumulative.
   */
  collected: { messages: number; totalSeconds: number; buckets: readonly number[] };
  /** Messages that the store had forgotten and its send marks remember. */
  forgotten: number;
  /** Messages that MESH offered again after our acknowledgement. */
  offeredAgain: number;
}

export class TrafficRecorder {
  readonly #sent = { messages: 0, bytes: 0 };
  readonly #received = { messages: 0, bytes: 0 };
  readonly #buckets: number[] = LATENCY_BOUNDS.map(() => 0);
  readonly #collected = { messages: 0, totalSeconds: 0 };

  #forgotten = 0;
  #offeredAgain = 0;

  /** Counts an event of the outbox. */
  recordEvent({ event, message }: OutboxEvent): void {
    if (event === 'accepted' || event === 'adopted') {
      this.#sent.messages += 1;
      this.#sent.bytes += message.bytes;
    }
    const { acceptedAt, settledAt } = message;
    if (event === 'acknowledged' && acceptedAt !== undefined && settledAt !== undefined) {
      // The clock may have been set back in between.
      const seconds = Math.max(0, (Date.parse(settledAt) - Date.parse(acceptedAt)) / 1000);
      const bucket = LATENCY_BOUNDS.findIndex((bound) => seconds <= bound);
      if (bucket !== -1) this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
      this.#collected.messages += 1;
      this.#collected.totalSeconds += seconds;
    }
  }

  /** Counts a received message of this size (bytes) that has been stored. */
  recordReceived(bytes: number): void {
    this.#received.messages += 1;
    this.#received.bytes += bytes;
  }

  recordForgotten(messages: number): void {
    this.#forgotten += messages;
  }

  recordOfferedAgain(): void {
    this.#offeredAgain += 1;
  }

  snapshot(): Traffic {
    return {
      sent: { ...this.#sent },
      received: { ...this.#received },
      collected: { ...this.#collected, buckets: [...this.#buckets] },
      forgotten: this.#forgotten,
      offeredAgain: this.#offeredAgain,
    };
  }
}
