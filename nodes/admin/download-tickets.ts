/**
 * Tickets for downloads. A browser streams to disk only what it requests by itself, by a link or a navigation, and such
 * a request carries neither the user's token nor the editor's header (endpoints.ts). So a guarded POST, which has both,
 * issues a ticket for one file, and the browser's own GET presents it. A ticket
 *
 * - has 256 random bits; only hashes are stored and compared, so that timing reveals none;
 * - works once: it is removed before it is used, so that the second of two requests is refused;
 * - works for half a minute, on this Node-RED, for one file and one user;
 * - is of no use to another site, which cannot read the POST's response.
 *
 * A ticket is part of a URL, and so perhaps of a proxy's log: by then it has been used or has expired.
 */
import { createHash, randomBytes } from 'node:crypto';

/** The permission that a ticket carries. */
export interface Ticket {
  /** Path of the download below the editor's root. */
  readonly path: string;
  /** User for the ledger; undefined when Node-RED has no authentication. */
  readonly user: string | undefined;
}

/** A request follows the click within a second; a browser that first asks for a folder takes longer. */
export const TICKET_MS = 30_000;
/** Maximum number of unused tickets, of some hundred bytes each. */
const MAX_OPEN = 1000;

const hashOf = (ticket: string): string => createHash('sha256').update(ticket).digest('hex');

/** The unused tickets of one endpoint. */
export class DownloadTickets {
  readonly #open = new Map<string, Ticket & { until: number }>();
  readonly #now: () => number;

  /** @param now steady time in milliseconds, for tests */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Returns a new ticket, as text for a URL. */
  issue({ path, user }: Ticket): string {
    this.#expire();
    const ticket = randomBytes(32).toString('base64url');
    this.#open.set(hashOf(ticket), { path, user, until: this.#now() + TICKET_MS });
    return ticket;
  }

  /** Uses a ticket up. Returns undefined when it was used before, has expired, or is for another path. */
  redeem(ticket: string, path: string): Ticket | undefined {
    this.#expire();
    const key = hashOf(ticket);
    const found = this.#open.get(key);
    this.#open.delete(key);
    return found?.path === path ? { path, user: found.user } : undefined;
  }

  #expire(): void {
    const now = this.#now();
    for (const [key, { until }] of this.#open) {
      // The oldest comes first.
      if (until > now && this.#open.size < MAX_OPEN) return;
      this.#open.delete(key);
    }
  }
}
