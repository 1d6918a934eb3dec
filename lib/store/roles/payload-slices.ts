/**
 * Large payloads in the store itself, under names that are never used again. Once a method has resolved, its effect is
 * committed.
 */
export interface PayloadSlices {
  /**
   * Writes a payload and returns its bytes. A failure leaves nothing behind, or what the retention removes.
   * @throws StorageError when the store fails; whatever `pieces` throws
   */
  write(name: string, pieces: AsyncIterable<Buffer>): Promise<number>;
  /** Reads the bytes from `start` up to, not including, `end`; fewer if the payload ends before. */
  read(name: string, start: number, end: number): AsyncIterable<Buffer>;
  has(name: string): Promise<boolean>;
  /** Returns the names that begin so, also those that no row names. */
  beginningWith(prefix: string): Promise<string[]>;
  /** Removes payloads. A name that is not there is ignored. */
  remove(names: readonly string[]): Promise<void>;
}
