/**
 * MESH's `Authorization` header: `NHSMESH <mailbox>:<nonce>:<nonce count>:<timestamp>:<hash>`, where hash is the
 * HMAC-SHA256, keyed by the environment's shared key, of `mailbox:nonce:nonce count:password:timestamp`. A token is
 * valid for one request; a reused one gets 403. Source: mesh-api.yaml, "MESH Authorization header".
 */
import { createHmac, randomUUID } from 'node:crypto';
import { compactMinutes } from './time';

/** The scheme's name; one space follows it, not a colon. */
const AUTHORIZATION_SCHEME = 'NHSMESH';

/** The largest difference between a token's timestamp and the server's clock that the server accepts (milliseconds). */
export const MAX_CLOCK_SKEW_MS = 2 * 60 * 60 * 1000;

/** The clock skew from which we warn (milliseconds): a clock that drifts keeps drifting. */
export const NOTABLE_CLOCK_SKEW_MS = 5 * 60 * 1000;

/** The parts of a token. The password and the shared key are in its hash only. */
interface AuthorizationToken {
  mailboxId: string;
  nonce: string;
  nonceCount: string;
  /** `yyyyMMddHHmm`, UTC. */
  timestamp: string;
  /** Hexadecimal, lower case. */
  hash: string;
}

/** The mailbox that signs, and the secrets it signs with. */
export interface Credentials {
  /** Used in upper case, as MESH requires. */
  mailboxId: string;
  password: string;
  sharedKey: string;
}

/** Returns the hash of a token's other parts, in lower-case hexadecimal. */
export function authorizationHash(
  credentials: Credentials,
  token: Omit<AuthorizationToken, 'hash' | 'mailboxId'>,
): string {
  const signed = [
    credentials.mailboxId.toUpperCase(),
    token.nonce,
    token.nonceCount,
    credentials.password,
    token.timestamp,
  ].join(':');
  return createHmac('sha256', credentials.sharedKey).update(signed).digest('hex');
}

/**
 * Returns the value of the `Authorization` header for one request. Every attempt needs a new one, retries included.
 * `nonce`, `nonceCount` and `now` have defaults; tests with fixed vectors set them.
 */
export function authorizationToken(
  credentials: Credentials,
  { nonce = randomUUID(), nonceCount = 0, now = new Date() }: { nonce?: string; nonceCount?: number; now?: Date } = {},
): string {
  const parts = { nonce, nonceCount: String(nonceCount), timestamp: minutesOf(now) };
  const hash = authorizationHash(credentials, parts);
  const mailboxId = credentials.mailboxId.toUpperCase();
  return `${AUTHORIZATION_SCHEME} ${[mailboxId, parts.nonce, parts.nonceCount, parts.timestamp, hash].join(':')}`;
}

const lastMinute = { number: Number.NaN, text: '' };

/** Formats the timestamp once a minute: formatting costs as much as the hash. */
function minutesOf(now: Date): string {
  const number = Math.floor(now.getTime() / 60_000);
  if (number !== lastMinute.number) Object.assign(lastMinute, { number, text: compactMinutes(now) });
  return lastMinute.text;
}

const TOKEN = new RegExp(`^${AUTHORIZATION_SCHEME} ([^:\\s]+):([^:\\s]+):(\\d+):(\\d{12}):([0-9a-fA-F]{64})$`);

/** Parses an `Authorization` header; undefined unless it has MESH's form. The hash is not verified. */
export function parseAuthorizationToken(header: string): AuthorizationToken | undefined {
  const match = TOKEN.exec(header.trim());
  if (!match) return undefined;
  const [, mailboxId = '', nonce = '', nonceCount = '', timestamp = '', hash = ''] = match;
  return { mailboxId, nonce, nonceCount, timestamp, hash: hash.toLowerCase() };
}
