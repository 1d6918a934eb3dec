/** How far the sender of a mailbox has come, as the store and the send marks beside it count. */
export interface SendingProgress {
  /** Commits that had intents or endings of the sender, since the store was made. */
  commits: number;
  /** Attempts that were begun before the last of these commits, since the store was made. */
  begun: number;
}
