/** What the items act upon: the mailboxes, the wire, and what several items share. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openMailbox, type Mailbox, type OutgoingMessage, type SentMessage } from '../index';
import { NotPossibleHere } from './note';
import { makeLargeFile, type LargeFile } from './large-file';
import type { ConformanceOptions, PendingMessage } from './types';
import { WireLog } from './wire-log';

/** MESH takes what nobody has acknowledged out of the inbox after so long (mesh-api.yaml, "Message expiration"). */
const INBOX_DAYS_MS = 5 * 24 * 60 * 60 * 1000;
const HOUR_MS = 60 * 60 * 1000;
/** What one request may carry (bytes; mesh-api.yaml, send_message). */
const MAX_REQUEST_BYTES = 100_000_000;
const LIST_MS = 5 * 60 * 1000;

/** Made by `openStage`, ended by `close`. */
export class Stage {
  readonly options: ConformanceOptions;
  readonly wire: WireLog;
  readonly sender: Mailbox;
  readonly recipient: Mailbox;
  /** Of this run, and deleted with it. */
  readonly folder: string;
  readonly minimumListMs: number;
  readonly #lastListed = new Map<string, number>();
  readonly #done = new Set<string>();
  readonly #sent: string[] = [];
  #plain: Promise<SentMessage> | undefined;
  #zipped: Promise<SentMessage> | undefined;
  #large: Promise<SentMessage & { file: LargeFile }> | undefined;
  #pending: Promise<PendingMessage> | undefined;

  constructor(options: ConformanceOptions, wire: WireLog, folder: string) {
    this.options = options;
    this.wire = wire;
    this.folder = folder;
    const [first, second = first] = options.mailboxes;
    if (!first || !second) throw new NotPossibleHere('No mailbox was given.');
    this.sender = openMailbox({ ...options.connection, ...first });
    this.recipient = second === first ? this.sender : openMailbox({ ...options.connection, ...second });
    this.minimumListMs = options.minimumListMs ?? LIST_MS;
  }

  /** Both mailboxes, or the one that is both. */
  get mailboxes(): Mailbox[] {
    return [...new Set([this.sender, this.recipient])];
  }

  /** Sends from the first mailbox to the second. */
  async send(
    message: Pick<OutgoingMessage, 'payload'> & Partial<OutgoingMessage>,
    sender = this.sender,
  ): Promise<SentMessage> {
    const { options, recipient, wire } = this;
    const sent = await sender.send({
      to: recipient.mailboxId,
      workflowId: options.workflowId,
      ...message,
    });
    wire.own.add(sent.messageId);
    this.#sent.push(sent.messageId);
    return sent;
  }

  /** What 201 sends and 401 receives. */
  plain(): Promise<SentMessage> {
    return (this.#plain ??= this.send({ payload: PLAIN, compression: 'never', fileName: 'conformance-plain.txt' }));
  }

  /** What 202 sends and 402 receives. */
  zipped(): Promise<SentMessage> {
    return (this.#zipped ??= this.send({ payload: ZIPPED, compression: 'always', fileName: 'conformance-gzip.txt' }));
  }

  /** What 501 sends and 502 receives. */
  large(): Promise<SentMessage & { file: LargeFile }> {
    this.#large ??= (async () => {
      const bytes = this.options.largeBytes ?? 210_000_000;
      const file = await makeLargeFile(join(this.folder, 'large.txt'), bytes);
      const payload = { file: file.path };
      const sender = bytes > MAX_REQUEST_BYTES ? this.sender : this.#smallRequests(Math.ceil(bytes / 3));
      const sent = await this.send(
        { payload, compression: 'always', checksum: 'md5', fileName: 'conformance-large.txt' },
        sender,
      );
      if (sender !== this.sender) await sender.close();
      return { ...sent, file };
    })();
    return this.#large;
  }

  /** The first mailbox once more, for a trial run with a message that would fit one request. */
  #smallRequests(bytes: number): Mailbox {
    const { connection, mailboxes } = this.options;
    const [first] = mailboxes;
    if (!first) throw new NotPossibleHere('No mailbox was given.');
    return openMailbox({ ...connection, ...first, maxRequestBytes: bytes, chunkBytes: bytes });
  }

  /** The message that nobody collects: five days old where time can be moved, or where an earlier run has sent it. */
  pending(): Promise<PendingMessage> {
    this.#pending ??= (async () => {
      const { options, sender, recipient, wire } = this;
      if (options.pending) {
        wire.own.add(options.pending.messageId);
        return options.pending;
      }
      const { messageId } = await this.send({ payload: 'Nobody collects this one.', compression: 'never' });
      this.#done.add(messageId);
      const acceptedAt = new Date().toISOString();
      this.passFiveDays();
      return { messageId, from: sender.mailboxId, to: recipient.mailboxId, acceptedAt };
    })();
    return this.#pending;
  }

  /** The pending message as it stands, if an item has needed one. */
  get pendingNow(): Promise<PendingMessage> | undefined {
    return this.#pending;
  }

  /** Whether MESH's five days are over for it. */
  isDue({ acceptedAt }: PendingMessage): boolean {
    return this.options.timeTravel !== undefined || Date.now() - Date.parse(acceptedAt) > INBOX_DAYS_MS;
  }

  /** On a sandbox: what is in inboxes expires, and the clock is right again: tokens are good for two hours only. */
  passFiveDays(): void {
    this.options.timeTravel?.advance(INBOX_DAYS_MS + HOUR_MS);
    this.options.timeTravel?.advance(-INBOX_DAYS_MS - HOUR_MS);
  }

  /** One listing, not before MESH allows it; `more`: the page before was full, so at once. */
  async list(
    mailbox: Mailbox,
    more?: { continueFrom?: string },
  ): Promise<{ messageIds: string[]; continueFrom?: string }> {
    const last = this.#lastListed.get(mailbox.mailboxId);
    const wait = more || last === undefined ? 0 : last + this.minimumListMs - Date.now();
    if (wait > 0) {
      this.options.say?.(
        `    waiting ${Math.ceil(wait / 1000)} s: MESH wants an inbox listed every five minutes at most`,
      );
      await sleep(wait, undefined, this.options.signal ? { signal: this.options.signal } : {});
    }
    this.#lastListed.set(mailbox.mailboxId, Date.now());
    return mailbox.listInbox({ maxResults: 500, ...(more?.continueFrom ? { continueFrom: more.continueFrom } : {}) });
  }

  /** Lists until all of them are there: MESH is asynchronous. False when they have not come in time. */
  async arrived(mailbox: Mailbox, messageIds: readonly string[]): Promise<boolean> {
    const deadline = Date.now() + (this.options.deliveryMs ?? 30 * 60 * 1000);
    const missing = new Set(messageIds);
    let more: { continueFrom?: string } | undefined;
    for (;;) {
      const page = await this.list(mailbox, more);
      page.messageIds.forEach((id) => missing.delete(id));
      if (missing.size === 0) return true;
      more = page.continueFrom === undefined ? undefined : { continueFrom: page.continueFrom };
      if (!more && (Date.now() > deadline || this.minimumListMs === 0)) return false;
    }
  }

  /** The recipient is done with a message. */
  async acknowledge(messageId: string): Promise<void> {
    await this.recipient.acknowledge(messageId);
    this.#done.add(messageId);
  }

  /** Leaves no message of this run behind but the one that is to expire. */
  async close(): Promise<void> {
    for (const id of this.#sent.filter((id) => !this.#done.has(id))) {
      await this.recipient.acknowledge(id).catch(() => undefined);
    }
    for (const mailbox of this.mailboxes) await mailbox.close();
    this.wire.close();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Opens the mailboxes and a folder; connects to nothing yet. Throws ConfigurationError. */
export async function openStage(options: ConformanceOptions): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-conformance-'));
  const wire = new WireLog(urlOf(options));
  try {
    return new Stage(options, wire, folder);
  } catch (error) {
    wire.close();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

function urlOf({ connection }: ConformanceOptions): string {
  const mailbox = openMailbox({ ...connection, mailboxId: 'X', password: 'x' });
  void mailbox.close();
  return mailbox.url;
}

/** Synthetic, of course. */
export const PLAIN = 'Conformance test: a plain message.\n';
export const ZIPPED = 'Conformance test: a message that is compressed on the way.\n'.repeat(500);
