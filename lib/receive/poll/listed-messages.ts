/**
 * What MESH's inbox lists and the store does not have: to be taken, handled elsewhere, unclaimed, or not retrievable.
 */
import type { MessageHeaders } from '../../types';
import type { RoutingKey } from './inbox-router';

/** One listed message. */
export interface ListedMessage {
  readonly messageId: string;
  /** Known once MESH was asked (HEAD), which happens only where messages are split by workflow. */
  head?: RoutingKey;
  /** No consumer takes its workflow. */
  unclaimed: boolean;
  /** Failures of its own in a row: incomplete downloads, or answers that it is gone. */
  failures: number;
  /** Complete chunks of its partial download at the last failure. */
  chunks: number;
  /** Attempts at which MESH could not return it (5xx or no response). */
  unavailable: number;
  /** MESH could not return it although it returned others. */
  isPoison: boolean;
  /** The number of the list from which it is tried (again). */
  tryFrom: number;
  /** It failed too often: this process does not download it again. */
  gaveUp: boolean;
  /** The last list that contained it. */
  list: number;
}

/**
 * Above this number (another system's backlog, for example), MESH is asked again for their workflows after each list.
 */
const MAX_REMEMBERED = 50_000;

/** A message that fails is tried at least in every twelfth list: once an hour, if MESH is polled every five minutes. */
const LONGEST_POSTPONEMENT = 12;

/** The messages of the latest lists, at most 50,000. */
export class ListedMessages {
  readonly #messages = new Map<string, ListedMessage>();
  readonly #heads = new Map<string, RoutingKey>();
  #list = 0;
  #unclaimed = 0;

  /** How many of them no consumer claims. */
  get unclaimed(): number {
    return this.#unclaimed;
  }

  /** The number of the current list, or of the last one. */
  get list(): number {
    return this.#list;
  }

  get(messageId: string): ListedMessage | undefined {
    return this.#messages.get(messageId);
  }

  ids(): string[] {
    return [...this.#messages.keys()];
  }

  beginList(): void {
    this.#list += 1;
  }

  /** Records that the current list contains the message. */
  add(messageId: string): void {
    const known = this.#messages.get(messageId);
    if (known) {
      known.list = this.#list;
      return;
    }
    // The oldest is dropped: if it is still wanted, the next list shows it again.
    const [oldest] = this.#messages.size >= MAX_REMEMBERED ? this.#messages.keys() : [];
    if (oldest !== undefined) this.delete(oldest);
    this.#messages.set(messageId, {
      messageId,
      unclaimed: false,
      failures: 0,
      chunks: 0,
      unavailable: 0,
      isPoison: false,
      tryFrom: 0,
      gaveUp: false,
      list: this.#list,
    });
  }

  /** The list is complete: what it did not contain was collected by another system, or has expired. */
  endList(): void {
    for (const { messageId, list } of this.#messages.values()) if (list !== this.#list) this.delete(messageId);
  }

  /** Remembers workflow and type of a message; messages with the same ones share one object. */
  setHead(message: ListedMessage, { workflowId, messageType }: MessageHeaders): RoutingKey {
    const name = `${messageType} ${workflowId}`;
    const head = this.#heads.get(name) ?? { workflowId, messageType };
    if (this.#heads.size < MAX_REMEMBERED) this.#heads.set(name, head);
    message.head = head;
    return head;
  }

  setUnclaimed(message: ListedMessage, unclaimed: boolean): void {
    if (message.unclaimed !== unclaimed) this.#unclaimed += unclaimed ? 1 : -1;
    message.unclaimed = unclaimed;
  }

  /** Postpones a message that has failed this many times: to the next list, then to the 2nd, 4th, 8th and 12th. */
  postpone(message: ListedMessage, failures: number): void {
    message.tryFrom = this.#list + Math.min(LONGEST_POSTPONEMENT, 2 ** Math.max(0, failures - 1));
  }

  /** Whether a message has failed by itself: then it waits until the others have been taken. */
  comesLast(messageId: string): boolean {
    const message = this.#messages.get(messageId);
    return message !== undefined && (message.failures > 0 || message.isPoison);
  }

  /** Lets a message that was given up be downloaded again. False if it was not given up, or is no longer listed. */
  retry(messageId: string): boolean {
    const message = this.#messages.get(messageId);
    if (!message?.gaveUp) return false;
    message.gaveUp = false;
    message.failures = 0;
    message.tryFrom = 0;
    return true;
  }

  delete(messageId: string): void {
    const message = this.#messages.get(messageId);
    if (message?.unclaimed) this.#unclaimed -= 1;
    this.#messages.delete(messageId);
  }
}
