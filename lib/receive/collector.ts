/**
 * From MESH's inbox into the store: list, download, make durable, tell MESH. Downloads go one after the other, and a payload is
 * never held in memory beyond 64 KiB; while one is made durable and MESH told of it, the next ones are downloaded.
 *
 * A kill at any point: before the row is committed, MESH still has the message and it is downloaded again (a spooled file
 * without a row goes at the next start). After the commit and before MESH is told, the row says `spooled` and MESH is told
 * again. After MESH was told and before that is committed, MESH is told once more, which is harmless.
 */
import {
  AuthenticationError,
  ConfigurationError,
  ConnectionError,
  DownloadError,
  StorageError,
  TlsError,
  UnavailableError,
  type MeshError,
} from '../errors';
import { DiskSpace, NoSpaceError } from '../payload/disk-space';
import { PartialFiles } from '../payload/partial-files';
import type { IncomingState } from '../store/store';
import type { MessageHeaders, Progress } from '../types';
import { downloadMessage, type Resumable } from './download';
import type { DurableInboxOptions } from './durable-inbox-types';
import type { IncomingRows } from './incoming-rows';
import type { InboxRouter } from './inbox-router';
import {
  asMeshError,
  DEFAULT_MAX_DELIVERIES,
  FULL_PAGE,
  inboxPages,
  isGone,
  UNCLAIMED_AGAIN_MS,
  unclaimedError,
} from './inbox-rules';
import type { InboxConsumer } from './inbox-types';
import { ListedMessages, type ListedMessage } from './listed';
import type { Notices } from './notices';
import { readChecksum } from '../protocol/checksum';
import { NOTHING } from './receive-message';
import type { AcknowledgementSettler, KeptContent } from './acknowledgement-settler';
import type { ReportSettler } from './report-settler';
import { SpoolSink, type SpooledPayload } from './spool-sink';
import { Storing } from './storing';
import type { MeshAcknowledger } from './mesh-acknowledger';

/** So often in a row a message keeps the rest waiting when MESH cannot give it out. */
const STUMBLES = 3;

/** What a collector works with. */
export interface CollectorParts {
  options: DurableInboxOptions;
  rows: IncomingRows;
  router: InboxRouter<InboxConsumer>;
  notices: Notices;
  reports: ReportSettler;
  answers: AcknowledgementSettler;
  teller: MeshAcknowledger;
  /** Ends requests. */
  signal: AbortSignal;
  /** Whether the inbox may still be polled. */
  mayPoll: () => boolean;
  /** A message was stored, and MESH told if it could be. */
  onStored: () => void;
  /** Of the download under way, for this consumer; undefined when it has ended. */
  onProgress: (consumer: InboxConsumer | undefined, progress: Progress | undefined) => void;
}

/** Collects what the consumers of a mailbox want. */
export class Collector {
  readonly listed = new ListedMessages();
  readonly #parts: CollectorParts;
  readonly #room: DiskSpace;
  readonly #partials: PartialFiles;
  readonly #storing = new Storing();
  /** What is being stored and MESH being told of: not to be delivered yet. */
  readonly #underWay = new Set<string>();
  /** The last message could not be fetched, and it is not known yet whether that is its own fault. */
  #stumbled: { message: ListedMessage; error: MeshError } | undefined;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
    const { spool, storeKey, minFreeBytes } = parts.options;
    this.#room = new DiskSpace(() => spool.freeBytes(), minFreeBytes);
    this.#partials = new PartialFiles(spool, storeKey);
  }

  isUnderWay(messageId: string): boolean {
    return this.#underWay.has(messageId);
  }

  /** Another instance has polled since. */
  lookAgain(): void {
    this.#partials.lookAgain();
  }

  /** Takes what was listed before and not taken: there may be other consumers by now. */
  takeListed(): Promise<void> {
    return this.#storing.through(async () => {
      for (const messageId of this.listed.ids()) await this.#take(messageId);
    });
  }

  /**
   * Lists the inbox and takes what is new, page by page: what was stored does not have to be remembered. Gives whether there
   * may be more, because the last page was full.
   */
  list(): Promise<boolean> {
    return this.#storing.through(() => this.#list());
  }

  async #list(): Promise<boolean> {
    const { options, rows, signal, mayPoll } = this.#parts;
    const goesOn = (): boolean => !signal.aborted && mayPoll();
    let lastPage = 0;
    this.#stumbled = undefined;
    this.listed.begin();
    const access = { listInbox: (query = {}) => options.client.listInbox(query, signal) };
    for await (const { messageIds } of inboxPages(access, goesOn)) {
      lastPage = messageIds.length;
      const known = await rows.known(messageIds);
      for (const messageId of messageIds) if (!known.has(messageId)) this.listed.saw(messageId);
      for (const [messageId, state] of known) if (this.#isOwed(state)) await this.#parts.teller.tellNow(messageId);
      for (const messageId of messageIds) if (!known.has(messageId)) await this.#take(messageId);
    }
    if (goesOn()) {
      this.listed.end();
      await this.#partials.keepOnly((messageId) => this.listed.get(messageId) !== undefined);
    }
    return lastPage >= FULL_PAGE;
  }

  /** MESH lists it and the store has it: MESH was not told, or its list is behind. Then it is told (again). */
  #isOwed(state: IncomingState): boolean {
    return this.#parts.teller.whenSpooled || state === 'done';
  }

  async #take(messageId: string): Promise<void> {
    const { router, signal, notices, mayPoll } = this.#parts;
    const message = this.listed.get(messageId);
    if (!message || message.gaveUp || message.failedIn === this.listed.list || signal.aborted || !mayPoll()) return;
    // Left in MESH's inbox until there is somebody to take it.
    if (router.consumers.length === 0) return;
    try {
      const consumer = router.splits || !router.fallback ? await this.#route(message) : router.fallback;
      if (consumer) await this.#receive(message, consumer);
      notices.over(`fetch ${messageId}`);
      this.#tellStumble();
    } catch (error) {
      // MESH is away: the inbox keeps its order, and this message is the first again. But one that MESH cannot give out must
      // not hold up the rest for good: at the third time the next one is tried, and if that fails as well, it is MESH.
      const isPassing = error instanceof UnavailableError || error instanceof ConnectionError;
      if (isPassing) message.stumbles += 1;
      if (!isPassing || this.#stumbled || message.stumbles < STUMBLES) {
        this.#acquitStumbled();
        throw error;
      }
      this.#stumbled = { message, error };
      message.failedIn = this.listed.list;
    }
  }

  /** Another message came: it is the one before that MESH cannot give out. */
  #tellStumble(): void {
    const { notices, router } = this.#parts;
    if (!this.#stumbled) return;
    const { error } = this.#stumbled;
    const { messageId } = this.#stumbled.message;
    notices.raise(`fetch ${messageId}`, error, router.consumers.slice(0, 1), messageId);
    this.#stumbled = undefined;
  }

  /** The next one fails as well: it is MESH, and the first in order is the first again. */
  #acquitStumbled(): void {
    if (!this.#stumbled) return;
    delete this.#stumbled.message.failedIn;
    this.#stumbled.message.stumbles = 0;
    this.#stumbled = undefined;
  }

  /** Who gets the message; undefined if nobody does, and it stays where it is. */
  async #route(message: ListedMessage): Promise<InboxConsumer | undefined> {
    const { options, router, notices, reports, signal } = this.#parts;
    const { messageId } = message;
    let { head } = message;
    if (!head) {
      try {
        const headers = await options.client.head(messageId, signal);
        // Whatever system collects it, it is our outbox's message that failed.
        if (headers.messageType === 'REPORT') await reports.settle(headers);
        head = this.listed.setHead(message, headers);
      } catch (error) {
        if (!isGone(error)) throw error;
        this.listed.delete(messageId);
        return undefined;
      }
    }
    const route = router.route(head);
    this.listed.setUnclaimed(message, route === 'nobody');
    if (route === 'others') return undefined;
    if (route !== 'nobody') return route.to;
    const error = unclaimedError(messageId, head.workflowId, options.mailboxId);
    notices.raise(`unclaimed ${head.workflowId}`, error, router.consumers.slice(0, 1), messageId, UNCLAIMED_AGAIN_MS);
    return undefined;
  }

  async #receive(message: ListedMessage, consumer: InboxConsumer): Promise<void> {
    const { notices, answers } = this.#parts;
    const { messageId } = message;
    await this.#checkSpace();
    let downloaded: { headers: MessageHeaders; payload: SpooledPayload | undefined };
    try {
      downloaded = await this.#download(messageId, consumer);
    } catch (thrown) {
      this.#downloadFailed(message, consumer, asMeshError(thrown, messageId));
      return;
    }
    notices.over(`download ${messageId}`);
    // Before the storing begins: what is begun in order is stored in order, and a large one takes a moment to read.
    const content = await answers.look(downloaded.headers, downloaded.payload);
    await this.#storing.add(() => this.#keep(downloaded.headers, downloaded.payload, content));
  }

  /** From the first missing chunk, if an earlier download broke off. */
  async #download(
    messageId: string,
    consumer: InboxConsumer,
  ): Promise<{ headers: MessageHeaders; payload: SpooledPayload | undefined }> {
    const { options, signal, onProgress } = this.#parts;
    const parts = { spool: options.spool, partials: this.#partials, room: this.#room };
    try {
      const resume = await this.#resumable(messageId);
      const { message, sink } = await downloadMessage(
        options.client,
        messageId,
        {
          sinkFor: (headers, atLeast, also) => SpoolSink.begin({ ...parts, message: headers, also }, atLeast),
          ...(resume ? { resume } : {}),
        },
        options,
        { signal, onProgress: (progress) => onProgress(consumer, progress) },
      );
      return { headers: message, payload: await (sink as SpoolSink | undefined)?.spooled() };
    } finally {
      onProgress(undefined, undefined);
    }
  }

  async #resumable(messageId: string): Promise<Resumable | undefined> {
    const partial = await this.#partials.find(messageId);
    if (!partial) return undefined;
    const { message, chunks, bytes } = partial;
    const also = readChecksum(message.checksum)?.algorithm;
    const parts = { spool: this.#parts.options.spool, partials: this.#partials, room: this.#room, message, also };
    const sink = await SpoolSink.resume(parts, partial);
    return sink && { message, chunks, bytes, sink };
  }

  /** Makes it durable, then tells MESH: in this order. */
  async #keep(headers: MessageHeaders, payload: SpooledPayload | undefined, content: KeptContent): Promise<void> {
    const { teller, reports, answers, onStored } = this.#parts;
    const { messageId } = headers;
    try {
      // Not delivered before MESH was told, or could not be told: that is the order of things.
      if (teller.tells) this.#underWay.add(messageId);
      await this.#store(headers, payload, content);
      if (teller.whenSpooled) teller.owe(messageId);
      this.listed.delete(messageId);
      if (headers.messageType === 'REPORT') await reports.settle(headers);
      await answers.settle(messageId, headers, content.classification);
      if (teller.whenSpooled) await teller.tellNow(messageId);
    } finally {
      this.#underWay.delete(messageId);
      onStored();
    }
  }

  async #store(headers: MessageHeaders, payload: SpooledPayload | undefined, content: KeptContent): Promise<void> {
    const { options, rows } = this.#parts;
    const { messageId } = headers;
    let isNew = false;
    try {
      isNew =
        undefined !==
        (await rows.add({
          messageId,
          instance: options.instance ?? null,
          workflowId: headers.workflowId,
          messageType: headers.messageType,
          headers: { ...headers },
          payload: payload?.stored ?? null,
          size: payload?.size ?? NOTHING.bytes,
          sha256: payload?.sha256 ?? NOTHING.sha256,
          ...content,
        }));
    } catch (error) {
      // Did the commit fail, or only its answer? The file of a row may not go; without a row it must not pile up.
      const row = await rows.get(messageId).catch(() => 'unknown' as const);
      if (row === undefined && payload?.stored.kind === 'spool') await options.spool.remove([payload.stored.name]);
      throw error;
    }
    if (!isNew && payload?.stored.kind === 'spool') await options.spool.remove([payload.stored.name]);
  }

  /** What the disk has no room for stays in MESH's inbox, and the store can still write. */
  async #checkSpace(): Promise<void> {
    const hasSpace = this.#room.has(0);
    if (hasSpace === true || (await hasSpace)) return;
    throw new StorageError('The disk is nearly full: received messages stay in the MESH inbox.', {
      mailboxId: this.#parts.options.mailboxId,
      advice: 'Make room on the disk of the state folder. MESH keeps messages for five days.',
    });
  }

  #downloadFailed(message: ListedMessage, consumer: InboxConsumer, error: MeshError): void {
    const { options, notices } = this.#parts;
    const { messageId } = message;
    if (isGone(error)) {
      this.listed.delete(messageId);
      consumer.failed(error, messageId);
      return;
    }
    // MESH is away or does not let us in, or the disk is full: the next message would fare no better.
    const isItsOwn = error instanceof DownloadError || error instanceof NoSpaceError;
    if (!isItsOwn && (error.retry !== 'never' || isOurs(error))) throw error;
    // What only waits for room on the disk, and costs nothing to ask for, is never given up.
    if (!(error instanceof NoSpaceError && error.wasKnown)) message.failures += 1;
    message.failedIn = this.listed.list;
    if (error.retry === 'never' || message.failures >= (options.maxDeliveries ?? DEFAULT_MAX_DELIVERIES)) {
      message.gaveUp = true;
      consumer.parked({ ...message.head, messageId }, error, 0);
      return;
    }
    notices.raise(`download ${messageId}`, error, [consumer], messageId);
  }
}

/** Nothing is wrong with the message: credentials, certificates or settings are. */
function isOurs(error: MeshError): boolean {
  return error instanceof AuthenticationError || error instanceof TlsError || error instanceof ConfigurationError;
}
