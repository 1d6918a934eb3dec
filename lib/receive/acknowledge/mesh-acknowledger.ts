/**
 * Acknowledges received messages to MESH (PUT .../status/acknowledged), and retries what failed.
 *
 * Retries need no list of their own on the disk: MESH's inbox lists a message for as long as MESH has no
 * acknowledgement. The set in memory only makes them sooner.
 */
import { SerialQueue } from '../../store/serial-queue';
import type { InboxParts } from '../inbox-parts';
import { isGone, toMeshError } from '../inbox-rules';

/** Above this number, later messages are acknowledged when a list of the inbox shows them. */
const MAX_REMEMBERED = 10_000;

/** A request to MESH that has ended. */
export interface Acknowledgement {
  /**
   * Resolves when the store has what came of it; rejects with what the store throws.
   */
  recorded: Promise<void>;
}

const NOT_ACKNOWLEDGED: Acknowledgement = { recorded: Promise.resolve() };

/** Acknowledges the messages of one mailbox. */
export class MeshAcknowledger {
  /** True: a message is acknowledged as soon as it is stored. False: when the flow has finished it. */
  readonly whenSpooled: boolean;
  readonly #parts: InboxParts;
  readonly #unacknowledged = new Set<string>();
  /** An acknowledgement failed: none is tried until the next poll. */
  #failed = false;
  #acknowledged = 0;
  /** Acknowledged since the last list that followed no other: MESH's list may be behind. */
  #recent = new Set<string>();
  #run: Promise<void> | undefined;
  /** The messages being acknowledged: a second caller waits for the first one's request. */
  readonly #underWay = new Map<string, Promise<Acknowledgement>>();
  /** Requests go one after the other; the commits that follow them do not wait for each other. */
  readonly #queue = new SerialQueue();

  constructor(parts: InboxParts) {
    this.#parts = parts;
    this.whenSpooled = parts.options.meshAcknowledge !== 'when-done';
  }

  /**
   * True if a message that is stored now is acknowledged at once: no acknowledgement has failed since the last poll.
   */
  get acknowledgesAtOnce(): boolean {
    return this.whenSpooled && !this.#failed;
  }

  /** How many messages this inbox has acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** True during a run in the background. */
  get isBusy(): boolean {
    return this.#run !== undefined;
  }

  /** Whether the message was acknowledged so recently that MESH's list may still have it. */
  isRecent(messageId: string): boolean {
    return this.#recent.has(messageId);
  }

  /** Called when a list begins that does not follow another one at once. */
  forgetRecent(): void {
    this.#recent.clear();
  }

  /** Remembers a message to acknowledge in the next run. */
  acknowledgeLater(messageId: string): void {
    if (this.#unacknowledged.size < MAX_REMEMBERED) this.#unacknowledged.add(messageId);
  }

  /** Starts a run in the background; not after a failure, which waits for the next poll. */
  wake(): void {
    const { problems, router, listeners, closing } = this.#parts;
    if (this.#run || this.#failed || closing.aborted) return;
    this.#run = this.#acknowledgeAll()
      .catch((error: unknown) => problems.runFailed(toMeshError(error), router.consumers))
      .finally(() => {
        this.#run = undefined;
        listeners.notifySoon();
      });
  }

  /**
   * Acknowledges everything that is remembered, until one fails. Called at the start of a poll, when MESH may be back.
   * @throws StorageError when the store fails
   */
  async retryAll(): Promise<void> {
    await this.#run;
    this.#failed = false;
    await this.#acknowledgeAll();
  }

  /** Resolves when the run in the background has ended. */
  async close(): Promise<void> {
    await this.#run;
  }

  async #acknowledgeAll(): Promise<void> {
    while (!this.#failed) {
      const [messageId] = this.#unacknowledged;
      if (messageId === undefined) return;
      await (
        await this.#acknowledge(messageId, 'at once')
      ).recorded;
    }
  }

  /**
   * Acknowledges a message now; after a failure since the last poll, and if this fails, it is only remembered.
   * @throws StorageError when the store fails
   */
  async acknowledgeNow(messageId: string): Promise<void> {
    this.acknowledgeLater(messageId);
    if (!this.#failed) await (await this.#acknowledge(messageId, 'at once')).recorded;
  }

  /**
   * Acknowledges a message that was just stored, as `acknowledgeNow`. Resolves as soon as it may be delivered: its
   * delivery may record the acknowledgement too.
   */
  async acknowledgeStored(messageId: string): Promise<Acknowledgement> {
    this.acknowledgeLater(messageId);
    return this.#failed ? NOT_ACKNOWLEDGED : this.#acknowledge(messageId, 'with its delivery');
  }

  #acknowledge(messageId: string, record: 'at once' | 'with its delivery'): Promise<Acknowledgement> {
    const underWay = this.#underWay.get(messageId) ?? this.#requestAndRecord(messageId, record);
    this.#underWay.set(messageId, underWay);
    return underWay;
  }

  async #requestAndRecord(messageId: string, record: 'at once' | 'with its delivery'): Promise<Acknowledgement> {
    const { rows } = this.#parts;
    const isAcknowledged = await this.#queue.run(async () => !this.#failed && (await this.#request(messageId)));
    if (!isAcknowledged) {
      this.#underWay.delete(messageId);
      return NOT_ACKNOWLEDGED;
    }
    const recording = record === 'at once' ? rows.acknowledged(messageId) : rows.acknowledgedBeforeDelivery(messageId);
    const recorded = recording.then(() => this.#recorded(messageId)).finally(() => this.#underWay.delete(messageId));
    // It may fail before it is awaited.
    recorded.catch(() => undefined);
    return { recorded };
  }

  #recorded(messageId: string): void {
    this.#unacknowledged.delete(messageId);
    this.#acknowledged += 1;
    this.#recent.add(messageId);
    this.#parts.problems.clear('acknowledge');
  }

  /** Returns whether MESH now has the acknowledgement. */
  async #request(messageId: string): Promise<boolean> {
    const { options, router, problems, closing } = this.#parts;
    try {
      await options.client.acknowledge(messageId, closing);
      return true;
    } catch (error) {
      // A message that has left MESH needs no acknowledgement.
      if (isGone(error)) return true;
      this.#failed = true;
      problems.raise('acknowledge', toMeshError(error), router.consumers, messageId);
      return false;
    }
  }
}
