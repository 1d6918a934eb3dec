/** What the items of a run share: the mailboxes, the wire log, and messages that several items use. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openMailbox, type Mailbox, type OutgoingMessage, type SentMessage } from '../index';
import { NotPossibleHere } from './evidence';
import { makeLargeFile, type LargeFile } from './large-file';
import type { ConformanceOptions, PendingMessage } from './types';
import { WireLog } from './wire-log';

/** How long MESH keeps an unacknowledged message in the inbox (mesh-api.yaml, "Message expiration"). */
const INBOX_DAYS_MS = 5 * 24 * 60 * 60 * 1000;
const HOUR_MS = 60 * 60 * 1000;
/** The largest body of one request (bytes; mesh-api.yaml, send_message). */
const MAX_REQUEST_BYTES = 100_000_000;
const LIST_MS = 5 * 60 * 1000;

/** Opened by `openRunContext`, ended by `close`. */
export class RunContext {
  readonly options: ConformanceOptions;
  readonly wire: WireLog;
  readonly sender: Mailbox;
  readonly recipient: Mailbox;
  /** The run's own folder, deleted at its end. */
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
    if (!first || !second) throw new NotPossibleHere('No mailbox was specified.');
    this.sender = openMailbox({ ...options.connection, ...first });
    this.recipient = second === first ? this.sender : openMailbox({ ...options.connection, ...second });
    this.minimumListMs = options.minimumListMs ?? LIST_MS;
  }

  /** The sender and the recipient, or the one mailbox that is both. */
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

  /** Sends the message of 201 and 401, once. */
  plain(): Promise<SentMessage> {
    return (this.#plain ??= this.send({ payload: PLAIN, compression: 'never', fileName: 'conformance-plain.txt' }));
  }

  /** Sends the message of 202 and 402, once. */
  zipped(): Promise<SentMessage> {
    return (this.#zipped ??= this.send({ payload: ZIPPED, compression: 'always', fileName: 'conformance-gzip.txt' }));
  }

  /** Sends the message of 501 and 502, once. */
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

  /** Opens the first mailbox with small requests, for a trial run whose message would fit one request. */
  #smallRequests(bytes: number): Mailbox {
    const { connection, mailboxes } = this.options;
    const [first] = mailboxes;
    if (!first) throw new NotPossibleHere('No mailbox was specified.');
    return openMailbox({ ...connection, ...first, maxRequestBytes: bytes, chunkBytes: bytes });
  }

  /**
   * Returns the message that is left to expire: an earlier run's, or a new one, aged five days if time can be moved.
   */
  pending(): Promise<PendingMessage> {
    this.#pending ??= (async () => {
      const { options, sender, recipient, wire } = this;
      if (options.pending) {
        wire.own.add(options.pending.messageId);
        return options.pending;
      }
      const { messageId } = await this.send({
        payload: 'Conformance test: this message is left to expire.',
        compression: 'never',
      });
      this.#done.add(messageId);
      const acceptedAt = new Date().toISOString();
      this.passFiveDays();
      return { messageId, from: sender.mailboxId, to: recipient.mailboxId, acceptedAt };
    })();
    return this.#pending;
  }

  /** The message that is left to expire, if an item has needed one. */
  get pendingNow(): Promise<PendingMessage> | undefined {
    return this.#pending;
  }

  /** Returns whether MESH's five days have passed for the message. */
  isDue({ acceptedAt }: PendingMessage): boolean {
    return this.options.timeTravel !== undefined || Date.now() - Date.parse(acceptedAt) > INBOX_DAYS_MS;
  }

  /** Moves a sandbox's clock past the expiry of its messages and back, because tokens must be within two hours. */
  passFiveDays(): void {
    this.options.timeTravel?.advance(INBOX_DAYS_MS + HOUR_MS);
    this.options.timeTravel?.advance(-INBOX_DAYS_MS - HOUR_MS);
  }

  /** Lists an inbox as soon as MESH allows it; at once with `more`, which continues a full page. */
  async list(
    mailbox: Mailbox,
    more?: { continueFrom?: string },
  ): Promise<{ messageIds: string[]; continueFrom?: string }> {
    const last = this.#lastListed.get(mailbox.mailboxId);
    const wait = more || last === undefined ? 0 : last + this.minimumListMs - Date.now();
    if (wait > 0) {
      this.options.onProgress?.(
        `    waiting ${Math.ceil(wait / 1000)} s: MESH allows one listing of an inbox every five minutes`,
      );
      await sleep(wait, undefined, this.options.signal ? { signal: this.options.signal } : {});
    }
    this.#lastListed.set(mailbox.mailboxId, Date.now());
    return mailbox.listInbox({ maxResults: 500, ...(more?.continueFrom ? { continueFrom: more.continueFrom } : {}) });
  }

  /** Lists until all of the messages have arrived, because MESH is asynchronous; returns false after the time limit. */
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

  /** Acknowledges a message for the recipient. */
  async acknowledge(messageId: string): Promise<void> {
    await this.recipient.acknowledge(messageId);
    this.#done.add(messageId);
  }

  /** Acknowledges the messages of this run that are left, except the one that is to expire, and closes everything. */
  async close(): Promise<void> {
    for (const id of this.#sent.filter((id) => !this.#done.has(id))) {
      await this.recipient.acknowledge(id).catch(() => undefined);
    }
    for (const mailbox of this.mailboxes) await mailbox.close();
    this.wire.close();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * Prepares the mailboxes and a folder; makes no connection yet.
 * @throws ConfigurationError for invalid options
 */
export async function openRunContext(options: ConformanceOptions): Promise<RunContext> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-conformance-'));
  const wire = new WireLog(urlOf(options));
  try {
    return new RunContext(options, wire, folder);
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

/** The payloads of 201 and 202, both synthetic. */
export const PLAIN = 'Conformance test: a plain message.\n';
export const ZIPPED = 'Conformance test: a message that is compressed on the way.\n'.repeat(500);
