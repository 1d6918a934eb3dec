/** Where the bytes of a message are kept. */

/**
 * In the row itself, in the spool, or in a file of the user's that must not change.
 *
 * `digest`: of a message to send, hexadecimal (payload/block-digests.ts); a payload in the spool has its list at its
 * end. A received message has its SHA-256 in its row instead.
 */
export type StoredPayload =
  | { kind: 'inline'; bytes: Uint8Array; digest?: string }
  /** A name within the spool folder, or in the database where large payloads are kept there. */
  | { kind: 'spool'; name: string; digest?: string }
  | { kind: 'file'; path: string; size: number; mtimeMs: number; ino: number; ctimeMs?: number };
