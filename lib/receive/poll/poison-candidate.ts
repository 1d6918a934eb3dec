/**
 * Tells a message that MESH cannot return from a MESH that is unavailable. While MESH is unavailable the inbox keeps its
 * order; but a message that MESH cannot return must not hold up the others for good. At its third attempt it becomes the
 * candidate, and the next message is tried: if that one can be received, the candidate is a poison message; if it fails
 * too, MESH is at fault.
 */
import type { MeshError } from '../../errors';
import type { ListedMessage, ListedMessages } from './listed-messages';

/** Attempts after which a message becomes the candidate. */
const ATTEMPTS = 3;

/** The candidate of one mailbox. */
export class PoisonCandidate {
  readonly #listed: ListedMessages;
  #candidate: { message: ListedMessage; error: MeshError } | undefined;

  constructor(listed: ListedMessages) {
    this.#listed = listed;
  }

  /** Called when a list of the inbox begins: what was tried before it proves nothing any more. */
  beginList(): void {
    this.#candidate = undefined;
  }

  /**
   * MESH could not return the message: it had no response, or a 5xx. Returns whether the others are tried all the same;
   * if not, MESH is at fault.
   */
  goesOnAfter(message: ListedMessage, error: MeshError): boolean {
    message.unavailable += 1;
    if (message.isPoison) {
      this.#listed.postpone(message, message.unavailable - ATTEMPTS + 1);
      return true;
    }
    if (this.#candidate || message.unavailable < ATTEMPTS) {
      this.meshFailed();
      return false;
    }
    this.#candidate = { message, error };
    this.#listed.postpone(message, 1);
    return true;
  }

  /** Another message failed too, and not by itself: the candidate is tried again in its order. */
  meshFailed(): void {
    if (!this.#candidate) return;
    this.#candidate.message.tryFrom = 0;
    this.#candidate.message.unavailable = 0;
    this.#candidate = undefined;
  }

  /** Another message could be received. Returns the candidate, which is now known to be a poison message, once. */
  otherReceived(): { message: ListedMessage; error: MeshError } | undefined {
    const candidate = this.#candidate;
    if (candidate) candidate.message.isPoison = true;
    this.#candidate = undefined;
    return candidate;
  }
}
