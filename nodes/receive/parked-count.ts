/**
 * Counts a mailbox's parked messages for the status of mesh-poll: after a change of the inbox, at most once in a second.
 */
import type { PollerState } from '../../lib/index';
import type { MailboxUser } from '../mailbox/mailbox-user';

const EVERY_MS = 1000;

/** The count for one node. */
export class ParkedCount {
  readonly #mailbox: MailboxUser;
  readonly #show: (count: number) => void;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(mailbox: MailboxUser, show: (count: number) => void) {
    this.#mailbox = mailbox;
    this.#show = show;
  }

  /** Counts soon. While the inbox works its status is shown instead, and nothing is counted. */
  changed(state: Pick<PollerState, 'polling'>): void {
    if (state.polling || this.#isClosed) return;
    this.#timer ??= setTimeout(() => void this.#count(), EVERY_MS).unref();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Never rejects: the mailbox itself reports a store that fails. */
  async #count(): Promise<void> {
    try {
      const { attention } = await this.#mailbox.run(({ mailbox }) => mailbox.operator.counts());
      if (!this.#isClosed) this.#show(attention.parked);
    } catch {
      // Counted again after the next change.
    } finally {
      this.#timer = undefined;
    }
  }
}
