/**
 * What an operator sees and does at a mailbox beside the flows: looks through its messages, opens one, sends a file,
 * records names in the ledger. It reads the store only; the outbox and the inbox act on messages.
 *
 * Fields that may hold personal details are kept apart (`PrivateFields`): subject, file name, the caller's local id and
 * partner id are free text; so is the other side's address where it is no mailbox id, since GP Connect and Transfer of
 * Care put NHS number, date of birth and surname into `Mex-To`. All other fields are MESH's or ours, or agreed beforehand (workflow id), and name
 * nobody.
 */
import { InvalidMessageError, NotFoundError, OutboxFullError, PayloadError, TooLargeError } from '../errors';
import type { Clock } from '../clock';
import { receivedIn } from '../message-states';
import { uuidv7 } from '../random';
import { BlockDigests, checkedByList, checkedWhole } from '../payload/block-digests';
import { MIN_FREE_BYTES } from '../payload/disk-space';
import type { Spool } from '../payload/spool';
import { uploadName } from '../payload/spool-names';
import { openStored } from '../payload/stored-payload';
import type { Outbox } from '../send/outbox';
import type { EnqueueOptions, OutboxMessage } from '../send/outbox-types';
import type { Activity, Attention, LedgerEntry, OutgoingCounts, Store, StoredPayload } from '../store/store';
import { toMessageView, privateFields, type MessageView, type PrivateFields } from './message-view';
import { listMessages, type MessagePage, type MessageQuery } from './message-list';
import type { OutgoingMessage } from '../types';

export type { MessageView, PrivateFields } from './message-view';
export type { MessagePage, MessageQuery } from './message-list';

interface OperatorViewParts {
  store: Store;
  spool: Spool;
  /** Holds an upload until the outbox has taken it. */
  scratch: Spool;
  clock: Clock;
  /** Key of the mailbox in the store. */
  mailbox: string;
  outbox: Outbox;
}

/** A stored payload, to be read as a stream. */
export interface ViewedPayload {
  size: number;
  /** The sender's file name. Hostile. */
  fileName?: string;
  /** @throws PayloadError when the payload has been removed or changed */
  open(): AsyncIterable<Buffer>;
}

/** `attention` counts up to this number: a person needs no more than "1,000 and more". */
const MAX_COUNTED = 1000;
/** Maximum size of an upload from a browser (bytes). */
const MAX_UPLOAD_BYTES = 20 * 1024 ** 3;

export class OperatorView {
  readonly #parts: OperatorViewParts;

  constructor(parts: OperatorViewParts) {
    this.#parts = parts;
  }

  /** Returns the numbers of messages by state; finished ones are not counted. */
  async counts(): Promise<{ sent: OutgoingCounts; attention: Attention }> {
    const { store, mailbox } = this.#parts;
    const [sent, attention] = await Promise.all([
      store.countOutgoing(mailbox),
      store.attention(mailbox, MAX_COUNTED + 1),
    ]);
    return { sent, attention };
  }

  /**
   * Returns how many messages that the flow has not ended have been delivered more than once, of the 1000 that have been
   * with the flow longest.
   */
  async redelivered(): Promise<number> {
    const { store, mailbox } = this.#parts;
    const delivered = await store.incomingSummaries(mailbox, receivedIn('inflight'), { limit: 1000 });
    return delivered.filter(({ deliveryCount }) => deliveryCount > 1).length;
  }

  /** Returns the size of the payloads that are kept for parked received messages (bytes). */
  parkedBytes(): Promise<number> {
    return this.#parts.store.parkedBytes(this.#parts.mailbox);
  }

  /**
   * Returns the free space (bytes) where large payloads are kept.
   * @throws StorageError when the disk cannot be read
   */
  freeBytes(): Promise<number> {
    return this.#parts.spool.freeBytes();
  }

  /**
   * Returns the received message whose acknowledgement to MESH has been missing longest: MESH removes a message from
   * the inbox after five days. `since` (ISO 8601 UTC) is MESH's own time, if that is earlier than ours.
   */
  async oldestUnacknowledged(): Promise<{ messageId: string; since: string } | null> {
    const { store, mailbox } = this.#parts;
    const [oldest] = await store.unacknowledgedIncoming(mailbox, { limit: 1 });
    if (!oldest) return null;
    const { messageId, receivedAt, headers } = oldest;
    const { statusTimestamp: stamp } = headers;
    const atMesh = typeof stamp === 'string' ? Date.parse(stamp) : NaN;
    const since = Number.isNaN(atMesh) ? receivedAt : Math.min(atMesh, receivedAt);
    return { messageId, since: new Date(since).toISOString() };
  }

  /** Returns a page of messages, newest first. A search reads a limited number of rows, and says where to continue. */
  async list(query: MessageQuery): Promise<MessagePage> {
    const page = await listMessages(this.#parts.store, this.#parts.mailbox, query);
    return { ...page, messages: await Promise.all(page.messages.map((message) => this.#withResent(message))) };
  }

  /** Adds to a message that may have been resent which one was sent in its place. */
  async #withResent(message: MessageView): Promise<MessageView> {
    const { direction, reference, state, actions } = message;
    if (direction === 'in' || !(state === 'closed' || actions.includes('resend'))) return message;
    const { store, mailbox } = this.#parts;
    const last = (await store.listOutgoing({ mailbox, resendOf: reference }, { limit: 1000 })).at(-1);
    return last ? { ...message, resentAs: last.id } : message;
  }

  /** Returns a message and its ledger entries; undefined if the store does not have it. */
  async message(
    direction: 'in' | 'out',
    reference: string,
  ): Promise<{ message: MessageView; timeline: LedgerEntry[] } | undefined> {
    const { store, mailbox } = this.#parts;
    const found = await this.#find(direction, reference);
    if (!found) return undefined;
    const history = await store.history(mailbox, reference);
    // The history of a message that a mailbox sends to itself has both directions.
    const message = await this.#withResent(found.message);
    return { message, timeline: history.filter((entry) => entry.direction === direction) };
  }

  /**
   * Returns the fields that may hold personal details. The caller has checked the permission, and records who views
   * them.
   */
  async privateFields(direction: 'in' | 'out', reference: string): Promise<PrivateFields> {
    return (await this.#get(direction, reference)).fields;
  }

  /**
   * Returns the payload.
   * @throws NotFoundError when the store does not have the message, PayloadError when its payload is not kept
   */
  async payload(direction: 'in' | 'out', reference: string): Promise<ViewedPayload> {
    const { message, fields, payload, sha256 } = await this.#get(direction, reference);
    if (payload === null || message.kind === 'report') {
      throw new PayloadError('The payload of this message has been removed, or it never had one.', {
        advice: 'The payload of a settled message is kept for a week.',
      });
    }
    const source = await openStored(payload, message.bytes, this.#parts.spool);
    return {
      size: message.bytes,
      ...(fields.fileName === undefined ? {} : { fileName: fields.fileName }),
      open: () => {
        if (message.bytes === 0) return emptyPayload();
        const pieces = source.open(0, message.bytes);
        return sha256 === undefined ? pieces : checkedWhole(pieces, sha256);
      },
    };
  }

  /** Returns the mailbox's traffic in a time span (milliseconds since 1970). */
  activity(between: { from: number; to: number }): Promise<Activity> {
    return this.#parts.store.activity(this.#parts.mailbox, between);
  }

  /** Adds a ledger entry: what a person did with a message. `user` is undefined if Node-RED requires no login. */
  async note(direction: 'in' | 'out', reference: string, event: string, user: string | undefined): Promise<void> {
    const { store, mailbox, clock } = this.#parts;
    const messageId = direction === 'in' ? reference : ((await store.getOutgoing(reference))?.messageId ?? null);
    const detail = { user: user ?? null };
    await store.note({ time: clock.now(), mailbox, direction, reference, messageId, event, detail });
  }

  /**
   * Sends a message whose payload is a stream: by way of the spool to the outbox, never whole in memory. After an error
   * nothing is queued.
   * @param announcedBytes the exact size of the stream
   * @throws InvalidMessageError when the message is invalid, or the stream has another size
   * @throws TooLargeError when the upload is too large
   * @throws OutboxFullError when disk space or quota is exhausted
   * @throws StorageError when the disk cannot be written
   */
  async sendStream(
    message: Omit<OutgoingMessage, 'payload'>,
    stream: AsyncIterable<Buffer>,
    announcedBytes: number,
    options: EnqueueOptions = {},
  ): Promise<OutboxMessage> {
    const { scratch, outbox, mailbox } = this.#parts;
    if (announcedBytes === 0) throw new InvalidMessageError('An empty file is not sent: MESH refuses it.');
    if (announcedBytes > MAX_UPLOAD_BYTES) {
      throw new TooLargeError('The file is too large to be sent from the editor.', {
        advice: 'Send it from a flow, with mesh send and the path of the file.',
      });
    }
    // For a moment the file is on the disk twice.
    if ((await scratch.freeBytes()) < 2 * announcedBytes + MIN_FREE_BYTES) {
      throw new OutboxFullError('The disk has too little space left for this file.', {
        advice: 'Free space on the disk of the outbox.',
      });
    }
    const id = uuidv7();
    const name = uploadName(scratch.tag(mailbox, id));
    scratch.inUse.add(name);
    try {
      const digests = new BlockDigests();
      const bytes = await scratch.write(name, digests.over(limited(announcedBytes, stream)));
      if (bytes !== announcedBytes) throw new InvalidMessageError('The upload ended early. Nothing was sent.');
      const payload = { source: checkedByList(await scratch.source(name, bytes), bytes, digests.list) };
      // An empty file name, so that the spooled file's name does not become the message's.
      const queued = await outbox.enqueue(
        { ...message, fileName: message.fileName ?? '', payload },
        { ...options, copyFile: true },
        id,
      );
      return queued.message;
    } finally {
      await scratch.remove([name]);
      scratch.inUse.delete(name);
    }
  }

  async #get(direction: 'in' | 'out', reference: string): Promise<Found> {
    const found = await this.#find(direction, reference);
    if (found) return found;
    throw new NotFoundError('This message is not in the store of this mailbox, or has been removed from it.');
  }

  async #find(direction: 'in' | 'out', reference: string): Promise<Found | undefined> {
    const { store, mailbox } = this.#parts;
    const row = direction === 'in' ? await store.getIncoming(mailbox, reference) : await store.getOutgoing(reference);
    if (row?.mailbox !== mailbox) return undefined;
    const sha256 = 'sha256' in row ? row.sha256 : undefined;
    return { message: toMessageView(row), fields: privateFields(row), payload: row.payload, sha256 };
  }
}

interface Found {
  message: MessageView;
  fields: PrivateFields;
  payload: StoredPayload | null;
  /** Of a received payload. */
  sha256: string | undefined;
}

// eslint-disable-next-line no-empty-function -- an empty payload has no pieces
async function* emptyPayload(): AsyncGenerator<Buffer> {}

/** Passes a stream on, and ends it with an error once it exceeds its announced size. */
async function* limited(bytes: number, stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let left = bytes;
  for await (const piece of stream) {
    left -= piece.length;
    if (left < 0) throw new InvalidMessageError('The upload is larger than announced. Nothing was sent.');
    yield piece;
  }
}
