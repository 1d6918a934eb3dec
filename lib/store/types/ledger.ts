/** The ledger: what happened to which message, and when. */

/** One line of the ledger. Never a payload, patient data or a user's free text. */
export interface LedgerEntry {
  readonly sequence: number;
  /** Milliseconds since 1970, UTC. */
  readonly time: number;
  readonly mailbox: string;
  readonly direction: 'out' | 'in';
  /** `Outgoing.id`, or the message id of a received message. */
  readonly reference: string;
  /** MESH's id, if it was known by then. */
  readonly messageId: string | null;
  readonly event: string;
  /** Numbers, codes and ids only. */
  readonly detail: Record<string, string | number | boolean | null>;
}

/** What a transition writes into the ledger. */
export interface LedgerNote {
  event: string;
  time: number;
  detail?: LedgerEntry['detail'];
}
