/**
 * What an operator does at a mailbox beside the flows: looks through its messages, opens one, sends a file, puts a name to it
 * in the ledger. Reads the store only; what acts on a message is the outbox's and the inbox's.
 *
 * Which fields may be of a patient, and are therefore apart (`PrivateFields`): subject, file name, the caller's own local id and
 * partner id are free text; the other side's address too, since GP Connect and Transfer of Care put NHS number, date of birth and
 * surname into `Mex-To`. All else is MESH's, ours, or agreed beforehand (workflow id), and names nobody.
 */
import { randomUUID } from 'node:crypto';
import { InvalidMessageError, NotFoundError, OutboxFullError, PayloadError, TooLargeError } from '../errors';
import type { Clock } from '../clock';
import { MIN_FREE_BYTES } from '../payload/disk-space';
import type { Spool } from '../payload/spool';
import { openStored } from '../payload/stored-payload';
import type { Outbox } from '../send/outbox';
import type { EnqueueOptions, OutboxMessage } from '../send/outbox-types';
import type { Activity, Attention } from '../store/overview';
import type { LedgerEntry, OutgoingCounts, Store, StoredPayload } from '../store/store';
import { toMessageView, privateFields, type MessageView, type PrivateFields } from './message-view';
import { listMessages, type MessagePage, type MessageQuery } from './message-list';
import type { OutgoingMessage } from '../types';

export type { MessageView, PrivateFields } from './message-view';
export type { MessageFilter, MessagePage, MessageQuery } from './message-list';

/** What a desk is made of. */
export interface OperatorViewParts {
  store: Store;
  spool: Spool;
  /** Where an upload is until the outbox has it. */
  scratch: Spool;
  clock: Clock;
  /** Key of the mailbox in the store. */
  mailbox: string;
  outbox: Outbox;
}

/** A payload that is kept, to be read as it comes. */
export interface ViewedPayload {
  size: number;
  /** As the sender gave it. Hostile. */
  fileName?: string;
  /** Throws PayloadError if it is not there any more, or has changed. */
  open(): AsyncIterable<Buffer>;
}

/** `attention` counts this far: a person needs no more than "1,000 and more". */
export const COUNTED_TO = 1000;
/** An upload larger than this (bytes) is none of a browser's. */
const LARGEST_UPLOAD = 20 * 1024 ** 3;

export class OperatorView {
  readonly #parts: OperatorViewParts;

  constructor(parts: OperatorViewParts) {
    this.#parts = parts;
  }

  /** How many there are, without counting what is over. */
  async counts(): Promise<{ sent: OutgoingCounts; attention: Attention }> {
    const { store, mailbox } = this.#parts;
    const [sent, attention] = await Promise.all([
      store.countOutgoing(mailbox),
      store.attention(mailbox, COUNTED_TO + 1),
    ]);
    return { sent, attention };
  }

  /** Bytes that may still be written where large payloads are kept. Throws StorageError. */
  freeBytes(): Promise<number> {
    return this.#parts.spool.freeBytes();
  }

  /**
   * The received message that has waited longest for MESH to be told of it: MESH takes it out of the inbox five days after it came
   * there. `since` (ISO 8601 UTC) is MESH's own time where that is earlier than ours.
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

  /** A page of messages, newest first; a search looks at so many rows at most, and says where to go on. */
  list(query: MessageQuery): Promise<MessagePage> {
    return listMessages(this.#parts.store, this.#parts.mailbox, query);
  }

  /** A message and everything that ever happened to it. Undefined if the store does not have it. */
  async message(
    direction: 'in' | 'out',
    reference: string,
  ): Promise<{ message: MessageView; timeline: LedgerEntry[] } | undefined> {
    const { store, mailbox } = this.#parts;
    const found = await this.#find(direction, reference);
    if (!found) return undefined;
    const history = await store.history(mailbox, reference);
    // Of a mailbox that writes to itself the history has both sides.
    return { message: found.message, timeline: history.filter((line) => line.direction === direction) };
  }

  /** What may be of a patient. Whoever shows it has a permission and a name for it. */
  async privateFields(direction: 'in' | 'out', reference: string): Promise<PrivateFields> {
    return (await this.#get(direction, reference)).fields;
  }

  /** The payload, where it is still kept. Throws NotFoundError, PayloadError. */
  async payload(direction: 'in' | 'out', reference: string): Promise<ViewedPayload> {
    const { message, fields, payload } = await this.#get(direction, reference);
    if (payload === null || message.kind === 'report') {
      throw new PayloadError('The payload of this message is not kept any more, or it has none.', {
        advice: 'A settled message’s payload is kept for a week.',
      });
    }
    const source = await openStored(payload, message.bytes, this.#parts.spool);
    return {
      size: message.bytes,
      ...(fields.fileName === undefined ? {} : { fileName: fields.fileName }),
      open: () => (message.bytes === 0 ? nothing() : source.open(0, message.bytes)),
    };
  }

  /** What went through the mailbox in a span. */
  activity(between: { from: number; to: number }): Promise<Activity> {
    return this.#parts.store.activity(this.#parts.mailbox, between);
  }

  /** A line of the ledger: what a person did with a message. `user` is undefined where Node-RED asks for none. */
  async note(direction: 'in' | 'out', reference: string, event: string, user: string | undefined): Promise<void> {
    const { store, mailbox, clock } = this.#parts;
    const messageId = direction === 'in' ? reference : ((await store.getOutgoing(reference))?.messageId ?? null);
    const detail = { user: user ?? null };
    await store.note({ time: clock.now(), mailbox, direction, reference, messageId, event, detail });
  }

  /**
   * Takes a message whose payload comes as a stream, into the spool and then into the outbox; never whole in memory.
   * @param announced bytes that are to come: the stream has to have exactly so many
   * @throws InvalidMessageError, TooLargeError, OutboxFullError, StorageError; then nothing was taken
   */
  async sendStream(
    message: Omit<OutgoingMessage, 'payload'>,
    stream: AsyncIterable<Buffer>,
    announced: number,
    options: EnqueueOptions = {},
  ): Promise<OutboxMessage> {
    const { scratch, outbox } = this.#parts;
    if (announced === 0) throw new InvalidMessageError('An empty file is not sent: MESH refuses it.');
    if (announced > LARGEST_UPLOAD) {
      throw new TooLargeError('The file is too large to be sent from the editor.', {
        advice: 'Send it by a flow, with mesh send and the path of the file.',
      });
    }
    // For a moment it is there twice.
    if ((await scratch.freeBytes()) < 2 * announced + MIN_FREE_BYTES) {
      throw new OutboxFullError('The disk has too little room left for this file.', {
        advice: 'Make room on the disk of the outbox.',
      });
    }
    const name = `upload-${randomUUID()}`;
    scratch.inUse.add(name);
    try {
      const bytes = await scratch.write(name, atMost(announced, stream));
      if (bytes !== announced) throw new InvalidMessageError('The upload broke off. Nothing was sent.');
      const payload = { file: scratch.path(name) };
      // An empty file name, so that the upload's own does not become the message's.
      const taken = await outbox.enqueue(
        { ...message, fileName: message.fileName ?? '', payload },
        { ...options, copyFile: true },
      );
      return taken.message;
    } finally {
      await scratch.remove([name]);
      scratch.inUse.delete(name);
    }
  }

  async #get(direction: 'in' | 'out', reference: string): Promise<Found> {
    const found = await this.#find(direction, reference);
    if (found) return found;
    throw new NotFoundError('This message is not in the store of this mailbox, or not any more.');
  }

  async #find(direction: 'in' | 'out', reference: string): Promise<Found | undefined> {
    const { store, mailbox } = this.#parts;
    const row = direction === 'in' ? await store.getIncoming(mailbox, reference) : await store.getOutgoing(reference);
    if (row?.mailbox !== mailbox) return undefined;
    return { message: toMessageView(row), fields: privateFields(row), payload: row.payload };
  }
}

interface Found {
  message: MessageView;
  fields: PrivateFields;
  payload: StoredPayload | null;
}

// eslint-disable-next-line no-empty-function -- an empty payload has no pieces
async function* nothing(): AsyncGenerator<Buffer> {}

/** A sender that goes on after what it announced is cut off. */
async function* atMost(bytes: number, stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let left = bytes;
  for await (const piece of stream) {
    left -= piece.length;
    if (left < 0) throw new InvalidMessageError('More came than was announced. Nothing was sent.');
    yield piece;
  }
}
