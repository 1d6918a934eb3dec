/**
 * The budget for the payloads of parked messages: they are kept until a person redelivers or ends their messages, so
 * that without a limit a flow that never finishes fills the disk. Beyond it the inbox takes nothing more, and MESH keeps
 * what is listed; nothing is deleted.
 */
import { StorageError } from '../../errors';
import type { Spool } from '../../payload/spool';
import type { Store } from '../../store/store';
import type { IncomingRows } from '../incoming-rows';

/** As much as the outbox may hold (lib/send/outbox-quota.ts), in the dialog's unit. */
const DEFAULT_MAX_PARKED_BYTES = 20_000_000_000;
/** The share of the disk that they may take, of what would be free without them. */
const MAX_SHARE = 1 / 2;

/** What the budget needs of the inbox's options. */
interface ParkedBudgetOptions {
  store: Pick<Store, 'parkedBytes'>;
  storeKey: string;
  spool: Pick<Spool, 'freeBytes' | 'inDatabase'>;
  mailboxId: string;
  /** Bytes. Default: DEFAULT_MAX_PARKED_BYTES. */
  maxParkedBytes?: number;
}

/** The budget of one mailbox. */
export class ParkedBudget {
  readonly #options: ParkedBudgetOptions;
  readonly #rows: Pick<IncomingRows, 'parkedCount'>;
  /** The count of parkedCount when the bytes were last counted; undefined: count them anew. */
  #countedAt: number | undefined;
  #isExhausted = false;

  constructor(options: ParkedBudgetOptions, rows: Pick<IncomingRows, 'parkedCount'>) {
    this.#options = options;
    this.#rows = rows;
  }

  /** True while the inbox takes nothing more, as last counted. */
  get isExhausted(): boolean {
    return this.#isExhausted;
  }

  /** Called when a list of the inbox begins: messages may have been redelivered or ended, here or elsewhere. */
  beginList(): void {
    this.#countedAt = undefined;
  }

  /**
   * Checks that another message may be taken. Counts only after a list has begun, a message was parked, or it was
   * exhausted.
   * @throws StorageError when parked messages take as much as they may, or the store fails
   */
  async check(): Promise<void> {
    const { parkedCount } = this.#rows;
    if (this.#isExhausted || this.#countedAt !== parkedCount) {
      this.#isExhausted = await this.#count();
      this.#countedAt = parkedCount;
    }
    if (!this.#isExhausted) return;
    throw new StorageError(
      'Parked messages take as much space as they may: received messages stay in the MESH inbox.',
      {
        mailboxId: this.#options.mailboxId,
        advice:
          'Find out why they are parked; then redeliver them (mesh-poll, sidebar), or end them with mesh-ack. Or raise ' +
          '“Maximum parked” (maxParkedBytes), or free disk space. MESH keeps messages for five days.',
      },
    );
  }

  /** Returns whether they take all that they may. In a database the free space of its disk is not known. */
  async #count(): Promise<boolean> {
    const { store, storeKey, spool, maxParkedBytes = DEFAULT_MAX_PARKED_BYTES } = this.#options;
    const bytes = await store.parkedBytes(storeKey);
    if (bytes === 0) return false;
    if (bytes >= maxParkedBytes) return true;
    return !spool.inDatabase && bytes > (bytes + (await spool.freeBytes())) * MAX_SHARE;
  }
}
