/** An acknowledgement by the recipient's system settles an outcome of the message that it answers. */
import type { LedgerEntry, Outcome, Outgoing, OutgoingState, Store } from './store';

/** What an acknowledgement says. */
export interface Answer {
  /** `infrastructure`: the recipient's system has taken the message (or refused it). `business`: somebody has dealt with it. */
  kind: 'infrastructure' | 'business';
  outcome: 'positive' | 'partial' | 'negative';
  /** For the ledger: codes and ids only, no patient data. */
  detail?: LedgerEntry['detail'];
}

/** Which outcomes an answer takes the place of. A late one still settles; a negative one is final (DESIGN.md, "Words"). */
const REPLACES: Record<Answer['outcome'], readonly Outcome[]> = {
  positive: ['not-asked', 'awaited', 'overdue', 'partial'],
  partial: ['not-asked', 'awaited', 'overdue'],
  negative: ['not-asked', 'awaited', 'overdue', 'partial', 'positive'],
};

/** An answer proves that the message arrived: whatever we think of it, the outcome is recorded. */
const ANY_STATE: readonly OutgoingState[] = [
  'queued',
  'sending',
  'accepted',
  'acknowledged',
  'undelivered',
  'rejected',
  'unknown',
  'parked',
  'closed',
];

/**
 * Settles the outcome, with a line in the ledger: event `infrastructure positive`, `business negative` and so on. Gives the
 * row as it is now; undefined where the outcome was settled before, so that a repeated answer changes and tells nothing.
 */
export function settleOutcome(
  store: Pick<Store, 'changeOutgoing'>,
  id: string,
  { kind, outcome, detail }: Answer,
  time: number,
): Promise<Outgoing | undefined> {
  const change =
    kind === 'business' ? { business: outcome, businessBy: null } : { infrastructure: outcome, infrastructureBy: null };
  const note = { event: `${kind} ${outcome}`, time, ...(detail && { detail }) };
  return store.changeOutgoing(id, ANY_STATE, change, note, { [kind]: REPLACES[outcome] });
}
