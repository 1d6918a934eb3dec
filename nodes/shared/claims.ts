/**
 * Which config node has which mailbox. Two would poll and send against each other: each message would be delivered by
 * either, and acknowledged twice. So the second is refused, in words, rather than let loose.
 */
interface Claim {
  configId: string;
  /** Set when its owner is closed: resolves when nothing of it runs any more. */
  ending?: Promise<unknown>;
}

const claims = new Map<string, Claim>();

/**
 * Resolves to false if another config node has that mailbox of that environment. Waits for a former owner to end: it may
 * still be sending when Node-RED has given up waiting for it.
 */
export async function claimMailbox(environment: string, mailboxId: string, configId: string): Promise<boolean> {
  const key = `${environment} ${mailboxId}`;
  for (;;) {
    const claim = claims.get(key);
    if (claim === undefined) {
      claims.set(key, { configId });
      return true;
    }
    if (claim.ending === undefined) return claim.configId === configId;
    await claim.ending;
  }
}

/** Gives back whatever the config node has claimed, as soon as `ending` has resolved; it never rejects. */
export function releaseClaims(configId: string, ending: Promise<unknown>): void {
  for (const [key, claim] of claims) {
    if (claim.configId !== configId || claim.ending !== undefined) continue;
    claim.ending = freeAfter(ending, key, claim);
  }
}

async function freeAfter(ending: Promise<unknown>, key: string, claim: Claim): Promise<void> {
  await ending;
  if (claims.get(key) === claim) claims.delete(key);
}
