/** What is in MESH's inbox and not in the store: to be taken, left to others, claimed by nobody, or not to be had. */
import type { MessageHeaders } from '../types';

/** What decides who gets a message. */
export type Routed = Pick<MessageHeaders, 'workflowId' | 'messageType'>;

/** One of them. */
export interface ListedMessage {
  readonly messageId: string;
  /** Known once MESH was asked (HEAD), which it is only where workflows are split. */
  head?: Routed;
  /** Nobody takes its workflow. */
  unclaimed: boolean;
  /** Downloads that did not come whole. */
  failures: number;
  /** How often MESH could not give it out. */
  stumbles: number;
  /** The list after which it failed last, either way: it is tried again after the next. */
  failedIn?: number;
  /** Too many of them: not fetched any more by this process. */
  gaveUp: boolean;
  /** The last list that it was in. */
  list: number;
}

/** Beyond this many, e.g. another system's backlog, MESH is asked again for their workflows after each list. */
const REMEMBERED = 50_000;

/** The messages that the last lists showed, at most 50,000. */
export class ListedMessages {
  readonly #messages = new Map<string, ListedMessage>();
  readonly #heads = new Map<string, Routed>();
  #list = 0;
  #unclaimed = 0;

  /** How many of them nobody claims. */
  get unclaimed(): number {
    return this.#unclaimed;
  }

  /** The number of the list under way, or of the last one. */
  get list(): number {
    return this.#list;
  }

  get(messageId: string): ListedMessage | undefined {
    return this.#messages.get(messageId);
  }

  ids(): string[] {
    return [...this.#messages.keys()];
  }

  /** A list begins. */
  begin(): void {
    this.#list += 1;
  }

  /** It is in the list under way. */
  saw(messageId: string): void {
    const known = this.#messages.get(messageId);
    if (known) {
      known.list = this.#list;
      return;
    }
    // The oldest goes; were it still wanted, the next list would show it again.
    const [oldest] = this.#messages.size >= REMEMBERED ? this.#messages.keys() : [];
    if (oldest !== undefined) this.delete(oldest);
    const fresh = { messageId, unclaimed: false, failures: 0, stumbles: 0, gaveUp: false, list: this.#list };
    this.#messages.set(messageId, fresh);
  }

  /** The list came to its end: what was not in it was taken by somebody else, or has expired. */
  end(): void {
    for (const { messageId, list } of this.#messages.values()) if (list !== this.#list) this.delete(messageId);
  }

  /** Remembers what MESH says of a message; the same few heads are shared by all. */
  setHead(message: ListedMessage, { workflowId, messageType }: MessageHeaders): Routed {
    const key = `${messageType} ${workflowId}`;
    const head = this.#heads.get(key) ?? { workflowId, messageType };
    if (this.#heads.size < REMEMBERED) this.#heads.set(key, head);
    message.head = head;
    return head;
  }

  setUnclaimed(message: ListedMessage, unclaimed: boolean): void {
    if (message.unclaimed !== unclaimed) this.#unclaimed += unclaimed ? 1 : -1;
    message.unclaimed = unclaimed;
  }

  /** A message that was given up is fetched again. False if it was not given up, or is not there any more. */
  giveAnotherTry(messageId: string): boolean {
    const message = this.#messages.get(messageId);
    if (!message?.gaveUp) return false;
    message.gaveUp = false;
    message.failures = 0;
    delete message.failedIn;
    return true;
  }

  delete(messageId: string): void {
    const message = this.#messages.get(messageId);
    if (message?.unclaimed) this.#unclaimed -= 1;
    this.#messages.delete(messageId);
  }
}
