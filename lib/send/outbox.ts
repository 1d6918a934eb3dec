/**
 * The durable outbox of one mailbox. Once `enqueue` resolves, a message survives kills, restarts and days without MESH;
 * the worker sends it once.
 */
import { hash } from 'node:crypto';
import { AbortedError, InvalidMessageError, OutboxFullError, StorageError, UnknownCommitError } from '../errors';
import {
  ACCEPTED,
  DROPPABLE_FAILURES,
  ENDED_UNACCEPTED,
  ENDED_UNCOLLECTED,
  MAY_NEED_DECISION,
  UNSENT,
} from '../message-states';
import { acknowledgementsRequested } from '../acks/requested';
import type { RequestedAcknowledgements } from '../acks/types';
import { requestOn, type ParsedPayload } from '../acks/parse-acknowledgement';
import { parseSource } from '../acks/parse-source';
import { expectedReplies, rowOfReplies, type ExpectedReplies } from './reply-stages';
import { isAckWorkflow, loadProfiles, type WorkflowProfiles } from '../acks/profiles';
import { keyOfRequest } from '../acks/request';
import { payloadSource, type PayloadSource } from '../payload/source';
import { INLINE_BYTES, placePayload } from '../payload/stored-payload';
import type { Spool } from '../payload/spool';
import { sentName } from '../payload/spool-names';
import { outgoingHeaders } from '../protocol/message-headers';
import type {
  LedgerEntry,
  LedgerNote,
  NewOutgoing,
  RemoteChange,
  Outgoing,
  OutgoingFilter,
  Page,
  ReplacedOutgoing,
  Store,
} from '../store/store';
import type { RecentRows } from '../store/recent-rows';
import { SerialQueue, type Place } from '../store/serial-queue';
import { uuidv7 } from '../random';
import type { Clock } from '../clock';
import { deadlineRules, type DeadlineRules, type WorkflowDeadlines } from './deadlines';
import {
  outboxMessage,
  type Enqueued,
  type EnqueueOptions,
  type OutboxEvent,
  type OutboxLimits,
  type OutboxMessage,
  type OutboxEventDetails,
  type SentElsewhere,
  type StoredEnvelope,
} from './outbox-types';
import { acceptedElsewhere } from './follow-up';
import { onceDigest, repeatedDigest, requireSame } from './once-key';
import { requireNotHandedBack } from './handed-back';
import { notSent, notThere, storedPerhaps } from './outbox-errors';
import { messageToResend } from './resend';
import { OutboxQuota } from './outbox-quota';
import type { OutgoingMessage } from '../types';

/** What an outbox needs. */
export interface OutboxParts {
  store: Store;
  spool: Spool;
  clock: Clock;
  /** Key of the mailbox in the store. */
  mailbox: string;
  mailboxId: string;
  /** Id of the sandbox that the mailbox belongs to; null for a real MESH. */
  instance: string | null;
  /** Keeps the rows that were just queued for the worker; undefined where other instances send too. */
  justQueued: RecentRows<Outgoing> | undefined;
  limits?: OutboxLimits;
  /** Deadlines by workflow. Default: 12 hours, 24 hours, 2 working days. */
  deadlines?: readonly WorkflowDeadlines[];
  /** The workflow profiles. Default: the shipped ones. */
  profiles?: WorkflowProfiles;
}

/** The acknowledgements to expect for a message. */
interface ExpectedAcknowledgements {
  /** The reference by which an acknowledgement will name the message. */
  reference: string | null;
  /** The references of the other messages of a batch. */
  further: string[];
  requested: RequestedAcknowledgements;
}

/** Stores messages to be sent, and reports on them until they are settled. */
export class Outbox {
  readonly #parts: OutboxParts;
  readonly #quota: OutboxQuota;
  readonly #stopListening: () => void;
  readonly #queue = new SerialQueue();
  readonly #deadlines: DeadlineRules;
  readonly #profiles: WorkflowProfiles;
  readonly #listeners = new Set<(event: OutboxEvent) => void>();
  /** Callers of `accepted` by message id: there may be thousands. */
  readonly #waiting = new Map<string, Set<(message: OutboxMessage) => void>>();

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#quota = new OutboxQuota(parts, parts.limits);
    this.#deadlines = deadlineRules(parts.deadlines);
    this.#profiles = parts.profiles ?? loadProfiles();
    this.#stopListening = parts.store.onRemoteChange(parts.mailbox, (change) => this.#remoteChange(change));
  }

  /** Stops listening to the changes of other instances. */
  close(): void {
    this.#stopListening();
  }

  /**
   * Informs callers here of another instance's changes. Events are emitted only by the instance that makes the change.
   */
  #remoteChange(change: RemoteChange): void {
    if (change.kind === 'out') this.#refresh([change.id]);
    if (change.kind === 'missed') this.#refresh([...this.#waiting.keys()]);
  }

  #refresh(ids: readonly string[]): void {
    for (const id of ids) {
      const waiting = this.#waiting.get(id);
      if (!waiting) continue;
      this.get(id).then(
        (message) => message && waiting.forEach((look) => look(message)),
        // The store is unavailable: when it is back, it reports that changes were missed.
        () => undefined,
      );
    }
  }

  /**
   * Adds a message. Resolves when the message is checked, its payload safe and its row committed; if it rejects,
   * nothing was added. Calls for one recipient and workflow are committed in the order in which they were made, awaited
   * or not: a large payload is not overtaken by a small one.
   * @param id our id of the new message, for a caller that has named files by it
   * @returns the message; `isNew` is false if `onceKey` was used before, and the message is then the first one
   * @throws KeyReusedError when `onceKey` was used for another message; InvalidMessageError or PayloadError when the message cannot be sent; OutboxFullError or StorageError when
   *   it cannot be stored; UnknownCommitError when the storage failed and may have it: its payload is then kept, and
   *   it is sent if the storage has it
   */
  async enqueue(
    message: Enqueued,
    options: EnqueueOptions = {},
    id: string = uuidv7(),
  ): Promise<{ message: OutboxMessage; isNew: boolean }> {
    const added = await this.#inOrder(id, message, options);
    // Only a message that replaces another one may come to nothing.
    if (!added) throw new StorageError('The store did not add the message.');
    return { message: outboxMessage(added.message), isNew: added.isNew };
  }

  /** Adds a message in the order of the calls. Undefined if it was to replace one that is no longer as required. */
  async #inOrder(
    id: string,
    message: Enqueued,
    options: EnqueueOptions,
    replaced?: ReplacedOutgoing,
  ): Promise<Added | undefined> {
    const lane = laneOf(message);
    const place = this.#queue.enter(lane);
    try {
      return await this.#enqueue(id, message, options, lane, place, replaced);
    } finally {
      place.leave();
    }
  }

  async #enqueue(
    id: string,
    message: Enqueued,
    options: EnqueueOptions,
    lane: string,
    place: Place,
    replaced: ReplacedOutgoing | undefined,
  ): Promise<Added | undefined> {
    const { spool, mailboxId, mailbox } = this.#parts;
    const { payload, ...fields } = message;
    const { workflowId } = fields;
    const findRepeated = (): Promise<Added | undefined> => this.#repeated(message, options, lane, replaced);
    // A small payload writes nothing before its row, where a repeat is found in the same trip to the store.
    const repeated = isSmall(payload) ? undefined : await findRepeated();
    if (repeated) return repeated;
    const placed = await placePayload(
      payload,
      spool,
      () => sentName(spool.tag(mailbox, id)),
      options.copyFile ?? false,
    );
    const expected = await this.#expectedAcknowledgements(placed.source, workflowId, options);
    const localId = message.localId || id;
    const fileName = fields.fileName ?? placed.source.fileName;
    const replies = await this.#expectedReplies(placed.source, { ...fields, localId, fileName }, options);
    const envelope: StoredEnvelope = {
      ...(placed.source.fileName ? { fileName: placed.source.fileName } : {}),
      ...fields,
      localId,
      contentType: fields.contentType || placed.source.contentType,
      ...this.#deadlines(workflowId, options),
      ...(options.acknowledgementOf && { acknowledgementOf: options.acknowledgementOf }),
      ...(expected.further.length > 0 && { furtherReferences: expected.further }),
      ...(replies?.replyKey !== undefined && { replyKey: replies.replyKey }),
    };
    // Checks the headers before anything is written: MESH would refuse bad ones later.
    outgoingHeaders(mailboxId, envelope);
    // The key of a message that replaces another one is made here, and stands for nothing else.
    const digest = options.onceKey === undefined || replaced ? null : await onceDigest(placed.source, options);
    const read = { ...expected, replies, lane, onceDigest: digest };
    const adding = this.#quota.admit(placed.ownBytes, async () => {
      const payload = await placed.keep();
      await place.turn;
      // The store keeps the order of the calls, and several share a commit: the next caller need not wait for this
      // one's.
      const adding = this.#add({ ...this.#newRow(id, envelope, placed.source.size, options, read), payload }, replaced);
      place.leave();
      return adding;
    });
    const added = await adding.catch(async (error: unknown) => {
      // A repeat may come while the outbox is full.
      const first = error instanceof OutboxFullError ? await findRepeated() : undefined;
      if (first) return first;
      throw error;
    });
    if (added?.isNew) {
      this.#parts.justQueued?.add(added.message.id, added.message);
      this.emit('queued', added.message);
    } else if (added && !replaced) {
      // Another call with the key was faster.
      requireSame(added.message, { lane, workflowId, digest });
    }
    return added;
  }

  /**
   * Returns the message that has the key of this one already.
   * @throws KeyReusedError when it is another message
   */
  async #repeated(
    message: Enqueued,
    options: EnqueueOptions,
    lane: string,
    replaced: ReplacedOutgoing | undefined,
  ): Promise<Added | undefined> {
    const { onceKey } = options;
    if (onceKey === undefined) return undefined;
    const { store, mailbox } = this.#parts;
    const [first] = await store.listOutgoing({ mailbox, onceKey }, { limit: 1 });
    if (!first) return undefined;
    const { workflowId } = message;
    if (!replaced) requireSame(first, { lane, workflowId, digest: await repeatedDigest(message, options) });
    return { message: first, isNew: false };
  }

  /** Reads from the payload which acknowledgements to expect. An acknowledgement is itself never acknowledged. */
  async #expectedAcknowledgements(
    source: PayloadSource,
    workflowId: string,
    options: EnqueueOptions,
  ): Promise<ExpectedAcknowledgements> {
    const { acknowledgementOf, requestedAcknowledgements: requested } = options;
    const parsed: ParsedPayload = acknowledgementOf ? {} : await parseSource(source);
    const { acknowledgement, unreadableAcknowledgement } = parsed;
    const profile = this.#profiles.find(workflowId);
    const request = requestOn(parsed, profile);
    const reference = keyOfRequest(request);
    const further = (request?.further ?? []).flatMap((each) => keyOfRequest(each) ?? []);
    const references = { reference, further };
    if (requested !== 'automatic') return { ...references, requested: { ...NONE_REQUESTED, ...requested } };
    const isAcknowledgement = (acknowledgementOf ?? acknowledgement ?? unreadableAcknowledgement) !== undefined;
    if (isAcknowledgement || isAckWorkflow(this.#profiles, workflowId))
      return { ...references, requested: NONE_REQUESTED };
    return { ...references, requested: acknowledgementsRequested(request, profile) };
  }

  /** Returns the replies that its workflow's profile says; none to an acknowledgement, or to a reply by its workflow. */
  async #expectedReplies(
    source: PayloadSource,
    message: Pick<StoredEnvelope, 'workflowId' | 'localId' | 'subject'> & { fileName: string | undefined },
    options: EnqueueOptions,
  ): Promise<ExpectedReplies | undefined> {
    const { awaitsReplies = options.requestedAcknowledgements === 'automatic', acknowledgementOf } = options;
    if (!awaitsReplies || acknowledgementOf || isAckWorkflow(this.#profiles, message.workflowId)) return undefined;
    return expectedReplies(this.#profiles.find(message.workflowId), source, message);
  }

  #newRow(
    id: string,
    envelope: StoredEnvelope,
    size: number,
    options: EnqueueOptions,
    {
      reference,
      requested,
      replies,
      lane,
      onceDigest: digest,
    }: ExpectedAcknowledgements & Pick<NewOutgoing, 'lane' | 'onceDigest'> & { replies: ExpectedReplies | undefined },
  ): Omit<NewOutgoing, 'payload'> {
    const { clock, mailbox, instance } = this.#parts;
    return {
      id,
      mailbox,
      instance,
      onceKey: options.onceKey ?? null,
      onceDigest: digest,
      lane,
      strictOrder: options.strictOrder ?? false,
      localId: envelope.localId,
      localIdIsUnique: !options.localIdIsShared,
      workflowId: envelope.workflowId,
      envelope: { ...envelope },
      size,
      queuedAt: clock.now(),
      resendOf: options.resendOf ?? null,
      acknowledgementReference: reference,
      infrastructure: requested.infrastructure ? 'awaited' : 'not-asked',
      business: requested.business ? 'awaited' : 'not-asked',
      ...rowOfReplies(replies),
    };
  }

  /** Commits a row, with the change of the one that it replaces. Deletes its spooled payload if it was not added. */
  async #add(row: NewOutgoing, replaced: ReplacedOutgoing | undefined): Promise<Added | undefined> {
    const { store, spool } = this.#parts;
    const { id, payload, size, workflowId, resendOf, queuedAt: time, envelope } = row;
    const { acknowledgementOf: of } = envelope as Partial<StoredEnvelope>;
    const acknowledged = of && { answers: of.messageId, level: of.level, code: of.code };
    const note: LedgerNote = { event: 'queued', time, detail: { bytes: size, workflowId, resendOf, ...acknowledged } };
    const answered = of && {
      ...({ direction: 'in', reference: of.messageId, messageId: of.messageId, event: 'answered', time } as const),
      detail: { level: of.level, code: of.code, by: id },
    };
    const discard = async (): Promise<void> => {
      if (payload.kind === 'spool') await spool.remove([payload.name]);
    };
    try {
      const result = replaced
        ? await store.replaceOutgoing(replaced, row, note)
        : await store.enqueue(row, note, answered);
      if (!result?.isNew) await discard();
      return result;
    } catch (error) {
      if (error instanceof UnknownCommitError) throw storedPerhaps(id, error);
      // A store that stopped may have committed all the same. The next start then deletes the payload if the row is not
      // there.
      const isThere = await store.getOutgoing(id).then(Boolean, () => true);
      if (!isThere) await discard();
      throw error;
    }
  }

  /**
   * Adds a message that another client has sent from this mailbox, so that a report, an acknowledgement or a reply that
   * comes now settles it. It is tracked like one of our own, and never sent: its payload is read for the references by
   * which others name it, and not kept. A limit that has passed already is not counted: the other client's users have
   * seen to it, and MESH's tracking says what became of the message.
   * @returns the message; undefined, and nothing is added, if the outbox has it already, sent from here or adopted
   * @throws StorageError; PayloadError when the payload cannot be read
   */
  async adopt({ messageId, sentAt, payload, ...fields }: SentElsewhere): Promise<OutboxMessage | undefined> {
    const { store, mailbox, clock } = this.#parts;
    const [known] = await store.listOutgoing({ mailbox, messageId }, { limit: 1 });
    if (known) return undefined;
    const now = clock.now();
    const id = adoptedId(mailbox, messageId);
    const { workflowId, to } = fields;
    const localId = fields.localId || id;
    const options: EnqueueOptions = { requestedAcknowledgements: 'automatic', localIdIsShared: true };
    const source = payload === undefined ? undefined : await payloadSource(payload);
    const named = { ...fields, localId, fileName: fields.fileName };
    const expected = source
      ? await this.#expectedAcknowledgements(source, workflowId, options)
      : { reference: null, further: [], requested: NONE_REQUESTED };
    const replies = source && (await this.#expectedReplies(source, named, options));
    const envelope: StoredEnvelope = {
      to,
      workflowId,
      localId,
      contentType: source?.contentType ?? '',
      ...this.#deadlines(workflowId, options),
      ...(expected.further.length > 0 && { furtherReferences: expected.further }),
      ...(replies?.replyKey !== undefined && { replyKey: replies.replyKey }),
      sentElsewhere: true,
    };
    const lane = laneOf(fields);
    const row = this.#newRow(id, envelope, source?.size ?? 0, options, {
      ...expected,
      replies,
      lane,
      onceDigest: null,
    });
    const { message, change } = acceptedElsewhere({ ...row, queuedAt: sentAt }, messageId, sentAt, now);
    const note = { event: SENT_ELSEWHERE, time: now, detail: { workflowId, sentAt } };
    const added = await store.addWithoutPayload(message, change, note);
    return added && outboxMessage(added);
  }

  /** Returns a message; undefined if the outbox never had it, or it is past its retention. */
  async get(id: string): Promise<OutboxMessage | undefined> {
    const row = await this.#row(id);
    return row && outboxMessage(row);
  }

  async #row(id: string): Promise<Outgoing | undefined> {
    const row = await this.#parts.store.getOutgoing(id);
    return row?.mailbox === this.#parts.mailbox ? row : undefined;
  }

  /**
   * Resolves when MESH has accepted the message, however long that takes.
   * @throws NotSentError when it is rejected, parked or dropped, or is unknown and needs a decision; AbortedError when
   *   the signal aborts (the message stays in the outbox); NotFoundError when the outbox does not have it
   */
  async accepted(id: string, signal?: AbortSignal): Promise<OutboxMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<OutboxMessage>();
    // It may reject before it is awaited.
    promise.catch(() => undefined);
    const look = (message: OutboxMessage): void => {
      if (message.acceptedAt !== undefined || ACCEPTED.includes(message.state)) resolve(message);
      else if (ENDED_UNACCEPTED.includes(message.state) || message.needsDecision) reject(notSent(message));
    };
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting.add(look));
    const abort = (): void => reject(new AbortedError(`Message ${id} is still in the outbox.`));
    signal?.addEventListener('abort', abort, { once: true });
    try {
      if (signal?.aborted) abort();
      // Of a row that was queued here and has not changed since, the store knows no more: its events will say.
      if (!this.#parts.justQueued?.has(id)) {
        const now = await this.get(id);
        if (now) look(now);
        else reject(notThere(id));
      }
      return await promise;
    } finally {
      waiting.delete(look);
      if (waiting.size === 0) this.#waiting.delete(id);
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Returns the messages that match the filter, oldest first. */
  async list(filter: Omit<OutgoingFilter, 'mailbox'>, page: Page = { limit: 100 }): Promise<OutboxMessage[]> {
    const rows = await this.#parts.store.listOutgoing({ ...filter, mailbox: this.#parts.mailbox }, page);
    return rows.map(outboxMessage);
  }

  /**
   * Yields every event of this mailbox, sent and received, between two times (milliseconds since 1970; `to` is
   * excluded), oldest first: for an incident report.
   */
  async *ledger(between: { from: number; to: number }): AsyncGenerator<LedgerEntry> {
    const { store, mailbox } = this.#parts;
    for (let after: string | undefined; ;) {
      const page = { limit: 500, ...(after === undefined ? {} : { after }) };
      const entries = await store.ledger(mailbox, between, page);
      yield* entries;
      const last = entries.at(-1);
      if (last === undefined || entries.length < page.limit) return;
      after = String(last.sequence);
    }
  }

  /** Returns every event of a message, by the outbox's id or MESH's, oldest first. */
  history(reference: string): Promise<LedgerEntry[]> {
    return this.#parts.store.history(this.#parts.mailbox, reference);
  }

  /**
   * Sends a failed message again, as a new message that is linked to it: one that is undelivered, rejected, unknown,
   * parked or closed, or whose business acknowledgement is negative, partial or overdue. The failed one is closed. A
   * second call returns the first call's message, unless that has failed as well.
   * @throws InvalidMessageError when the message is on its way; PayloadError when its payload is not kept any more or
   *   its file has changed; NotFoundError when the outbox does not have it
   */
  async resend(id: string): Promise<OutboxMessage> {
    const { store, spool, clock, mailbox } = this.#parts;
    for (;;) {
      const row = await this.#row(id);
      if (!row) throw notThere(id);
      const { message, options } = await messageToResend(row, spool);
      // Two users may press the same button, or one may press it again after a kill: the key makes only one of them
      // send.
      const before = await store.listOutgoing({ mailbox, resendOf: id }, { limit: 1000 });
      const failed = before.filter(({ state }) => ENDED_UNCOLLECTED.includes(state)).length;
      const by = uuidv7();
      const once = { ...options, onceKey: `resend ${id} ${failed}` };
      const again = await this.#inOrder(by, message, once, replacedBy(by, row, clock.now()));
      if (again?.replaced) this.emit('resent', again.replaced);
      if (again) return outboxMessage(again.message);
      // Meanwhile it was found at MESH, or settled otherwise: nothing was added, and what it is now decides.
    }
  }

  /**
   * Closes a message: one that was not sent (queued, unknown, parked) is given up, and one that failed (rejected,
   * undelivered) is marked as dealt with.
   * @throws InvalidMessageError when the message is in another state; NotFoundError when the outbox does not have it
   */
  async drop(id: string): Promise<OutboxMessage> {
    const found = await this.#row(id);
    if (!found) throw notThere(id);
    requireNotHandedBack(found);
    const time = this.#parts.clock.now();
    const change = { state: 'closed' as const, settledAt: time, nextTrackAt: null };
    const note = { event: 'dropped', time };
    const { store } = this.#parts;
    const row =
      (await store.changeOutgoing(id, UNSENT, change, note)) ??
      // settledAt stays: the retention of the payload counts from it.
      (await store.changeOutgoing(id, DROPPABLE_FAILURES, { state: 'closed' }, note));
    if (!row) {
      throw new InvalidMessageError(`Message ${id} cannot be dropped: it is being sent, or has ended.`, {
        advice: 'A message that MESH has accepted cannot be recalled.',
      });
    }
    this.emit('dropped', row);
    return outboxMessage(row);
  }

  /** Calls `listener` for every event of a message. Returns a function that unsubscribes it. */
  onEvent(listener: (event: OutboxEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Emits an event to the listeners. For the worker and the follower. */
  emit(event: string, row: Outgoing, details: OutboxEventDetails = {}): void {
    const emitted: OutboxEvent = { event, message: outboxMessage(row), ...details };
    if (event !== 'queued') this.#parts.justQueued?.forget(row.id);
    for (const listener of this.#listeners) {
      try {
        listener(emitted);
      } catch {
        // A listener that fails must not stop the sending.
      }
    }
    for (const waiting of this.#waiting.get(row.id) ?? []) waiting(emitted.message);
  }
}

/** What came of adding a message. */
type Added = { message: Outgoing; isNew: boolean; replaced?: Outgoing };

/**
 * The change of a message that is sent again as another one, on condition that it is still as `row` says. One that is
 * open or has failed is closed: it needs nobody's attention any more. One that was collected keeps its state.
 */
function replacedBy(by: string, row: Outgoing, time: number): ReplacedOutgoing {
  const { id, state, infrastructure, business } = row;
  const isOpen = MAY_NEED_DECISION.includes(state);
  const hasFailed = DROPPABLE_FAILURES.includes(state);
  return {
    id,
    from: [state],
    outcomes: { infrastructure: [infrastructure], business: [business] },
    // The settledAt of a failed one stays: the retention of the payload counts from it.
    change: isOpen ? { state: 'closed', settledAt: time, nextTrackAt: null } : hasFailed ? { state: 'closed' } : {},
    note: { event: 'resent', time, detail: { by } },
  };
}

/** Whether the payload is in memory and fits into its row, so that nothing of it is written or read before. */
function isSmall(payload: Enqueued['payload']): boolean {
  if (typeof payload === 'string') return payload.length <= INLINE_BYTES / MAX_UTF8_BYTES;
  return payload instanceof Uint8Array && payload.length <= INLINE_BYTES;
}

/** Bytes of one UTF-16 unit in UTF-8, at most. */
const MAX_UTF8_BYTES = 3;

/** The event of a message that another client has sent. */
const SENT_ELSEWHERE = 'sent elsewhere';

/** Returns the id of a message that another client sent: the same each time, so that it is adopted once. */
function adoptedId(mailbox: string, messageId: string): string {
  const hex = hash('sha256', `${mailbox}\n${messageId}`, 'hex');
  // RFC 9562: version 8 is for ids of one's own making.
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const NONE_REQUESTED: RequestedAcknowledgements = { infrastructure: false, business: false };

/**
 * The key of a recipient and workflow. Hashed: an address may carry demographics, and a lane is compared, never read.
 */
function laneOf({ to, workflowId }: Pick<OutgoingMessage, 'to' | 'workflowId'>): string {
  return hash('sha256', `${to}\n${workflowId}`, 'base64url').slice(0, 22);
}
