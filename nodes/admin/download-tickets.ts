/**
 * Tickets for downloads. A browser streams to the disk only what it fetches by itself, as a link or a navigation; such a request
 * can carry neither the user's token nor the editor's header (shared/admin.ts). So a guarded POST, with both, gives a ticket for
 * one file, and the browser's own GET shows it:
 *
 * - 256 random bits; of what is kept here only the hash is compared, so that no timing tells one;
 * - good once: it is taken out before anything is done with it, so that of two requests one is refused;
 * - good for half a minute, on this Node-RED, for the file and the user that it was given for and no other;
 * - worth nothing to another site: it cannot read the POST's answer, and knows no ticket.
 *
 * It stands in a URL, and so perhaps in a proxy's log: by then it has been used, or is too old.
 */
import { createHash, randomBytes } from 'node:crypto';

/** What a ticket is good for. */
export interface Ticket {
  /** Path of the download, below the editor's root. */
  readonly path: string;
  /** Whose name the ledger gets; undefined where nobody was asked. */
  readonly user: string | undefined;
}

/** From click to request it is less than a second; a slow browser may ask somebody for a folder before. */
export const TICKET_MS = 30_000;
/** Each is some hundred bytes; nobody has more clicks open. */
const MOST = 1000;

const hashOf = (ticket: string): string => createHash('sha256').update(ticket).digest('hex');

/** Tickets of one process. */
export class DownloadTickets {
  readonly #open = new Map<string, Ticket & { until: number }>();
  readonly #now: () => number;

  /** @param now milliseconds; a test's own clock */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A new ticket, as text for a URL. */
  give({ path, user }: Ticket): string {
    this.#forget();
    const ticket = randomBytes(32).toString('base64url');
    this.#open.set(hashOf(ticket), { path, user, until: this.#now() + TICKET_MS });
    return ticket;
  }

  /** Uses a ticket up. Undefined where it was used already, is too old, or is for another path: then too it is used up. */
  take(ticket: string, path: string): Ticket | undefined {
    this.#forget();
    const key = hashOf(ticket);
    const found = this.#open.get(key);
    this.#open.delete(key);
    return found?.path === path ? { path, user: found.user } : undefined;
  }

  #forget(): void {
    const now = this.#now();
    for (const [key, { until }] of this.#open) {
      // The oldest is first.
      if (until > now && this.#open.size < MOST) return;
      this.#open.delete(key);
    }
  }
}
