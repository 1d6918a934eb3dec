/**
 * The `Authorization` header of MESH: `NHSMESH <mailbox>:<nonce>:<nonce count>:<timestamp>:<hash>`, where hash is the
 * HMAC-SHA256, keyed by the environment's shared key, of `mailbox:nonce:nonce count:password:timestamp`. A token is good
 * for one request; a reused one gets 403. Source: mesh-api.yaml, "MESH Authorization header".
 */
import { createHmac, randomUUID } from 'node:crypto';
import { compactMinutes } from './time';

/** The scheme's name, followed by one space and not by a colon. */
export const AUTHORIZATION_SCHEME = 'NHSMESH';

/** A server refuses a token whose timestamp is further than this from its own clock (milliseconds). */
export const MAX_CLOCK_SKEW_MS = 2 * 60 * 60 * 1000;

/** From here on a person is told (milliseconds): a clock that drifts goes on drifting. */
export const NOTABLE_CLOCK_SKEW_MS = 5 * 60 * 1000;

/** What a token says, without what only the two sides know. */
export interface AuthorizationToken {
  mailboxId: string;
  nonce: string;
  nonceCount: string;
  /** `yyyyMMddHHmm`, UTC. */
  timestamp: string;
  /** Hexadecimal, lower case. */
  hash: string;
}

/** Who signs. */
export interface Credentials {
  /** Taken in upper case, as MESH asks for it. */
  mailboxId: string;
  password: string;
  sharedKey: string;
}

/** The hash of a token's other parts, hexadecimal in lower case. */
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
 * The value of the `Authorization` header for one request. Make a new one for every attempt, retries included.
 * `nonce`, `nonceCount` and `now` are for tests with fixed vectors.
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

/** Written anew once a minute: it costs as much as the hash. */
function minutesOf(now: Date): string {
  const number = Math.floor(now.getTime() / 60_000);
  if (number !== lastMinute.number) Object.assign(lastMinute, { number, text: compactMinutes(now) });
  return lastMinute.text;
}

const TOKEN = new RegExp(`^${AUTHORIZATION_SCHEME} ([^:\\s]+):([^:\\s]+):(\\d+):(\\d{12}):([0-9a-fA-F]{64})$`);

/** Reads an `Authorization` header; undefined if it is none of MESH's. Checks the form only, not the hash. */
export function parseAuthorizationToken(header: string): AuthorizationToken | undefined {
  const match = TOKEN.exec(header.trim());
  if (!match) return undefined;
  const [, mailboxId = '', nonce = '', nonceCount = '', timestamp = '', hash = ''] = match;
  return { mailboxId, nonce, nonceCount, timestamp, hash: hash.toLowerCase() };
}
