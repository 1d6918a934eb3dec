/**
 * Which config node has which mailbox. Two would poll and send against each other: each message would be delivered by
 * either, and acknowledged twice. So the second is refused, in words, rather than let loose.
 */
interface Claim {
  configId: string;
  /** Resolves when the mailbox is free again. */
  freed: PromiseWithResolvers<void>;
  /** Set when its owner is closed: resolves when nothing of it runs any more. */
  ending?: Promise<unknown>;
}

const claims = new Map<string, Claim>();

/** What {@link claimMailbox} found: `freed` resolves when the config node that has the mailbox is gone. */
export type MailboxClaim = { isMine: true } | { isMine: false; freed: Promise<void> };

/**
 * Claims a mailbox of an environment for a config node. Waits for a former owner to end: it may still be sending when
 * Node-RED has given up waiting for it.
 */
export async function claimMailbox(environment: string, mailboxId: string, configId: string): Promise<MailboxClaim> {
  const key = `${environment} ${mailboxId}`;
  for (;;) {
    const claim = claims.get(key);
    if (claim === undefined) {
      claims.set(key, { configId, freed: Promise.withResolvers() });
      return { isMine: true };
    }
    if (claim.ending === undefined) {
      return claim.configId === configId ? { isMine: true } : { isMine: false, freed: claim.freed.promise };
    }
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
  claim.freed.resolve();
}
