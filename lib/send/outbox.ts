/**
 * The durable outbox of one mailbox. From the moment that `enqueue` resolves, a message survives kills, restarts and days
 * without MESH; the worker sends it, once.
 */
import { v7 as uuidv7 } from 'uuid';
import { AbortedError, InvalidMessageError } from '../errors';
import { acknowledgementsRequested, type RequestedAcknowledgements } from '../acks/requested';
import { parseSource } from '../acks/parse-source';
import { isAckWorkflow, loadProfiles, type WorkflowProfiles } from '../acks/profiles';
import { keyOfRequest } from '../acks/request';
import type { PayloadSource } from '../payload/source';
import { placePayload } from '../payload/stored-payload';
import type { Spool } from '../payload/spool';
import { outgoingHeaders } from '../protocol/message-headers';
import type {
  LedgerEntry,
  NewOutgoing,
  RemoteChange,
  Outgoing,
  OutgoingChange,
  OutgoingFilter,
  OutgoingState,
  Page,
  Store,
} from '../store/store';
import type { Clock } from '../clock';
import { CallOrder, laneOf, type Place } from './call-order';
import { deadlineRules, type DeadlineRules, type WorkflowDeadlines } from './deadlines';
import {
  outboxMessage,
  type Enqueued,
  type EnqueueOptions,
  type OutboxEvent,
  type OutboxLimits,
  type OutboxMessage,
  type OutboxEventDetails,
  type StoredEnvelope,
} from './outbox-types';
import { notSent, notThere } from './outbox-errors';
import { messageToResend, RESENDABLE } from './resend';
import { OutboxQuota } from './outbox-quota';

/** What an outbox is made of. */
export interface OutboxParts {
  store: Store;
  spool: Spool;
  clock: Clock;
  /** Key of the mailbox in the store. */
  mailbox: string;
  mailboxId: string;
  /** Of the sandbox, if it is one. */
  instance: string | null;
  limits?: OutboxLimits;
  /** Of its workflows. Default: 12 hours, 24 hours, 2 working days. */
  deadlines?: readonly WorkflowDeadlines[];
  /** What each workflow asks for. Default: the shipped ones. */
  profiles?: WorkflowProfiles;
}

/** What is known of the answers to a message. */
interface Answers {
  reference: string | null;
  asks: RequestedAcknowledgements;
}

/** Takes messages in, and answers for them until they are settled. */
export class Outbox {
  readonly #parts: OutboxParts;
  readonly #room: OutboxQuota;
  readonly #stopHearing: () => void;
  readonly #order = new CallOrder();
  readonly #deadlines: DeadlineRules;
  readonly #profiles: WorkflowProfiles;
  readonly #listeners = new Set<(event: OutboxEvent) => void>();
  /** Who waits for which message: there may be thousands. */
  readonly #waiting = new Map<string, Set<(message: OutboxMessage) => void>>();
  /** Called after everything that happens to a message, so that the worker does not have to look by itself. */
  onChange: () => void = () => undefined;
  /** Called with each row that was queued here, before its event is told. */
  onQueued: (row: Outgoing) => void = () => undefined;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#room = new OutboxQuota(parts, parts.limits);
    this.#deadlines = deadlineRules(parts.deadlines);
    this.#profiles = parts.profiles ?? loadProfiles();
    this.#stopHearing = parts.store.onRemoteChange(parts.mailbox, (change) => this.#other(change));
  }

  /** Hears no more of what other instances do. */
  close(): void {
    this.#stopHearing();
  }

  /** Another instance sends, and whoever waits here has to know. Events are told where they happen, and only there. */
  #other(change: RemoteChange): void {
    if (change.kind === 'out') this.#lookAgain([change.id]);
    if (change.kind === 'missed') this.#lookAgain([...this.#waiting.keys()]);
    if (change.kind === 'out' || change.kind === 'missed') this.onChange();
  }

  #lookAgain(ids: readonly string[]): void {
    for (const id of ids) {
      const waiting = this.#waiting.get(id);
      if (!waiting) continue;
      this.get(id).then(
        (message) => message && waiting.forEach((look) => look(message)),
        // The store is away: when it is back it says that something was missed.
        () => undefined,
      );
    }
  }

  /**
   * Takes a message: checked, its payload safe, its row committed. Calls for one recipient and workflow are committed in the
   * order in which they were made, awaited or not: a large payload is not overtaken by a small one. Throws InvalidMessageError or PayloadError for what
   * cannot be sent, OutboxFullError or StorageError where there is no room; then nothing was taken.
   */
  async enqueue(message: Enqueued, options: EnqueueOptions = {}): Promise<{ message: OutboxMessage; isNew: boolean }> {
    const place = this.#order.enter(laneOf(message));
    try {
      return await this.#enqueue(uuidv7(), message, options, place);
    } finally {
      place.leave();
    }
  }

  async #enqueue(
    id: string,
    message: Enqueued,
    options: EnqueueOptions,
    place: Place,
  ): Promise<{ message: OutboxMessage; isNew: boolean }> {
    const { spool, mailboxId } = this.#parts;
    const first = await this.#first(options.onceKey);
    if (first) return { message: outboxMessage(first), isNew: false };
    const { payload, ...fields } = message;
    const placed = await placePayload(payload, spool, id, options.copyFile ?? false);
    const envelope: StoredEnvelope = {
      ...(placed.source.fileName ? { fileName: placed.source.fileName } : {}),
      ...fields,
      localId: message.localId || id,
      contentType: fields.contentType || placed.source.contentType,
      ...this.#deadlines(message.workflowId, options),
      ...(options.answering && { answering: options.answering }),
    };
    // Before anything is written: MESH would refuse it later all the same.
    outgoingHeaders(mailboxId, envelope);
    const answers = await this.#answers(placed.source, message.workflowId, options);
    const { message: row, isNew } = await this.#room.take(placed.ownBytes, async () => {
      const payload = await placed.keep();
      await place.turn;
      // The store keeps the order of what it is asked: many share a commit.
      const adding = this.#add(this.#newRow(id, envelope, placed.source.size, payload, options, answers));
      place.leave();
      return adding;
    });
    if (isNew) {
      this.onQueued(row);
      this.tell('queued', row);
    }
    return { message: outboxMessage(row), isNew };
  }

  /** The message that has this key already. Before its payload is looked at: a repeat may come when there is no room. */
  async #first(onceKey: string | undefined): Promise<Outgoing | undefined> {
    if (onceKey === undefined) return undefined;
    const { store, mailbox } = this.#parts;
    return (await store.listOutgoing({ mailbox, onceKey }, { limit: 1 }))[0];
  }

  /** By what an answer will name the message, and which are awaited. An answer is not itself answered. */
  async #answers(source: PayloadSource, workflowId: string, options: EnqueueOptions): Promise<Answers> {
    const { request, acknowledgement, unreadableAcknowledgement } = options.answering ? {} : await parseSource(source);
    const reference = keyOfRequest(request);
    const { asks } = options;
    if (asks !== 'automatic') {
      return { reference, asks: { infrastructure: asks?.infrastructure ?? false, business: asks?.business ?? false } };
    }
    const isAnswer = options.answering ?? acknowledgement ?? unreadableAcknowledgement;
    const isAsked = isAnswer === undefined && !isAckWorkflow(this.#profiles, workflowId);
    const automatic = isAsked ? acknowledgementsRequested(request, this.#profiles.find(workflowId)) : NOTHING_ASKED;
    return { reference, asks: automatic };
  }

  #newRow(
    id: string,
    envelope: StoredEnvelope,
    size: number,
    payload: NewOutgoing['payload'],
    options: EnqueueOptions,
    { reference, asks }: Answers,
  ): NewOutgoing {
    const { clock, mailbox, instance } = this.#parts;
    return {
      id,
      mailbox,
      instance,
      onceKey: options.onceKey ?? null,
      lane: laneOf(envelope),
      strictOrder: options.strictOrder ?? false,
      localId: envelope.localId,
      localIdIsUnique: !options.localIdIsShared,
      workflowId: envelope.workflowId,
      envelope: { ...envelope },
      size,
      queuedAt: clock.now(),
      resendOf: options.resendOf ?? null,
      acknowledgementReference: reference,
      infrastructure: asks.infrastructure ? 'awaited' : 'not-asked',
      business: asks.business ? 'awaited' : 'not-asked',
      payload,
    };
  }

  /** Commits a row. What it has spooled goes, unless the row is there. */
  async #add(row: NewOutgoing): Promise<{ message: Outgoing; isNew: boolean }> {
    const { store, spool } = this.#parts;
    const { id, payload, size, workflowId, resendOf, queuedAt: time, envelope } = row;
    const { answering } = envelope as Partial<StoredEnvelope>;
    const answers = answering && { answers: answering.messageId, level: answering.level, code: answering.code };
    const discard = async (): Promise<void> => {
      if (payload.kind === 'spool') await spool.remove([payload.name]);
    };
    try {
      const result = await store.enqueue(row, {
        event: 'queued',
        time,
        detail: { bytes: size, workflowId, resendOf, ...answers },
      });
      if (!result.isNew) await discard();
      return result;
    } catch (error) {
      // A store that stopped may have committed all the same. What is left then goes at the next start.
      const isThere = await store.getOutgoing(id).then(Boolean, () => true);
      if (!isThere) await discard();
      throw error;
    }
  }

  /** A message as it stands; undefined if the outbox never had it, or it is past its retention. */
  async get(id: string): Promise<OutboxMessage | undefined> {
    const row = await this.#row(id);
    return row && outboxMessage(row);
  }

  async #row(id: string): Promise<Outgoing | undefined> {
    const row = await this.#parts.store.getOutgoing(id);
    return row?.mailbox === this.#parts.mailbox ? row : undefined;
  }

  /**
   * Resolves when MESH has accepted the message, however long that takes. Throws NotSentError if it ends otherwise:
   * rejected, parked, dropped, or held because nobody knows whether it was sent; AbortedError when the signal says so (the
   * message stays in the outbox).
   */
  async accepted(id: string, signal?: AbortSignal): Promise<OutboxMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<OutboxMessage>();
    // It may be rejected before it is awaited.
    promise.catch(() => undefined);
    const look = (message: OutboxMessage): void => {
      if (message.acceptedAt !== undefined || ACCEPTED.has(message.state)) resolve(message);
      else if (ENDED.has(message.state) || message.held) reject(notSent(message));
    };
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting.add(look));
    const abort = (): void => reject(new AbortedError(`Message ${id} is still in the outbox.`));
    signal?.addEventListener('abort', abort, { once: true });
    try {
      if (signal?.aborted) abort();
      const now = await this.get(id);
      if (now) look(now);
      else reject(notThere(id));
      return await promise;
    } finally {
      waiting.delete(look);
      if (waiting.size === 0) this.#waiting.delete(id);
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Messages by state, id, local id or key, oldest first. */
  async list(filter: Omit<OutgoingFilter, 'mailbox'>, page: Page = { limit: 100 }): Promise<OutboxMessage[]> {
    const rows = await this.#parts.store.listOutgoing({ ...filter, mailbox: this.#parts.mailbox }, page);
    return rows.map(outboxMessage);
  }

  /**
   * Every event of this mailbox, sent and received, between two times (milliseconds since 1970; `to` is not included), oldest
   * first: for the report of an incident.
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

  /** Everything that ever happened to a message, by our id or MESH's. */
  history(reference: string): Promise<LedgerEntry[]> {
    return this.#parts.store.history(this.#parts.mailbox, reference);
  }

  /**
   * Sends a message again that did not arrive, as a new one that is linked to it: undelivered, rejected, unknown, parked,
   * closed, or acknowledged with an answer that is negative, partial or overdue. Asked twice, it gives the first one's result, unless that has failed as well. Throws InvalidMessageError for
   * one that is on its way, PayloadError if its payload is not kept any more or its file has changed.
   */
  async resend(id: string): Promise<OutboxMessage> {
    const { store, spool, clock, mailbox } = this.#parts;
    const row = await this.#row(id);
    if (!row) throw notThere(id);
    const { message, options } = await messageToResend(row, spool);
    // Of two who press the same button, or one whom a kill has made press it again, only one sends.
    const before = await store.listOutgoing({ mailbox, resendOf: id }, { limit: 1000 });
    const failed = before.filter(({ state }) => ENDED.has(state) || state === 'undelivered').length;
    const again = await this.enqueue(message, { ...options, onceKey: `resend ${id} ${failed}` });

    const time = clock.now();
    const close: OutgoingChange = { state: 'closed', settledAt: time, nextTrackAt: null };
    const isOpen = row.state === 'unknown' || row.state === 'parked';
    if (!isOpen && !again.isNew) return again.message;
    const note = { event: 'resent', time, detail: { by: again.message.id } };
    const now = await store.changeOutgoing(id, isOpen ? [row.state] : RESENDABLE, isOpen ? close : {}, note);
    if (now) {
      this.tell('resent', now);
      return again.message;
    }
    // While we were at it, MESH was found to have it.
    await this.drop(again.message.id).catch(() => undefined);
    return this.resend(id);
  }

  /**
   * Gives a message up that was not sent (queued, unknown, parked), or puts a failed one aside (rejected, undelivered) that a
   * person has dealt with: it is closed. Throws InvalidMessageError for any other.
   */
  async drop(id: string): Promise<OutboxMessage> {
    if (!(await this.#row(id))) throw notThere(id);
    const time = this.#parts.clock.now();
    const change = { state: 'closed' as const, settledAt: time, nextTrackAt: null };
    const note = { event: 'dropped', time };
    const { store } = this.#parts;
    const row =
      (await store.changeOutgoing(id, ['queued', 'unknown', 'parked'], change, note)) ??
      // Since when it is settled counts for how long its payload is kept.
      (await store.changeOutgoing(id, ['rejected', 'undelivered'], { state: 'closed' }, note));
    if (!row) {
      throw new InvalidMessageError(`Message ${id} cannot be dropped: it is on its way, or over.`, {
        advice: 'What MESH has accepted cannot be taken back.',
      });
    }
    this.tell('dropped', row);
    return outboxMessage(row);
  }

  /** Calls `listener` for everything that happens to a message; gives a function that ends it. */
  onEvent(listener: (event: OutboxEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** For the worker and the tracker: something happened. */
  tell(event: string, row: Outgoing, details: OutboxEventDetails = {}): void {
    const told: OutboxEvent = { event, message: outboxMessage(row), ...details };
    for (const listener of this.#listeners) {
      try {
        listener(told);
      } catch {
        // Whoever listens cannot stop the mail.
      }
    }
    for (const waiting of this.#waiting.get(row.id) ?? []) waiting(told.message);
    this.onChange();
  }
}

const NOTHING_ASKED: RequestedAcknowledgements = { infrastructure: false, business: false };
const ACCEPTED = new Set<OutgoingState>(['accepted', 'acknowledged', 'undelivered']);
const ENDED = new Set<OutgoingState>(['rejected', 'closed']);
