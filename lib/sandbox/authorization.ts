/**
 * Checks the `Authorization` header of a request. Every failure is 403; the description says which rule was broken,
 * which the real MESH does not disclose. Source: mesh-api.yaml, "MESH Authorization header".
 */
import { timingSafeEqual } from 'node:crypto';
import { authorizationHash, MAX_CLOCK_SKEW_MS, parseAuthorizationToken } from '../protocol/authorization';
import { readMeshTime } from '../protocol/time';
import type { SandboxContext } from './context';
import type { RegisteredMailbox } from './mailboxes';
import { forbidden } from './refusal';

/**
 * Returns the mailbox of the path if the token is its own, fresh and unused, and marks the token as used.
 * `pathMailboxId` may be in any case; the id in the token must be in capitals.
 * @throws Refusal 403 for any other token
 */
export function authorise(
  context: SandboxContext,
  pathMailboxId: string,
  header: string | undefined,
): RegisteredMailbox {
  const token = header === undefined ? undefined : parseAuthorizationToken(header);
  if (!token) throw forbidden('Error reading from Authorization header');
  if (token.mailboxId !== pathMailboxId.toUpperCase()) throw forbidden('Mailbox id does not match token');
  const mailbox = context.mailboxes.get(token.mailboxId);
  if (!mailbox) throw forbidden('No mailbox matched');
  const { mailboxId, password } = mailbox;
  const expected = authorizationHash({ mailboxId, password, sharedKey: context.sharedKey }, token);
  if (!timingSafeEqual(Buffer.from(expected), Buffer.from(token.hash))) throw forbidden('Invalid Authentication Token');
  const time = readMeshTime(token.timestamp);
  const now = context.clock.ms();
  if (!time || !isFresh(time.getTime(), now)) {
    throw forbidden('Invalid Authentication Token: its timestamp is not within 2 hours of the server time');
  }
  if (!mailbox.active) throw forbidden('Request Received from Inactive Mailbox');
  if (!context.usedTokens.use(mailboxId, token.nonce, token.nonceCount, now)) {
    throw forbidden('Error Duplicated Authentication Token');
  }
  return mailbox;
}

/** Returns whether the time is within the limit. A token has whole minutes, so a started minute counts. */
function isFresh(time: number, now: number): boolean {
  return time <= now + MAX_CLOCK_SKEW_MS && time >= now - MAX_CLOCK_SKEW_MS - 60_000;
}
