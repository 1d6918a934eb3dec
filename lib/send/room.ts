/** Whether the outbox has room for one more message. What is being taken in counts, so that many at once keep the limits. */
import { OutboxFullError } from '../errors';
import { MIN_FREE_BYTES } from '../payload/disk-room';
import type { Spool } from '../payload/spool';
import type { Store } from '../store/store';
import type { OutboxLimits } from './outbox-types';

const DEFAULTS: Required<OutboxLimits> = {
  maxMessages: 100_000,
  maxBytes: 20 * 1024 ** 3,
  minFreeBytes: MIN_FREE_BYTES,
};
const ADVICE = 'Find out why nothing is sent (status, mesh-track), or raise the limits of the outbox.';

/** The room of one mailbox's outbox. */
export class Room {
  readonly #limits: Required<OutboxLimits>;
  readonly #parts: { store: Store; spool: Spool; mailbox: string };
  /** Admitted, and not yet in the store. */
  #messages = 0;
  #bytes = 0;

  constructor(parts: { store: Store; spool: Spool; mailbox: string }, limits: OutboxLimits = {}) {
    this.#parts = parts;
    this.#limits = { ...DEFAULTS, ...limits };
  }

  /** Runs `take` if there is room for a message of so many bytes of our own; else throws OutboxFullError. */
  async take<T>(bytes: number, take: () => Promise<T>): Promise<T> {
    const { store, spool, mailbox } = this.#parts;
    const [counted, free] = await Promise.all([store.countOutgoing(mailbox), spool.freeBytes()]);
    const { queued, sending, unknown, parked } = counted.messages;
    const { maxMessages, maxBytes, minFreeBytes } = this.#limits;
    const waiting = queued + sending + unknown + parked + this.#messages;
    if (waiting >= maxMessages) throw full(`${waiting} messages wait`);
    const waitingBytes = counted.pendingBytes + this.#bytes;
    if (waitingBytes + bytes > maxBytes) throw full(`${waitingBytes} bytes wait, and it has ${bytes} more`);
    if (free - this.#bytes - bytes < minFreeBytes) {
      throw full(`the disk has only ${free} bytes left`, 'Make room on the disk of the outbox.');
    }
    this.#messages += 1;
    this.#bytes += bytes;
    try {
      return await take();
    } finally {
      this.#messages -= 1;
      this.#bytes -= bytes;
    }
  }
}

function full(why: string, advice = ADVICE): OutboxFullError {
  return new OutboxFullError(`The outbox is full: ${why}. The message was not taken.`, { advice });
}
