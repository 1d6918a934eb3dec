/** The payloads in a spool folder. */
import { readdir } from 'node:fs/promises';
import type { DurableMailbox, Storage } from '../../lib/index';
import { sentName } from '../../lib/payload/spool-names';

/** Returns the names of a spool folder's files, without its mark and its quarantine. */
export async function spooledIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name !== 'mesh-spool.json' && name !== 'quarantine');
}

/** Returns the path of a sent message's large payload. */
export function sentPayload(
  mailbox: Pick<DurableMailbox, 'storeKey'>,
  { spool }: Pick<Storage, 'spool'>,
  id: string,
): string {
  return spool.path(sentName(spool.tag(mailbox.storeKey, id)));
}
