/** All messages of the sandbox, by id, by inbox and by the sender's local id. In memory, bounded. */
import { headerText } from '../protocol/header-text';
import type { BodyStore } from './bodies';
import { MessageIds } from './message-ids';
import { statusOf, type Message, type MessageEvent } from './message';

const DAY_MS = 24 * 60 * 60 * 1000;
/** "Messages you do not download and acknowledge within five days of delivery are removed" (retrieve_message). */
export const INBOX_EXPIRY_MS = 5 * DAY_MS;
/** "Uncollected messages are completely deleted from the MESH server 30 days after initial delivery". */
export const MESSAGE_EXPIRY_MS = 30 * DAY_MS;
const MAX_FINISHED = 100_000;

/** The messages. Only this class changes a message's status, so that inboxes and bounds stay consistent. */
export class Messages {
  readonly #byId = new Map<string, Message>();
  /** From a mailbox id to its accepted messages, oldest first. */
  readonly #inboxes = new Map<string, Map<string, Message>>();
  /** From `MAILBOX localId` to the messages of that sender. */
  readonly #byLocalId = new Map<string, Set<Message>>();
  /** Finished messages in the order in which they were finished. */
  readonly #finished = new Set<Message>();
  readonly #ids = new MessageIds();
  readonly #bodies: BodyStore;
  readonly #maxFinished: number;
  #position = 0;
  /** Sandbox time (ms) before which no message expires. */
  #nextExpiry = Infinity;

  constructor(bodies: BodyStore, maxFinished = MAX_FINISHED) {
    this.#bodies = bodies;
    this.#maxFinished = maxFinished;
  }

  /** Returns an id for a new message. */
  newId(now: number): string {
    const id = this.#ids.next(now);
    return this.#byId.has(id) ? this.newId(now) : id;
  }

  /** Adds a message; an accepted one goes into its inbox. */
  add(message: Message): void {
    this.#byId.set(message.messageId, message);
    if (message.details.localId !== '' && message.from !== '') {
      const key = localIdKey(message.from, message.details.localId);
      const same = this.#byLocalId.get(key);
      if (same) same.add(message);
      else this.#byLocalId.set(key, new Set([message]));
    }
    this.#noteExpiry(message.uploadedAt + MESSAGE_EXPIRY_MS);
    this.#place(message);
  }

  get(messageId: string): Message | undefined {
    return this.#byId.get(messageId);
  }

  /** Returns all messages, oldest first. */
  all(): Iterable<Message> {
    return this.#byId.values();
  }

  /** Returns the accepted messages of a mailbox, oldest first. */
  inbox(mailboxId: string): Iterable<Message> {
    return this.#inboxes.get(mailboxId)?.values() ?? [];
  }

  inboxCount(mailboxId: string): number {
    return this.#inboxes.get(mailboxId)?.size ?? 0;
  }

  /** Returns the messages that a mailbox sent with this local id and still knows. */
  withLocalId(mailboxId: string, localId: string): Message[] {
    const found = this.#byLocalId.get(localIdKey(mailboxId, localId)) ?? [];
    return [...found].filter((message) => message.hiddenFrom !== 'sender');
  }

  /** Records an event, and moves the message into or out of its inbox accordingly. */
  record(message: Message, event: MessageEvent): void {
    message.events.push(event);
    this.#inboxes.get(message.to)?.delete(message.messageId);
    this.#finished.delete(message);
    this.#place(message);
  }

  /** Forgets a message and deletes its bytes. */
  forget(message: Message): void {
    this.#byId.delete(message.messageId);
    this.#inboxes.get(message.to)?.delete(message.messageId);
    this.#finished.delete(message);
    const key = localIdKey(message.from, message.details.localId);
    const same = this.#byLocalId.get(key);
    same?.delete(message);
    if (same?.size === 0) this.#byLocalId.delete(key);
    this.deleteBytes(message);
  }

  /** Deletes the bytes of a message; its record stays. */
  deleteBytes(message: Message): void {
    for (const chunk of message.chunks) void chunk.delete();
  }

  /** Returns whether {@link expired} may find anything at this sandbox time (ms). Cheap enough for every request. */
  isSweepDue(now: number): boolean {
    return now >= this.#nextExpiry;
  }

  /** Returns the messages that must leave their inbox by now, and those that must be forgotten. */
  expired(now: number): { uncollected: Message[]; old: Message[] } {
    const uncollected: Message[] = [];
    const old: Message[] = [];
    this.#nextExpiry = Infinity;
    for (const message of this.#byId.values()) {
      const inInbox = statusOf(message) === 'accepted';
      if (inInbox && message.inboxExpiry <= now) uncollected.push(message);
      else if (inInbox) this.#noteExpiry(message.inboxExpiry);
      const end = message.uploadedAt + MESSAGE_EXPIRY_MS;
      if (end <= now) old.push(message);
      else this.#noteExpiry(end);
    }
    return { uncollected, old };
  }

  /** Forgets everything. */
  async reset(): Promise<void> {
    const bodies = [...this.#byId.values()].flatMap((message) => message.chunks);
    this.#byId.clear();
    this.#inboxes.clear();
    this.#byLocalId.clear();
    this.#finished.clear();
    for (const body of bodies) await body.delete();
    await this.#bodies.tidy();
  }

  /** Makes one mailbox forget its messages. The other side of each message still knows it. */
  resetMailbox(mailboxId: string): void {
    for (const message of this.#byId.values()) {
      const sent = message.from === mailboxId;
      const received = message.to === mailboxId;
      if (!sent && !received) continue;
      if ((sent && received) || message.hiddenFrom !== undefined || (received && message.from === '')) {
        this.forget(message);
      } else if (received) {
        message.hiddenFrom = 'recipient';
        this.#inboxes.get(mailboxId)?.delete(message.messageId);
        this.deleteBytes(message);
      } else {
        message.hiddenFrom = 'sender';
      }
    }
  }

  /** Puts a message into the list for its status. */
  #place(message: Message): void {
    const status = statusOf(message);
    if (status === 'uploading') return;
    if (status === 'accepted') {
      this.#position += 1;
      message.position = this.#position;
      const inbox = this.#inboxes.get(message.to) ?? new Map<string, Message>();
      this.#inboxes.set(message.to, inbox);
      inbox.set(message.messageId, message);
      this.#noteExpiry(message.inboxExpiry);
      return;
    }
    // An acknowledged message cannot be downloaded again; an undeliverable one may be restored within its 30 days.
    if (status === 'acknowledged') this.deleteBytes(message);
    this.#finished.add(message);
    for (const oldest of this.#finished) {
      if (this.#finished.size <= this.#maxFinished) break;
      this.forget(oldest);
    }
  }

  #noteExpiry(at: number): void {
    this.#nextExpiry = Math.min(this.#nextExpiry, at);
  }
}

function localIdKey(mailboxId: string, localId: string): string {
  return `${mailboxId} ${headerText(localId)}`;
}
