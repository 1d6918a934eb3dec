/**
 * Moves messages from MESH's inbox into the store: list, download, make durable, acknowledge. Downloads run one after
 * the other, and at most 64 KiB of a payload are in memory; while one message is made durable and acknowledged, the
 * next ones are downloaded.
 *
 * A kill at any point: before the row is committed, MESH still has the message, and it is downloaded again (the next
 * start removes a spooled file without a row). After the commit and before the acknowledgement, the row says `spooled`,
 * and the message is acknowledged later. After the acknowledgement and before its commit, it is acknowledged once more,
 * which is harmless.
 */
import {
  AuthenticationError,
  ConfigurationError,
  ConnectionError,
  DownloadError,
  StorageError,
  TlsError,
  UnavailableError,
  UnknownCommitError,
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
  DEFAULT_MAX_DELIVERIES,
  FULL_PAGE,
  inboxPages,
  isGone,
  toMeshError,
  UNCLAIMED_REPEAT_MS,
  unclaimedError,
} from './inbox-rules';
import type { InboxConsumer } from './inbox-types';
import { ListedMessages, type ListedMessage } from './listed-messages';
import { OfferedAgain } from './offered-again';
import type { ProblemNotifier } from './problem-notifier';
import { readChecksum } from '../protocol/checksum';
import { EMPTY_PAYLOAD } from './receive-message';
import type { AcknowledgementSettler, KeptContent } from './acknowledgement-settler';
import type { ReportSettler } from './report-settler';
import { SpoolSink, type SpooledPayload } from './spool-sink';
import { StoringTasks } from './storing-tasks';
import type { MeshAcknowledger } from './mesh-acknowledger';
import { DEFAULT_MAX_PARKED_BYTES, ParkedBudget } from './parked-budget';

/** From this attempt on, a message that MESH cannot return is a poison candidate, and no longer holds up the others. */
const POISON_ATTEMPTS = 3;

interface InboxCollectorParts {
  options: DurableInboxOptions;
  rows: IncomingRows;
  router: InboxRouter<InboxConsumer>;
  problems: ProblemNotifier;
  reports: ReportSettler;
  acknowledgements: AcknowledgementSettler;
  acknowledger: MeshAcknowledger;
  /** Aborts requests. */
  signal: AbortSignal;
  /** Returns whether this instance may still poll. */
  mayPoll: () => boolean;
  /** Called when a message has been stored, and acknowledged if MESH could be reached. */
  onStored: () => void;
  /** Called with the progress of a consumer's download; undefined when it has ended. */
  onProgress: (consumer: InboxConsumer | undefined, progress: Progress | undefined) => void;
}

/** Collects the messages that the consumers of a mailbox want. */
export class InboxCollector {
  readonly listed = new ListedMessages();
  readonly #parts: InboxCollectorParts;
  readonly #diskSpace: DiskSpace;
  readonly #parkedBudget: ParkedBudget;
  readonly #partials: PartialFiles;
  readonly #storing = new StoringTasks();
  readonly #offeredAgain: OfferedAgain;
  /** Messages being stored and acknowledged, which must not be delivered yet. */
  readonly #beingStored = new Set<string>();
  /** A message that MESH could not return. The next message shows whether the message or MESH is at fault. */
  #poisonCandidate: { message: ListedMessage; error: MeshError } | undefined;

  constructor(parts: InboxCollectorParts) {
    this.#parts = parts;
    const {
      spool,
      store,
      storeKey,
      minFreeBytes,
      mailboxId,
      maxParkedBytes = DEFAULT_MAX_PARKED_BYTES,
    } = parts.options;
    this.#diskSpace = new DiskSpace(() => spool.freeBytes(), minFreeBytes);
    const { rows } = parts;
    this.#parkedBudget = new ParkedBudget({ store, storeKey, spool, rows, mailboxId, maxParkedBytes });
    this.#partials = new PartialFiles(spool, storeKey);
    this.#offeredAgain = new OfferedAgain(parts);
  }

  /** True while nothing more is taken because of what is parked. */
  get isFull(): boolean {
    return this.#parkedBudget.isExhausted;
  }

  isBeingStored(messageId: string): boolean {
    return this.#beingStored.has(messageId);
  }

  /** Reads the partial downloads again: another instance may have polled meanwhile. */
  refresh(): void {
    this.#partials.refresh();
  }

  /** Takes messages of earlier lists that were not taken: the consumers may have changed. */
  takeListed(): Promise<void> {
    return this.#storing.untilStored(() => this.#takeAll(this.listed.ids()));
  }

  /**
   * Lists the inbox and takes what is new, page by page, so that stored messages need not be remembered. Returns
   * whether the last page was full, so that there may be more. `follows`: this list follows another one at once.
   */
  list(follows: boolean): Promise<boolean> {
    if (!follows) this.#parts.acknowledger.forgetRecent();
    return this.#storing.untilStored(() => this.#list());
  }

  async #list(): Promise<boolean> {
    const { options, rows, signal, mayPoll } = this.#parts;
    const mayContinue = (): boolean => !signal.aborted && mayPoll();
    let lastPage = 0;
    const last: string[] = [];
    this.#poisonCandidate = undefined;
    this.listed.beginList();
    this.#offeredAgain.beginList();
    this.#parkedBudget.beginList();
    const access = { listInbox: (query = {}) => options.client.listInbox(query, signal) };
    for await (const { messageIds } of inboxPages(access, mayContinue)) {
      lastPage = messageIds.length;
      const known = await rows.known(messageIds);
      for (const messageId of messageIds) if (!known.has(messageId)) this.listed.add(messageId);
      for (const [messageId, state] of known)
        if (this.#isUnacknowledged(state)) await this.#offeredAgain.acknowledge(messageId);
      const fresh = messageIds.filter((messageId) => !known.has(messageId));
      for (const messageId of fresh) {
        if (this.listed.comesLast(messageId)) last.push(messageId);
        else await this.#take(messageId);
      }
    }
    for (const messageId of last) await this.#take(messageId);
    if (mayContinue()) {
      this.listed.endList();
      await this.#partials.keepOnly((messageId) => this.listed.get(messageId) !== undefined);
    }
    return lastPage >= FULL_PAGE;
  }

  /** Takes messages in order; those that have failed by themselves follow the others. */
  async #takeAll(messageIds: readonly string[]): Promise<void> {
    const isLast = (messageId: string): boolean => this.listed.comesLast(messageId);
    for (const messageId of messageIds.filter((each) => !isLast(each))) await this.#take(messageId);
    for (const messageId of messageIds.filter(isLast)) await this.#take(messageId);
  }

  /** For a message that MESH lists and the store has: its acknowledgement is missing, or MESH's list is behind. */
  #isUnacknowledged(state: IncomingState): boolean {
    return this.#parts.acknowledger.whenSpooled || state === 'done';
  }

  async #take(messageId: string): Promise<void> {
    const { router, signal, problems, mayPoll } = this.#parts;
    const message = this.listed.get(messageId);
    if (!message || message.gaveUp || message.tryFrom > this.listed.list || signal.aborted || !mayPoll()) return;
    // Without a consumer, messages stay in MESH.
    if (router.consumers.length === 0) return;
    try {
      const consumer = router.splits || !router.fallback ? await this.#route(message) : router.fallback;
      if (consumer) await this.#receive(message, consumer);
      problems.clear(`fetch ${messageId}`);
      this.#raisePoisonMessage();
    } catch (error) {
      // While MESH is unavailable the inbox keeps its order, and the next run starts with this message again. But a
      // message that MESH cannot return must not hold up the others for good: at the third attempt the next message is
      // tried, and if that fails too, MESH is at fault.
      const isTransient = error instanceof UnavailableError || error instanceof ConnectionError;
      if (isTransient) message.unavailable += 1;
      if (isTransient && message.isPoison) {
        this.listed.postpone(message, message.unavailable - POISON_ATTEMPTS + 1);
        return;
      }
      if (!isTransient || this.#poisonCandidate || message.unavailable < POISON_ATTEMPTS) {
        this.#clearPoisonCandidate();
        throw error;
      }
      this.#poisonCandidate = { message, error };
      this.listed.postpone(message, 1);
    }
  }

  /** Another message was received: MESH cannot return the candidate. */
  #raisePoisonMessage(): void {
    const { problems, router } = this.#parts;
    if (!this.#poisonCandidate) return;
    const { error } = this.#poisonCandidate;
    const { messageId } = this.#poisonCandidate.message;
    problems.raise(`fetch ${messageId}`, error, router.consumers.slice(0, 1), messageId);
    this.#poisonCandidate.message.isPoison = true;
    this.#poisonCandidate = undefined;
  }

  /** The next message failed too: MESH is at fault, and the inbox keeps its order. */
  #clearPoisonCandidate(): void {
    if (!this.#poisonCandidate) return;
    this.#poisonCandidate.message.tryFrom = 0;
    this.#poisonCandidate.message.unavailable = 0;
    this.#poisonCandidate = undefined;
  }

  /** Returns the consumer of a listed message; undefined if it stays in MESH. */
  async #route(message: ListedMessage): Promise<InboxConsumer | undefined> {
    const { options, router, problems, reports, signal } = this.#parts;
    const { messageId } = message;
    let { head } = message;
    if (!head) {
      try {
        const headers = await options.client.head(messageId, signal);
        // Whichever system collects the report, the failed message is our outbox's.
        if (headers.messageType === 'REPORT') await reports.settle(headers);
        head = this.listed.setHead(message, headers);
      } catch (error) {
        if (!isGone(error)) throw error;
        this.listed.delete(messageId);
        return undefined;
      }
    }
    const route = router.route(head);
    this.listed.setUnclaimed(message, route === 'unclaimed');
    if (route === 'elsewhere') return undefined;
    if (route !== 'unclaimed') return route.to;
    const error = unclaimedError(messageId, head.workflowId, options.mailboxId);
    problems.raise(`unclaimed ${head.workflowId}`, error, router.consumers.slice(0, 1), messageId, UNCLAIMED_REPEAT_MS);
    return undefined;
  }

  async #receive(message: ListedMessage, consumer: InboxConsumer): Promise<void> {
    const { problems, acknowledgements } = this.#parts;
    const { messageId } = message;
    await this.#checkSpace();
    await this.#parkedBudget.check();
    let downloaded: { headers: MessageHeaders; payload: SpooledPayload | undefined };
    try {
      downloaded = await this.#download(messageId, consumer);
    } catch (thrown) {
      await this.#downloadFailed(message, consumer, toMeshError(thrown, messageId));
      return;
    }
    problems.clear(`download ${messageId}`);
    // Classified before the task starts: tasks keep the order in which they start, and reading a large payload takes a
    // moment.
    const content = await acknowledgements.classify(downloaded.headers, downloaded.payload);
    await this.#storing.add(() => this.#storeAndAcknowledge(downloaded.headers, downloaded.payload, content));
  }

  /** Downloads a message, from the first missing chunk if an earlier download broke off. */
  async #download(
    messageId: string,
    consumer: InboxConsumer,
  ): Promise<{ headers: MessageHeaders; payload: SpooledPayload | undefined }> {
    const { options, signal, onProgress } = this.#parts;
    const parts = { spool: options.spool, partials: this.#partials, diskSpace: this.#diskSpace };
    try {
      const resume = await this.#resumable(messageId);
      const { message, sink } = await downloadMessage(
        options.client,
        messageId,
        {
          sinkFor: (headers, minimumBytes, also) => SpoolSink.begin({ ...parts, message: headers, also }, minimumBytes),
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
    const parts = {
      spool: this.#parts.options.spool,
      partials: this.#partials,
      diskSpace: this.#diskSpace,
      message,
      also,
    };
    const sink = await SpoolSink.resume(parts, partial);
    return sink && { message, chunks, bytes, sink };
  }

  /** Makes a message durable, and only then acknowledges it to MESH. */
  async #storeAndAcknowledge(
    headers: MessageHeaders,
    payload: SpooledPayload | undefined,
    content: KeptContent,
  ): Promise<void> {
    const { acknowledger, reports, acknowledgements, onStored } = this.#parts;
    const { messageId } = headers;
    try {
      // Delivered only after the acknowledgement has succeeded or failed.
      if (acknowledger.acknowledgesAtOnce) this.#beingStored.add(messageId);
      await this.#store(headers, payload, content);
      if (acknowledger.whenSpooled) acknowledger.acknowledgeLater(messageId);
      this.listed.delete(messageId);
      if (headers.messageType === 'REPORT') await reports.settle(headers);
      await acknowledgements.settle(messageId, headers, content.classification);
      if (acknowledger.whenSpooled) await acknowledger.acknowledgeNow(messageId);
    } finally {
      this.#beingStored.delete(messageId);
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
          size: payload?.size ?? EMPTY_PAYLOAD.bytes,
          sha256: payload?.sha256 ?? EMPTY_PAYLOAD.sha256,
          ...content,
        }));
    } catch (error) {
      // Either the commit failed, or only its response was lost: a row's file must stay, a file without a row must go.
      if (error instanceof UnknownCommitError) throw error;
      const row = await rows.get(messageId).catch(() => 'unknown' as const);
      if (row === undefined && payload?.stored.kind === 'spool') await options.spool.remove([payload.stored.name]);
      throw error;
    }
    if (!isNew && payload?.stored.kind === 'spool') await options.spool.remove([payload.stored.name]);
  }

  /** @throws StorageError when the disk is nearly full: messages stay in MESH, and the store can still write */
  async #checkSpace(): Promise<void> {
    const hasSpace = this.#diskSpace.has(0);
    if (hasSpace === true || (await hasSpace)) return;
    throw new StorageError('The disk is nearly full: received messages stay in the MESH inbox.', {
      mailboxId: this.#parts.options.mailboxId,
      advice: 'Free space on the disk of the storage folder. MESH keeps messages for five days.',
    });
  }

  async #downloadFailed(message: ListedMessage, consumer: InboxConsumer, error: MeshError): Promise<void> {
    const { options, problems } = this.#parts;
    const { messageId } = message;
    if (isGone(error)) {
      // MESH may go on listing it: one error is enough, and another attempt now and then.
      problems.raise(`gone ${messageId}`, error, [consumer], messageId);
      message.failures += 1;
      this.listed.postpone(message, message.failures);
      return;
    }
    // MESH is unavailable or refuses us, or the disk is full: the next message would fail too.
    const isOfThisMessage = error instanceof DownloadError || error instanceof NoSpaceError;
    if (!isOfThisMessage && (error.retry !== 'never' || isOurFault(error))) throw error;
    // A message that only waits for disk space, which is known without a download, is never given up.
    if (!(error instanceof NoSpaceError && error.wasKnown)) {
      // A large message on a bad line gets on a few chunks at a time, and is not given up.
      const chunks = (await this.#partials.find(messageId))?.chunks ?? 0;
      message.failures = chunks > message.chunks ? 1 : message.failures + 1;
      message.chunks = chunks;
    }
    this.listed.postpone(message, message.failures);
    if (error.retry === 'never' || message.failures >= (options.maxDeliveries ?? DEFAULT_MAX_DELIVERIES)) {
      message.gaveUp = true;
      consumer.parked({ ...message.head, messageId }, error, 0);
      return;
    }
    problems.raise(`download ${messageId}`, error, [consumer], messageId);
  }
}

/** Returns whether credentials, certificates or settings are wrong, not the message. */
function isOurFault(error: MeshError): boolean {
  return error instanceof AuthenticationError || error instanceof TlsError || error instanceof ConfigurationError;
}
