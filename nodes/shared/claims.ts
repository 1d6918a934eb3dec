/**
 * Which config node has which mailbox. Two would poll against each other: each message would be delivered by either, and
 * acknowledged twice. So the second is refused, in words, rather than let loose.
 */
const claims = new Map<string, string>();

/** @returns false if another config node has that mailbox of that environment. */
export function claimMailbox(environment: string, mailboxId: string, configId: string): boolean {
  const key = `${environment} ${mailboxId}`;
  const owner = claims.get(key) ?? configId;
  claims.set(key, owner);
  return owner === configId;
}

/** Gives back whatever the config node has claimed. */
export function releaseClaims(configId: string): void {
  for (const [key, owner] of claims) if (owner === configId) claims.delete(key);
}
