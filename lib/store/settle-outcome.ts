/** An acknowledgement of the recipient's system settles an outcome of the message that it names. */
import { OUTGOING_STATES } from '../message-states';
import type { LedgerEntry, Outcome, Outgoing, OutgoingStore } from './store';

/** What an acknowledgement says about the message that it names. */
export interface AcknowledgedOutcome {
  /** `infrastructure`: the recipient's system has taken or refused the message. `business`: it has been dealt with. */
  kind: 'infrastructure' | 'business';
  outcome: 'positive' | 'partial' | 'negative';
  /** For the ledger: codes and ids only, no patient data. */
  detail?: LedgerEntry['detail'];
}

/**
 * The outcomes that an acknowledgement, or a reply of a stage, replaces. A late one still settles; a negative one is final (docs/design.md,
 * States and outcomes).
 */
export const REPLACES: Record<AcknowledgedOutcome['outcome'], readonly Outcome[]> = {
  positive: ['not-asked', 'awaited', 'overdue', 'partial'],
  partial: ['not-asked', 'awaited', 'overdue'],
  negative: ['not-asked', 'awaited', 'overdue', 'partial', 'positive'],
};

/**
 * Settles the outcome in any state: an acknowledgement proves that the message arrived, whatever its state says. Writes
 * a line into the ledger: event `infrastructure positive`, `business negative` and so on. Returns the row as it is now;
 * undefined if the outcome was settled before, so that a repeated acknowledgement changes nothing and is not reported.
 */
export function settleOutcome(
  store: OutgoingStore,
  id: string,
  { kind, outcome, detail }: AcknowledgedOutcome,
  time: number,
): Promise<Outgoing | undefined> {
  const change =
    kind === 'business' ? { business: outcome, businessBy: null } : { infrastructure: outcome, infrastructureBy: null };
  const note = { event: `${kind} ${outcome}`, time, ...(detail && { detail }) };
  return store.changeOutgoing(id, OUTGOING_STATES, change, note, { [kind]: REPLACES[outcome] });
}
