/**
 * Assigns each mailbox to one config node. Two would poll and send against each other, deliver the same message twice
 * and acknowledge it twice, so the second one is refused with an error.
 */
interface Claim {
  configId: string;
  /** Resolves when the mailbox is free again. */
  freed: PromiseWithResolvers<void>;
  /** Set when the owner closes: resolves when all its work has ended. */
  ending?: Promise<unknown>;
}

const claims = new Map<string, Claim>();

/** The result of {@link claimMailbox}. `freed` resolves when the config node that has the mailbox is gone. */
export type MailboxClaim = { isMine: true } | { isMine: false; freed: Promise<void> };

/**
 * Claims a mailbox of an environment for a config node. Waits until an owner that is closing has ended: it may still be
 * sending when Node-RED has given up waiting for it.
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

/** Releases every claim of the config node when `ending` resolves; `ending` must not reject. */
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
