/** Whether the disk has room: some of it always stays free, so that the store can still write. */
import { StorageError } from '../errors';

/** Bytes that stay free by default. */
export const MIN_FREE_BYTES = 512 * 1024 ** 2;

/** The disk is asked again after so many bytes, or so much time (milliseconds): others write to it as well. */
const ASK_BYTES = 64 * 1024 ** 2;
const ASK_MS = 1000;

/** The disk has no room for one message; a smaller one may still find some. */
export class NoSpaceError extends StorageError {
  override readonly name = 'StorageError';
  /** Nothing, or not much, was downloaded in vain. */
  readonly wasKnown: boolean;

  constructor(messageId: string, wasKnown: boolean) {
    super(`The disk has no room for message ${messageId}: it stays in the MESH inbox.`, {
      messageId,
      advice: 'Make room on the disk of the state folder. MESH keeps messages for five days.',
    });
    this.wasKnown = wasKnown;
  }
}

/** The room on a disk for what is written piece by piece. */
export class DiskSpace {
  readonly #freeBytes: () => Promise<number>;
  readonly #minFreeBytes: number;
  #spare = 0;
  #takenSince = 0;
  #askedAt = -Infinity;

  /** `freeBytes` asks the disk. */
  constructor(freeBytes: () => Promise<number>, minFreeBytes = MIN_FREE_BYTES) {
    this.#freeBytes = freeBytes;
    this.#minFreeBytes = minFreeBytes;
  }

  /** Whether so many bytes may be written now; true at once where the disk need not be asked. Throws what asking throws. */
  has(bytes: number): true | Promise<boolean> {
    const isOld = this.#takenSince >= ASK_BYTES || performance.now() - this.#askedAt >= ASK_MS;
    // Near its limit it is asked each time.
    if (!isOld && this.#spare - this.#takenSince - bytes >= 2 * ASK_BYTES) return true;
    return this.#ask(bytes);
  }

  /** So many bytes are written. */
  take(bytes: number): void {
    this.#takenSince += bytes;
  }

  async #ask(bytes: number): Promise<boolean> {
    this.#spare = (await this.#freeBytes()) - this.#minFreeBytes;
    this.#takenSince = 0;
    this.#askedAt = performance.now();
    return this.#spare >= bytes;
  }
}
