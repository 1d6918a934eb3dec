/** Disk space for payloads. Some always stays free, so that the store can still write. */
import { machineSteady } from '../clock';
import { StorageError } from '../errors';

/** Default for the bytes that stay free. */
export const MIN_FREE_BYTES = 512 * 1024 ** 2;

/** The disk is asked again after this many bytes, or after this time (milliseconds): other programs write to it too. */
const ASK_BYTES = 64 * 1024 ** 2;
const ASK_MS = 1000;

/** There is not enough disk space for one message; there may be enough for a smaller one. */
export class NoSpaceError extends StorageError {
  override readonly name = 'StorageError';
  /** True if the lack of space was noticed before the download, so that little or nothing was downloaded in vain. */
  readonly wasKnown: boolean;

  constructor(messageId: string, wasKnown: boolean) {
    super(`There is not enough disk space for message ${messageId}: it stays in the MESH inbox.`, {
      messageId,
      advice: 'Free space on the disk of the storage folder. MESH keeps messages for five days.',
    });
    this.wasKnown = wasKnown;
  }
}

/** The space on one disk, for payloads that are written piece by piece. */
export class DiskSpace {
  readonly #freeBytes: () => Promise<number>;
  readonly #minFreeBytes: number;
  #spare = 0;
  #takenSince = 0;
  #askedAt = -Infinity;
  /** Thousands of messages that come at once share one question: each would take a thread of Node.js's pool. */
  #asking: Promise<void> | undefined;

  /** `freeBytes` asks the operating system for the free bytes. */
  constructor(freeBytes: () => Promise<number>, minFreeBytes = MIN_FREE_BYTES) {
    this.#freeBytes = freeBytes;
    this.#minFreeBytes = minFreeBytes;
  }

  /**
   * Whether this many bytes may be written now; `true` at once if the disk need not be asked.
   * @throws what `freeBytes` throws
   */
  has(bytes: number): true | Promise<boolean> {
    const isOld = this.#takenSince >= ASK_BYTES || machineSteady() - this.#askedAt >= ASK_MS;
    // Near the limit the disk is asked each time.
    if (!isOld && this.#spare - this.#takenSince - bytes >= 2 * ASK_BYTES) return true;
    return this.#askFor(bytes);
  }

  /** Records that this many bytes are being written. */
  take(bytes: number): void {
    this.#takenSince += bytes;
  }

  async #askFor(bytes: number): Promise<boolean> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    await this.#asking;
    return this.#spare >= bytes;
  }

  async #ask(): Promise<void> {
    this.#spare = (await this.#freeBytes()) - this.#minFreeBytes;
    this.#takenSince = 0;
    this.#askedAt = machineSteady();
  }
}
