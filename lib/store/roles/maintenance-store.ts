/** Keeping the store in order: retention, spooled payloads, the end of a sandbox, closing. */
import type { LedgerNote } from '../types/ledger';

/** How long settled messages, their payloads and the ledger are kept (milliseconds). */
export interface Retention {
  /** A settled message's payload: once its business outcome is positive, or it was collected and none is awaited. */
  settledPayloadMs: number;
  /**
   * A payload that may have to be resent: undelivered, negative, overdue, rejected. At least 30 days. That of a message
   * that is unknown or parked, and so needs or may need a decision, is kept until it is settled.
   */
  unsettledPayloadMs: number;
  /** Rows of settled messages. */
  rowsMs: number;
  ledgerMs: number;
}

/** A folder with files of a store's messages. */
export interface SpoolFolder {
  /** Absolute. */
  path: string;
  /** True if payloads that rows name may be there; false if it only has what is under way, and what a kill left of it. */
  hasPayloads: boolean;
}

export interface MaintenanceStore {
  /** Returns the keys of all mailboxes that ever sent or received anything here. */
  mailboxes(): Promise<string[]>;
  /** Applies the retention; returns the spool names that no row names any more, for deletion. */
  purge(now: number, retention: Retention): Promise<{ spoolNames: string[]; rows: number; ledgerEntries: number }>;
  /** Returns every spool name that a row names, so that a start finds the orphans of a kill. */
  spoolNames(): Promise<Set<string>>;
  /** Returns the store's own id, made with its tables: its spool folders are marked with it. */
  identity(): Promise<string>;
  /** Returns the store's spool key, by which files are named after their messages (lib/payload/spool-names.ts). */
  spoolKey(): Promise<string>;
  /** Returns the latest time that was confirmed (lib/store/trusted-time.ts); undefined in a new store. */
  trustedTime(): Promise<number | undefined>;
  /**
   * Records a confirmed time (milliseconds since 1970). An earlier one than is recorded changes nothing unless
   * `isConfirmed`: MESH's clock says so.
   */
  trustTime(time: number, isConfirmed: boolean): Promise<void>;
  /** Records a folder that is to have files of messages, so that erasing a message finds it. Repeatable. */
  addSpoolFolder(folder: SpoolFolder): Promise<void>;
  /** Returns the folders that have ever had files of messages of the store. */
  spoolFolders(): Promise<SpoolFolder[]>;
  /**
   * Closes the messages of every other instance of the sandbox than this one: they ended with it. Sent messages that
   * are under way or await an acknowledgement become `closed`; received ones that are not done become `done`. Returns
   * how many.
   */
  closeOtherInstances(mailbox: string, instance: string, note: LedgerNote): Promise<number>;
  /**
   * Returns the store's generation: a random text that it gets when it is made, and when it is copied with the command
   * line. What was noted elsewhere about another generation is not about this store.
   */
  generation(): Promise<string>;
  /** Waits for the operations under way and closes the store. Repeatable. */
  close(): Promise<void>;
}
