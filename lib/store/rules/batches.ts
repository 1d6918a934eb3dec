/** Commits that several operations share, in both back ends. */

/** Operations of one commit: more would make the first of them wait for the last one's work. */
export const MAX_BATCH = 256;

/** How often the disk was waited for. */
export interface CommitStatistics {
  /** Commits that wrote. */
  commits: number;
  /** Operations that wrote and were committed. */
  writes: number;
}
