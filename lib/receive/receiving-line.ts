/**
 * The line in, for one mailbox, from MESH to the store:
 *
 * 1. List the inbox, page by page.
 * 2. Route each new message: which consumer takes its workflow.
 * 3. Download it into the spool.
 * 4. Classify its content.
 * 5. Store its row: from here on nothing is lost.
 * 6. Settle the sent messages that it names.
 * 7. Acknowledge it to MESH.
 *
 * From the store to the flow a message goes on in the delivery lanes (deliver/delivery-lane.ts). The two halves meet only
 * in the store, so that MESH never waits for a flow, nor a flow for MESH.
 *
 * Downloads run one after the other, and at most 64 KiB of a payload are in memory. While steps 5 to 7 of one message
 * run, the next ones are downloaded.
 *
 * A kill at any point: before the row is committed, MESH still has the message, and it is downloaded again (the next
 * start removes a spooled file without a row). After the commit and before the acknowledgement, the row says `spooled`,
 * and the message is acknowledged later. After the acknowledgement and before its commit, it is acknowledged once more,
 * which is harmless; that commit is the delivery's own, or one a moment later.
 */
import {
  AuthenticationError,
  ConfigurationError,
  ConnectionError,
  DownloadError,
  TlsError,
  UnavailableError,
  UnknownCommitError,
  type MeshError,
} from '../errors';
import { NoSpaceError } from '../payload/disk-space';
import type { IncomingState, IncomingSummary } from '../store/store';
import type { MeshAcknowledger } from './acknowledge/mesh-acknowledger';
import type { KeptContent, Settlements } from './acknowledge/settlements';
import type { DeliveryLanes } from './deliver/delivery-lanes';
import { ParkedBudget } from './download/parked-budget';
import { EMPTY_PAYLOAD } from './download/receive-message';
import { SpoolDownloads, type Downloaded } from './download/spool-downloads';
import { StoringTasks } from './download/storing-tasks';
import type { InboxParts } from './inbox-parts';
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
import { ListedMessages, type ListedMessage } from './poll/listed-messages';
import { OfferedAgain } from './poll/offered-again';
import { PoisonCandidate } from './poll/poison-candidate';

/** What the line needs beside what the inbox's parts share. */
interface ReceivingLineParts extends InboxParts {
  settlements: Settlements;
  acknowledger: MeshAcknowledger;
  lanes: DeliveryLanes;
}

/** The line in of one mailbox, as far as the store. */
export class ReceivingLine {
  readonly listed = new ListedMessages();
  readonly #parts: ReceivingLineParts;
  readonly #parkedBudget: ParkedBudget;
  readonly #downloads: SpoolDownloads;
  readonly #storing = new StoringTasks();
  readonly #offeredAgain: OfferedAgain;
  readonly #poison = new PoisonCandidate(this.listed);

  constructor(parts: ReceivingLineParts) {
    this.#parts = parts;
    this.#parkedBudget = new ParkedBudget(parts.options, parts.rows);
    this.#downloads = new SpoolDownloads(parts.options, parts.closing);
    this.#offeredAgain = new OfferedAgain(parts);
  }

  /** True while nothing more is taken because of what is parked. */
  get isFull(): boolean {
    return this.#parkedBudget.isExhausted;
  }

  /** Another instance may have polled meanwhile. */
  refresh(): void {
    this.#downloads.refresh();
  }

  /**
   * Takes messages of earlier lists that were not taken: the consumers may have changed. Resolves when all that was
   * taken is stored.
   * @throws MeshError when MESH or the store fails: the inbox keeps its order, and the next run starts where this ended
   */
  takeListed(): Promise<void> {
    return this.#storing.untilStored(async () => {
      const isLast = (messageId: string): boolean => this.listed.comesLast(messageId);
      const messageIds = this.listed.ids();
      for (const messageId of messageIds.filter((each) => !isLast(each))) await this.#take(messageId);
      for (const messageId of messageIds.filter(isLast)) await this.#take(messageId);
    });
  }

  /**
   * Lists the inbox and takes what is new. Returns whether the last page was full, so that there may be more. `follows`:
   * this list follows another one at once.
   * @throws MeshError as takeListed
   */
  list(follows: boolean): Promise<boolean> {
    if (!follows) this.#parts.acknowledger.forgetRecent();
    return this.#storing.untilStored(() => this.#list());
  }

  get #mayGoOn(): boolean {
    return !this.#parts.closing.aborted && this.#parts.pollerLease.held;
  }

  /** Takes page by page, so that stored messages need not be remembered; those that failed by themselves come last. */
  async #list(): Promise<boolean> {
    const { options, rows, closing } = this.#parts;
    this.#poison.beginList();
    this.listed.beginList();
    this.#offeredAgain.beginList();
    this.#parkedBudget.beginList();
    const access = { listInbox: (query = {}) => options.client.listInbox(query, closing) };
    const last: string[] = [];
    let lastPage = 0;
    for await (const { messageIds } of inboxPages(access, () => this.#mayGoOn)) {
      lastPage = messageIds.length;
      const known = await rows.known(messageIds);
      const fresh = messageIds.filter((messageId) => !known.has(messageId));
      for (const messageId of fresh) this.listed.add(messageId);
      for (const [messageId, state] of known)
        if (this.#isUnacknowledged(state)) await this.#offeredAgain.acknowledge(messageId);
      for (const messageId of fresh) {
        if (this.listed.comesLast(messageId)) last.push(messageId);
        else await this.#take(messageId);
      }
    }
    for (const messageId of last) await this.#take(messageId);
    if (this.#mayGoOn) {
      this.listed.endList();
      await this.#downloads.keepOnly((messageId) => this.listed.get(messageId) !== undefined);
    }
    return lastPage >= FULL_PAGE;
  }

  /** For a message that MESH lists and the store has: its acknowledgement is missing, or MESH's list is behind. */
  #isUnacknowledged(state: IncomingState): boolean {
    return this.#parts.acknowledger.whenSpooled || state === 'done';
  }

  /** Takes a listed message, unless it waits for a later list or nobody is there to take it. */
  async #take(messageId: string): Promise<void> {
    const { router, problems } = this.#parts;
    const message = this.listed.get(messageId);
    if (!message || message.gaveUp || message.tryFrom > this.listed.list || !this.#mayGoOn) return;
    // Without a consumer, messages stay in MESH.
    if (router.consumers.length === 0) return;
    try {
      const consumer = await this.#route(message);
      const downloaded = consumer && (await this.#download(message, consumer));
      if (downloaded) await this.#store(downloaded);
      problems.clear(`fetch ${messageId}`);
      this.#raisePoisonMessage();
    } catch (error) {
      const isUnavailable = error instanceof UnavailableError || error instanceof ConnectionError;
      if (isUnavailable && this.#poison.goesOnAfter(message, error)) return;
      if (!isUnavailable) this.#poison.meshFailed();
      throw error;
    }
  }

  /** Reports the message that MESH could not return although it has now returned another one. */
  #raisePoisonMessage(): void {
    const { problems, router } = this.#parts;
    const poison = this.#poison.otherReceived();
    if (!poison) return;
    const { messageId } = poison.message;
    problems.raise(`fetch ${messageId}`, poison.error, router.consumers.slice(0, 1), messageId);
  }

  /**
   * Returns the consumer of a listed message; undefined if it stays in MESH. MESH is asked for its workflow (HEAD, which
   * the specification calls message_metadata) only where messages are split by workflow.
   */
  async #route(message: ListedMessage): Promise<InboxConsumer | undefined> {
    const { options, router, problems } = this.#parts;
    if (!router.splits && router.fallback) return router.fallback;
    const head = message.head ?? (await this.#askForHead(message));
    if (!head) return undefined;
    const route = router.route(head);
    this.listed.setUnclaimed(message, route === 'unclaimed');
    if (route === 'elsewhere') return undefined;
    if (route !== 'unclaimed') return route.to;
    const { messageId } = message;
    const error = unclaimedError(messageId, head.workflowId, options.mailboxId);
    problems.raise(`unclaimed ${head.workflowId}`, error, router.consumers.slice(0, 1), messageId, UNCLAIMED_REPEAT_MS);
    return undefined;
  }

  /** Returns workflow and type of a listed message; undefined if it has left MESH. */
  async #askForHead(message: ListedMessage): Promise<ListedMessage['head']> {
    const { options, settlements, closing } = this.#parts;
    const { messageId } = message;
    try {
      const headers = await options.client.head(messageId, closing);
      // Whichever system collects the report, the failed message is our outbox's.
      if (headers.messageType === 'REPORT') await settlements.settleReport(headers);
      return this.listed.setHead(message, headers);
    } catch (error) {
      if (!isGone(error)) throw error;
      this.listed.delete(messageId);
      return undefined;
    }
  }

  /** Downloads a message; undefined if that failed, and only this message is to blame. */
  async #download(message: ListedMessage, consumer: InboxConsumer): Promise<Downloaded | undefined> {
    const { listeners, problems } = this.#parts;
    const { messageId } = message;
    await this.#parkedBudget.check();
    try {
      const downloaded = await this.#downloads.download(messageId, (progress) =>
        listeners.downloading(consumer, progress),
      );
      problems.clear(`download ${messageId}`);
      return downloaded;
    } catch (thrown) {
      await this.#downloadFailed(message, consumer, toMeshError(thrown, messageId));
      return undefined;
    } finally {
      listeners.downloading(undefined, undefined);
    }
  }

  /** Postpones the message, or gives it up. @throws the error if the next message would fail too */
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
      const chunks = await this.#downloads.chunksOf(messageId);
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

  /** Stores a downloaded message in the background; resolves when the next one may be downloaded. */
  async #store(downloaded: Downloaded): Promise<void> {
    // Classified before the task starts: tasks keep the order in which they start, and reading a large payload takes a
    // moment.
    const content = await this.#parts.settlements.classify(downloaded);
    await this.#storing.add(() => this.#storeAndAcknowledge(downloaded, content));
  }

  /** Makes a message durable, and only then acknowledges it to MESH. */
  async #storeAndAcknowledge(downloaded: Downloaded, content: KeptContent): Promise<void> {
    const { rows, lanes, settlements, acknowledger } = this.#parts;
    const { headers } = downloaded;
    const { messageId } = headers;
    try {
      // Delivered only after the acknowledgement has succeeded or failed.
      if (acknowledger.acknowledgesAtOnce) rows.beingStored.add(messageId);
      const row = await this.#addRow(downloaded, content);
      if (row) lanes.stored(row);
      if (acknowledger.whenSpooled) acknowledger.acknowledgeLater(messageId);
      this.listed.delete(messageId);
      await settlements.settle(headers, content.classification);
      const acknowledgement = acknowledger.whenSpooled && (await acknowledger.acknowledgeStored(messageId));
      this.#mayBeDelivered(messageId);
      if (acknowledgement) await acknowledgement.recorded;
    } finally {
      this.#mayBeDelivered(messageId);
    }
  }

  #mayBeDelivered(messageId: string): void {
    const { rows, lanes } = this.#parts;
    rows.beingStored.delete(messageId);
    lanes.wake();
  }

  /** Returns the new row; undefined if the store has it already. */
  async #addRow({ headers, payload }: Downloaded, content: KeptContent): Promise<IncomingSummary | undefined> {
    const { options, rows } = this.#parts;
    const { messageId, workflowId, messageType } = headers;
    const file = payload?.stored.kind === 'spool' ? payload.stored.name : undefined;
    let row: IncomingSummary | undefined;
    try {
      row = await rows.add({
        messageId,
        instance: options.instance ?? null,
        workflowId,
        messageType,
        headers: { ...headers },
        payload: payload?.stored ?? null,
        size: payload?.size ?? EMPTY_PAYLOAD.bytes,
        sha256: payload?.sha256 ?? EMPTY_PAYLOAD.sha256,
        ...content,
      });
    } catch (error) {
      // Either the commit failed, or only its response was lost: a row's file must stay, a file without a row must go.
      if (error instanceof UnknownCommitError) throw error;
      const found = await rows.get(messageId).catch(() => 'unknown' as const);
      if (found === undefined && file !== undefined) await options.spool.remove([file]);
      throw error;
    }
    if (!row && file !== undefined) await options.spool.remove([file]);
    return row;
  }
}

/** Returns whether credentials, certificates or settings are wrong, not the message. */
function isOurFault(error: MeshError): boolean {
  return error instanceof AuthenticationError || error instanceof TlsError || error instanceof ConfigurationError;
}
