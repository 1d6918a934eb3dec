/** The ledger: every transition writes its own line; here are the other lines, and the reading. */
import type { LedgerEntry } from '../types/ledger';
import type { Page } from '../types/pages';

export interface LedgerStore {
  /** Adds a line that belongs to no change. */
  note(entry: Omit<LedgerEntry, 'sequence'>): Promise<void>;
  /** Returns one message's whole history, oldest first, by our id or MESH's. */
  history(mailbox: string, reference: string): Promise<LedgerEntry[]>;
  /**
   * Returns the lines since a time whose events are shown as conditions for a day (lib/store/rules/condition-events.ts),
   * in order of time.
   */
  conditionEvents(mailbox: string, since: number): Promise<LedgerEntry[]>;
  /** Lists the lines of a mailbox between two times (`to` excluded), in order of time, for an export. */
  ledger(mailbox: string, between: { from: number; to: number }, page: Page): Promise<LedgerEntry[]>;
}
