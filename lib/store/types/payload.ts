/** Where the bytes of a message are kept. */

/** In the row itself, in the spool, or in a file of the user's that must not change. */
export type StoredPayload =
  | { kind: 'inline'; bytes: Uint8Array }
  /** A name within the spool folder, or in the database where large payloads are kept there. */
  | { kind: 'spool'; name: string }
  | { kind: 'file'; path: string; size: number; mtimeMs: number; ino: number };
