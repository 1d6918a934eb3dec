/**
 * What is `sending` and not on the wire here: left by a kill, or another instance's. Where there are other instances, one of
 * them may still be waiting for MESH's answer, or be paused: so it is judged only when it has been seen unchanged for a
 * while (DESIGN.md, rule 3).
 */
import type { Clock } from '../clock';
import type { Outgoing, Store, StoredError } from '../store/store';
import { accepted, unknown, type Ending } from './attempt';
import type { Mark, SendMarks } from './send-marks';

const PAGE = 100;

export class Interrupted {
  readonly #parts: { store: Store; mailbox: string; clock: Clock };
  readonly #waitMs: number;
  readonly #end: (row: Outgoing, ending: Ending) => Promise<unknown>;
  /** Rows that wait to be judged: when they were first seen, and in which attempt. */
  readonly #seen = new Map<string, { attempts: number; at: number }>();
  /** Intents of ours whose commit had no answer: whatever the store says, nothing of them was sent. */
  readonly #claiming = new Map<string, number>();

  /** `end` records how an interrupted attempt ended. */
  constructor(
    parts: { store: Store; mailbox: string; clock: Clock },
    waitMs: number,
    end: (row: Outgoing, ending: Ending) => Promise<unknown>,
  ) {
    this.#parts = parts;
    this.#waitMs = waitMs;
    this.#end = end;
  }

  /** Commits the intent to send rows: should the answer to that be lost, it is known here that nothing was sent. */
  async intending<T>(rows: readonly Outgoing[], commit: () => Promise<T>): Promise<T> {
    for (const { id, attempts } of rows) this.#claiming.set(id, attempts + 1);
    const committed = await commit();
    for (const { id } of rows) this.#claiming.delete(id);
    return committed;
  }

  /** The lease was lost or taken: another may have made the same intent since. */
  forgetClaims(): void {
    this.#claiming.clear();
  }

  /** When the next of them is to be judged; undefined if there is none. */
  get nextTime(): number | undefined {
    const [first] = [...this.#seen.values()].sort((one, other) => one.at - other.at);
    return first && first.at + this.#waitMs;
  }

  /**
   * Judges what has waited for long enough, by its mark where there are `marks`. Call it while nothing is on the wire here. Throws
   * what the store throws.
   */
  async recoverInterrupted(isOver: () => boolean, marks?: SendMarks): Promise<void> {
    const { store, mailbox, clock } = this.#parts;
    const waiting = new Map<string, { attempts: number; at: number }>();
    let after = '';
    for (let more = true; more && !isOver();) {
      const rows = await store.listOutgoing({ mailbox, states: ['sending'] }, { limit: PAGE, after });
      more = rows.length === PAGE;
      after = rows.at(-1)?.id ?? after;
      for (const row of rows) {
        const { id, attempts } = row;
        const mark = marks?.of(row);
        if (this.#claiming.get(id) === attempts || mark === 'not begun') {
          await this.#end(row, notBegun(row));
          this.#claiming.delete(id);
          continue;
        }
        const before = this.#seen.get(id);
        const since = before?.attempts === attempts ? before : { attempts, at: clock.now() };
        if (clock.now() - since.at < this.#waitMs) waiting.set(id, since);
        else await this.#end(row, interruptedEnding(row, mark, clock.now()));
      }
    }
    this.#seen.clear();
    for (const [id, since] of waiting) this.#seen.set(id, since);
  }
}

const INTERRUPTED: StoredError = {
  code: 'MESH_UNKNOWN_OUTCOME',
  message: 'The process ended while the message was being sent.',
};

/** As if it had not been tried. */
export const notBegun = ({ attempts }: Outgoing): Ending => ({
  change: { state: 'queued', attempts: attempts - 1 },
  event: 'not begun',
});

/** A chunked message goes on where it was; of a whole one MESH's answer may be known. */
function interruptedEnding(row: Outgoing, mark: Mark | undefined, now: number): Ending {
  if (mark?.is === 'accepted' && mark.messageId !== undefined) return accepted(row, mark.messageId, mark.at);
  if ((row.plan?.totalChunks ?? 1) === 1 && mark?.is !== 'free') return unknown(row, INTERRUPTED, now);
  return { change: { state: 'queued', nextAttemptAt: 0 }, event: 'interrupted' };
}
