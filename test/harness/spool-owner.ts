import type { Store } from '../../lib/store/store';

/** Returns what a spool folder's owner says to open it. */
export async function ownerOf(store: Pick<Store, 'identity' | 'spoolKey'>): Promise<{ store: string; key: string }> {
  return { store: await store.identity(), key: await store.spoolKey() };
}
