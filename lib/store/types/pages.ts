/** Lists come a page at a time. */

/** A page of a list, oldest first. */
export interface Page {
  /** Maximum number of rows. */
  limit: number;
  /** The last `id` (message id, ledger sequence) of the page before. */
  after?: string;
}

/** A page of a list, newest first. */
export interface RecentPage {
  /** Maximum number of rows. */
  limit: number;
  /** The last `id` (message id) of the page before. */
  before?: string;
}
