/** The key by which a store names the files of its messages (lib/payload/spool-names.ts). */
import { randomBytes } from '../../random';

/** Returns the spool key of a new store: 32 random bytes, in hexadecimal. */
export function newSpoolKey(): string {
  return randomBytes(32).toString('hex');
}
