/** Whether the outbox has room for one more message. What is being taken in counts, so that many at once keep the limits. */
import { OutboxFullError } from '../errors';
import { DiskSpace, MIN_FREE_BYTES } from '../payload/disk-space';
import type { Spool } from '../payload/spool';
import type { OutgoingCounts, Store } from '../store/store';
import type { OutboxLimits } from './outbox-types';

const DEFAULTS: Required<OutboxLimits> = {
  maxMessages: 100_000,
  maxBytes: 20 * 1024 ** 3,
  minFreeBytes: MIN_FREE_BYTES,
};
const ADVICE = 'Find out why nothing is sent (status, mesh-track), or raise the limits of the outbox.';

/** The room of one mailbox's outbox. */
export class OutboxQuota {
  readonly #limits: Required<OutboxLimits>;
  readonly #parts: { store: Store; spool: Spool; mailbox: string };
  readonly #disk: DiskSpace;
  /** Admitted, and not yet in the store. */
  #messages = 0;
  #bytes = 0;
  /** Since the start. */
  readonly #added = { messages: 0, bytes: 0 };
  /** What waited when it was counted last, less what had been added by then. Nothing but adding makes it more. */
  #base: { messages: number; bytes: number } | undefined;

  constructor(parts: { store: Store; spool: Spool; mailbox: string }, limits: OutboxLimits = {}) {
    this.#parts = parts;
    this.#limits = { ...DEFAULTS, ...limits };
    this.#disk = new DiskSpace(() => parts.spool.freeBytes(), this.#limits.minFreeBytes);
  }

  /** Runs `take` if there is room for a message of so many bytes of our own; else throws OutboxFullError. */
  async take<T>(bytes: number, take: () => Promise<T>): Promise<T> {
    const disk = this.#disk.has(this.#bytes + bytes);
    const hasSpace = disk === true || (await disk);
    if (!this.#isKnownToFit(bytes)) await this.#count();
    // From here to the next await, so that many at once keep the limits.
    this.#require(bytes);
    if (!hasSpace) throw full('the disk has too little room left', 'Make room on the disk of the outbox.');
    this.#disk.take(bytes);
    this.#messages += 1;
    this.#bytes += bytes;
    try {
      return await take();
    } finally {
      this.#messages -= 1;
      this.#bytes -= bytes;
      this.#added.messages += 1;
      this.#added.bytes += bytes;
    }
  }

  /** At the most. */
  get #waiting(): { messages: number; bytes: number } {
    const base = this.#base ?? { messages: 0, bytes: 0 };
    return {
      messages: base.messages + this.#added.messages + this.#messages,
      bytes: base.bytes + this.#added.bytes + this.#bytes,
    };
  }

  /** Then the store need not count, which is a round trip for each message. Where others add to it as well, it has to. */
  #isKnownToFit(bytes: number): boolean {
    const { messages, bytes: waitingBytes } = this.#waiting;
    const { maxMessages, maxBytes } = this.#limits;
    const isKnown = this.#base !== undefined && !this.#parts.store.isShared;
    return isKnown && messages < maxMessages && waitingBytes + bytes <= maxBytes;
  }

  async #count(): Promise<void> {
    const { store, mailbox } = this.#parts;
    // What is added while it is counted may be in it or not: it counts.
    const before = { ...this.#added };
    const counted = pending(await store.countOutgoing(mailbox));
    this.#base = { messages: counted.messages - before.messages, bytes: counted.bytes - before.bytes };
  }

  #require(bytes: number): void {
    const { messages, bytes: waitingBytes } = this.#waiting;
    const { maxMessages, maxBytes } = this.#limits;
    if (messages >= maxMessages) throw full(`${messages} messages wait`);
    if (waitingBytes + bytes > maxBytes) throw full(`${waitingBytes} bytes wait, and it has ${bytes} more`);
  }
}

function pending({ messages, pendingBytes }: OutgoingCounts): { messages: number; bytes: number } {
  const { queued, sending, unknown, parked } = messages;
  return { messages: queued + sending + unknown + parked, bytes: pendingBytes };
}

function full(why: string, advice = ADVICE): OutboxFullError {
  return new OutboxFullError(`The outbox is full: ${why}. The message was not taken.`, { advice });
}
