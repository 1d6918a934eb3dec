/** Tells the outbox's user what waits, what needs a decision, and why nothing is sent. */
import { steadyTime, type Clock } from '../clock';
import { LOOKED_FOR, NEEDS_DECISION, WAITING_TO_SEND } from '../message-states';
import type { OutgoingState, Store } from '../store/store';
import { countUndecided } from './needs-decision';
import type { OutboxState } from './outbox-types';
import type { SendBackoff } from './send-backoff';
import { storedError } from './stored-error';

/** Shortest time between two reports while messages go out (milliseconds). */
const REPORT_EVERY_MS = 1000;

/** What a report needs. */
export interface StateReportParts {
  store: Store;
  clock: Clock;
  /** Key of the mailbox in the store. */
  mailbox: string;
  backoff: SendBackoff;
  /** Receives each state. */
  changed: (state: OutboxState) => void;
}

/** Reports the state of the sending. */
export class StateReport {
  readonly #parts: StateReportParts;
  #state: OutboxState = { waiting: 0, needsDecision: 0 };
  /** When the state was last reported (milliseconds of the steady clock). */
  #reportedAt = -Infinity;

  constructor(parts: StateReportParts) {
    this.#parts = parts;
  }

  /** For how long the state need not be reported again (milliseconds); 0 or less when it is due. */
  get dueInMs(): number {
    return REPORT_EVERY_MS - (steadyTime(this.#parts.clock) - this.#reportedAt);
  }

  /**
   * Counts the messages and reports them.
   * @throws StorageError
   */
  async now(): Promise<void> {
    const { store, mailbox, clock, backoff } = this.#parts;
    this.#reportedAt = steadyTime(clock);
    const { messages } = await store.countOutgoing(mailbox);
    const sum = (states: readonly OutgoingState[]): number =>
      states.reduce((count, state) => count + messages[state], 0);
    const waiting = sum(WAITING_TO_SEND);
    const { reason } = backoff;
    this.#report({
      waiting,
      needsDecision: sum(NEEDS_DECISION) + (sum(LOOKED_FOR) === 0 ? 0 : await countUndecided(store, mailbox)),
      ...(reason && waiting > 0
        ? {
            paused: {
              error: reason.error,
              until: new Date(clock.now() + reason.until - steadyTime(clock)).toISOString(),
            },
          }
        : {}),
    });
  }

  /** Reports that the store failed, with the counts as they were last known. */
  storeFailed(thrown: unknown): void {
    const { waiting, needsDecision } = this.#state;
    this.#report({ waiting, needsDecision, storeError: storedError(thrown) });
  }

  #report(state: OutboxState): void {
    this.#state = state;
    try {
      this.#parts.changed(state);
    } catch {
      // A listener that fails must not stop the sending.
    }
  }
}
