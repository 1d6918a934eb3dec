/** The limits of one outbox. Messages that are just being added count, so that many at once keep the limits too. */
import { OutboxFullError } from '../errors';
import { PENDING } from '../message-states';
import { DiskSpace, MIN_FREE_BYTES } from '../payload/disk-space';
import type { Spool } from '../payload/spool';
import type { InstancesStore, OutgoingCounts, OutgoingStore } from '../store/store';
import type { OutboxLimits } from './outbox-types';

const DEFAULTS: Required<OutboxLimits> = {
  maxMessages: 100_000,
  maxBytes: 20 * 1024 ** 3,
  minFreeBytes: MIN_FREE_BYTES,
};
const ADVICE = 'Find out why messages are not sent (node status, mesh-track), or raise the limits of the outbox.';

/** The quota of one mailbox's outbox. */
export class OutboxQuota {
  readonly #limits: Required<OutboxLimits>;
  readonly #parts: { store: OutgoingStore & InstancesStore; spool: Spool; mailbox: string };
  readonly #disk: DiskSpace;
  /** Messages and bytes admitted and not yet in the store. */
  #messages = 0;
  #bytes = 0;
  /** Messages and bytes added since the start. */
  readonly #added = { messages: 0, bytes: 0 };
  /** What was pending at the last count, less what had been added by then. Only adding makes it grow. */
  #base: { messages: number; bytes: number } | undefined;

  constructor(
    parts: { store: OutgoingStore & InstancesStore; spool: Spool; mailbox: string },
    limits: OutboxLimits = {},
  ) {
    this.#parts = parts;
    this.#limits = { ...DEFAULTS, ...limits };
    this.#disk = new DiskSpace(() => parts.spool.freeBytes(), this.#limits.minFreeBytes);
  }

  /**
   * Runs `add` if the outbox may take a message that needs this many bytes of storage.
   * @throws OutboxFullError when a limit is reached or the disk is nearly full
   */
  async admit<T>(bytes: number, add: () => Promise<T>): Promise<T> {
    const disk = this.#disk.has(this.#bytes + bytes);
    const hasSpace = disk === true || (await disk);
    if (!this.#isKnownToFit(bytes)) await this.#count();
    // No await between this check and the counting, so that many at once keep the limits.
    this.#require(bytes);
    if (!hasSpace) throw full('the disk is nearly full', 'Free space on the disk of the outbox.');
    this.#disk.take(bytes);
    this.#messages += 1;
    this.#bytes += bytes;
    try {
      return await add();
    } finally {
      this.#messages -= 1;
      this.#bytes -= bytes;
      this.#added.messages += 1;
      this.#added.bytes += bytes;
    }
  }

  /** An upper bound of what is pending. */
  get #pending(): { messages: number; bytes: number } {
    const base = this.#base ?? { messages: 0, bytes: 0 };
    return {
      messages: base.messages + this.#added.messages + this.#messages,
      bytes: base.bytes + this.#added.bytes + this.#bytes,
    };
  }

  /** True if the store need not count, which costs a round trip. Where other instances add messages too, it has to. */
  #isKnownToFit(bytes: number): boolean {
    const { messages, bytes: pendingBytes } = this.#pending;
    const { maxMessages, maxBytes } = this.#limits;
    const isKnown = this.#base !== undefined && !this.#parts.store.isShared;
    return isKnown && messages < maxMessages && pendingBytes + bytes <= maxBytes;
  }

  async #count(): Promise<void> {
    const { store, mailbox } = this.#parts;
    // A message that is added during the count may be in it or not: it counts twice rather than not at all.
    const before = { ...this.#added };
    const counted = pending(await store.countOutgoing(mailbox));
    this.#base = { messages: counted.messages - before.messages, bytes: counted.bytes - before.bytes };
  }

  #require(bytes: number): void {
    const { messages, bytes: pendingBytes } = this.#pending;
    const { maxMessages, maxBytes } = this.#limits;
    if (messages >= maxMessages) throw full(`${messages} messages are waiting`);
    if (pendingBytes + bytes > maxBytes)
      throw full(`${pendingBytes} bytes are waiting, and this message has ${bytes} more`);
  }
}

function pending({ messages, pendingBytes }: OutgoingCounts): { messages: number; bytes: number } {
  return { messages: PENDING.reduce((sum, state) => sum + messages[state], 0), bytes: pendingBytes };
}

function full(why: string, advice = ADVICE): OutboxFullError {
  return new OutboxFullError(`The outbox is full: ${why}. The message was not added.`, { advice });
}
