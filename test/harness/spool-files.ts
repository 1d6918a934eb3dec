/** The payloads in a spool folder. */
import { readdir } from 'node:fs/promises';

/** Returns the names of a spool folder's files, without its mark and its quarantine. */
export async function spooledIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name !== 'mesh-spool.json' && name !== 'quarantine');
}
