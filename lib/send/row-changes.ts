/** Changes of the outbox's rows, committed as often as it takes, so that a full disk does not lose MESH's response. */
import { UnknownCommitError } from '../errors';
import type { Clock } from '../clock';
import type { LedgerNote, Outgoing, OutgoingState, OutgoingStore, OutgoingTransition } from '../store/store';
import type { Ending } from './attempt';
import type { Outbox } from './outbox';
import type { StateReport } from './state-report';

/** Wait after the store failed (milliseconds). */
export const STORE_WAIT_MS = 10_000;

/** What the changes need. */
export interface RowChangesParts {
  store: OutgoingStore;
  clock: Clock;
  outbox: Outbox;
  /** A store that fails is reported here. */
  report: StateReport;
  /** Aborts when the outbox stops: what is not committed then is found at the next start. */
  stopping: AbortSignal;
}

/** Commits changes of rows, one at a time, and reports them. No method rejects. */
export class RowChanges {
  readonly #parts: RowChangesParts;

  constructor(parts: RowChangesParts) {
    this.#parts = parts;
  }

  /** Changes a row in one of the states `from`. Returns false if it was in another one, or after the stop. */
  change(row: Outgoing, from: OutgoingState[], ending: Ending): Promise<boolean> {
    return this.#change(transitionOf(row, from, ending, this.#now), row, ending);
  }

  /** Changes a row that is being sent, only if this attempt is still its latest. */
  changeAttempt(row: Outgoing, ending: Ending): Promise<boolean> {
    return this.#change(endingOf(row, ending, this.#now), row, ending);
  }

  async #change(transition: OutgoingTransition, row: Outgoing, ending: Ending): Promise<boolean> {
    const isMade = await this.commit(transition);
    if (isMade) this.#parts.outbox.emit(ending.event, changed(row, ending));
    return isMade;
  }

  /**
   * Commits a transition, without reporting it. Returns false if it did not apply, or after the stop. `isPerhapsMade`:
   * an earlier commit of it may have been made; then a row that is as it says counts as changed.
   */
  async commit(transition: OutgoingTransition, isPerhapsMade = false): Promise<boolean> {
    const { store } = this.#parts;
    let isUncertain = isPerhapsMade;
    const [isMade = false] =
      (await this.persist(() =>
        store.changeBatch([transition]).catch((error: unknown) => {
          isUncertain ||= error instanceof UnknownCommitError;
          throw error;
        }),
      )) ?? [];
    if (isMade || !isUncertain) return isMade;
    const { id, attempt, change } = transition;
    const row = await this.persist(() => store.getOutgoing(id));
    return row?.state === change.state && row?.attempts === (change.attempts ?? attempt ?? row?.attempts);
  }

  /**
   * Runs a store operation until it succeeds. Returns undefined after the stop; the next start then finds the row
   * `sending`, and asks MESH.
   */
  async persist<T>(operation: () => Promise<T>): Promise<T | undefined> {
    const { stopping, report, clock } = this.#parts;
    for (;;) {
      try {
        return await operation();
      } catch (error) {
        if (stopping.aborted) return undefined;
        report.storeFailed(error);
        await clock.sleep(STORE_WAIT_MS, stopping);
      }
    }
  }

  get #now(): number {
    return this.#parts.clock.now();
  }
}

/**
 * The ending of an attempt as a transition. It applies only to the row's latest attempt: another instance may have
 * recovered it and begun the next one.
 */
export function endingOf(row: Outgoing, ending: Ending, now: number): OutgoingTransition {
  return { ...transitionOf(row, ['sending'], ending, now), attempt: row.attempts };
}

/** An ending as a transition from one of the states `from`, whatever the attempt. */
export function transitionOf(
  { id }: Outgoing,
  from: OutgoingState[],
  { change, event, detail }: Ending,
  time: number,
): OutgoingTransition {
  const note: LedgerNote = { event, time, ...(detail ? { detail } : {}) };
  return { id, from, change, note };
}

/**
 * Returns the row with the ending's change. An outcome that an acknowledgement settled meanwhile is emitted where it
 * was settled.
 */
export const changed = (row: Outgoing, { change }: Ending): Outgoing => ({ ...row, ...change });
