/** What a person who looks at a mailbox asks of its store: newest first, a page at a time, and never a count over everything. */

/** Pages of a list, newest first. */
export interface RecentPage {
  /** Rows at the most. */
  limit: number;
  /** The last `id` (or message id) of the page before. */
  before?: string;
}

/** How many there are, each counted up to a limit: whoever sees the limit knows that there are at least so many. */
export interface Attention {
  /** Sent; not collected or not answered in time, and not ended otherwise. */
  overdue: number;
  /** Received, by state. */
  spooled: number;
  acknowledged: number;
  delivered: number;
  parked: number;
}

/** What went through a mailbox in a span of time. */
export interface Activity {
  /** Accepted by MESH. */
  sent: { messages: number; bytes: number };
  /** Safe in the store. */
  received: { messages: number; bytes: number };
  /** From accepted to acknowledged (milliseconds), of those that were acknowledged in this span. */
  collected: { messages: number; totalMs: number; longestMs: number };
}
