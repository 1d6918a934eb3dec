/**
 * Messages that are `sending` in the store and are not on the wire here: a kill left them, or another instance sends
 * them. Where there are other instances, one of them may still be waiting for MESH's response, or be paused: such a
 * message is recovered only when its row has not changed for a while (docs/design.md, rule 4).
 */
import { steadyTime, type Clock } from '../clock';
import type { Outgoing, OutgoingStore, StoredError } from '../store/store';
import { accepted, unknown, type Ending } from './attempt';
import type { Mark, SendMarks } from './send-marks';

const PAGE = 100;

/** Finds the interrupted messages of one mailbox, and how the attempt of each ended. */
export class InterruptedMessages {
  readonly #parts: { store: OutgoingStore; mailbox: string; clock: Clock };
  readonly #waitMs: number;
  /** Rows that wait to be recovered: when each was first seen, and in which attempt. Steady time. */
  readonly #seen = new Map<string, { attempts: number; at: number }>();
  /** Attempts that this process intended and whose commit failed: whatever the store says, nothing of them was sent. */
  readonly #unconfirmed = new Map<string, number>();

  /** `waitMs`: for how long a row has to stay unchanged. */
  constructor(parts: { store: OutgoingStore; mailbox: string; clock: Clock }, waitMs: number) {
    this.#parts = parts;
    this.#waitMs = waitMs;
  }

  /**
   * Call it before the intent to send rows is committed: should the commit's result be lost, this process still knows
   * that nothing was sent.
   */
  intended(begun: readonly { row: Outgoing }[]): void {
    for (const { row } of begun) this.#unconfirmed.set(row.id, row.attempts + 1);
  }

  /** Call it when the commit is made. */
  confirmed(begun: readonly { row: Outgoing }[]): void {
    for (const { row } of begun) this.#unconfirmed.delete(row.id);
  }

  /**
   * Forgets the unconfirmed intents. Call it when the lease changes: another instance may have made the same intent
   * since.
   */
  forgetUnconfirmed(): void {
    this.#unconfirmed.clear();
  }

  /** When the next message can be recovered (milliseconds of the steady clock); undefined if none waits. */
  get nextTime(): number | undefined {
    const [first] = [...this.#seen.values()].sort((one, other) => one.at - other.at);
    return first && first.at + this.#waitMs;
  }

  /**
   * Yields the messages that have waited for long enough, each with the ending of its attempt, from its mark where there
   * are `marks`. Commit each ending before the next is asked for. Call it while nothing is on the wire here.
   * `isStoreBehind`: the store has lost its last changes (send-marks.ts).
   * @throws what the store throws
   */
  async *due(marks?: SendMarks, isStoreBehind = false): AsyncGenerator<{ row: Outgoing; ending: Ending }> {
    const { store, mailbox, clock } = this.#parts;
    const waiting = new Map<string, { attempts: number; at: number }>();
    let after = '';
    for (let more = true; more;) {
      const rows = await store.listOutgoing({ mailbox, states: ['sending'] }, { limit: PAGE, after });
      more = rows.length === PAGE;
      after = rows.at(-1)?.id ?? after;
      for (const row of rows) {
        const { id, attempts } = row;
        const mark = marks?.of(row);
        if (this.#unconfirmed.get(id) === attempts || mark === 'not begun') {
          yield { row, ending: notBegun(row) };
          this.#unconfirmed.delete(id);
          continue;
        }
        const before = this.#seen.get(id);
        const since = before?.attempts === attempts ? before : { attempts, at: steadyTime(clock) };
        if (steadyTime(clock) - since.at < this.#waitMs) waiting.set(id, since);
        else yield { row, ending: interruptedEnding(row, mark, isStoreBehind, clock.now()) };
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

/** The ending of an attempt of which nothing was sent: the row is as if the attempt had not been made. */
export const notBegun = ({ attempts }: Outgoing): Ending => ({
  change: { state: 'queued', attempts: attempts - 1 },
  event: 'not begun',
});

/**
 * A chunked message goes on from its last saved chunk, unless the store is behind: then MESH may have all of it. For a
 * whole message the mark may know MESH's response.
 */
function interruptedEnding(row: Outgoing, mark: Mark | undefined, isStoreBehind: boolean, now: number): Ending {
  if (mark?.is === 'accepted' && mark.messageId !== undefined) return accepted(row, mark.messageId, mark.at);
  const isWhole = (row.plan?.totalChunks ?? 1) === 1;
  if ((isWhole || isStoreBehind) && mark?.is !== 'free') return unknown(row, INTERRUPTED, now);
  return { change: { state: 'queued', nextAttemptAt: 0 }, event: 'interrupted' };
}
