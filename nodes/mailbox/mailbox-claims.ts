/**
 * Assigns each mailbox to one config node. Two would poll and send against each other, deliver the same message twice
 * and acknowledge it twice, so the second one is refused with an error. The one that had the mailbox last keeps it at a
 * deploy, whichever opens first.
 */
interface Claim {
  configId: string;
  /** Resolves when the mailbox is free again. */
  freed: PromiseWithResolvers<void>;
  /** Set when the owner closes: resolves when all its work has ended. */
  ending?: Promise<unknown>;
}

const claims = new Map<string, Claim>();
/** The config node that had each mailbox last. */
const lastOwners = new Map<string, string>();

/**
 * The result of {@link claimMailbox}: whether the config node has the mailbox; otherwise the id of the one that has it,
 * and a promise that resolves when that is gone.
 */
export type MailboxClaim = { isMine: true } | { isMine: false; owner: string; freed: Promise<void> };

/**
 * Claims a mailbox of an environment for a config node. Waits until an owner that is closing has ended: it may still be
 * sending when Node-RED has given up waiting for it.
 * @param rivals config nodes of the same mailbox, this one included, in the order of the flow file
 * @param settled resolves when a deploy that is under way has ended
 */
export async function claimMailbox(
  environment: string,
  mailboxId: string,
  configId: string,
  { rivals, settled }: { rivals: readonly string[]; settled: () => Promise<void> },
): Promise<MailboxClaim> {
  const key = `${environment} ${mailboxId}`;
  const last = lastOwners.get(key);
  const first = last !== undefined && rivals.includes(last) ? last : rivals[0];
  // It claims the mailbox in this deploy, unless no node uses it.
  if (first !== undefined && first !== configId) await settled();
  for (;;) {
    const claim = claims.get(key);
    if (claim === undefined) {
      claims.set(key, { configId, freed: Promise.withResolvers() });
      lastOwners.set(key, configId);
      return { isMine: true };
    }
    if (claim.ending === undefined) {
      return claim.configId === configId
        ? { isMine: true }
        : { isMine: false, owner: claim.configId, freed: claim.freed.promise };
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
