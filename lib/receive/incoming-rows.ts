/**
 * The rows of one mailbox's received messages, and their few transitions. Each is one commit with its entry in the
 * ledger. States only advance: spooled, acknowledged, delivered (again and again), done; or parked on the way, and then
 * done.
 */
import { PayloadError, type MeshError } from '../errors';
import { DELIVERABLE, INCOMING_STATES, PAST_DELIVERY, PENDING_DELIVERY, UNFINISHED } from '../message-states';
import type {
  Incoming,
  IncomingState,
  IncomingStore,
  IncomingSummary,
  LedgerEntry,
  LedgerNote,
  LedgerStore,
  NewIncoming,
  Page,
  StoredError,
} from '../store/store';
import { after, type Clock } from '../clock';
import { RecentRows } from '../store/recent-rows';
import { OFFERED_AGAIN } from '../store/rules/condition-events';
import { PendingCounts } from './pending-counts';

const PAGE = 500;
/** Within this time (milliseconds) an acknowledgement is recorded, whether its message is delivered or not. */
const RECORD_WITHIN_MS = 20;

/** An acknowledgement that MESH has and the store does not have yet. */
interface Unrecorded {
  acknowledgedAt: number;
  recorded: PromiseWithResolvers<void>;
}

export class IncomingRows {
  /** Counts of pending deliveries. */
  readonly pending = new PendingCounts();
  /** Messages that are being stored and acknowledged, and must not be delivered yet. */
  readonly beingStored = new Set<string>();
  /** How many messages this process has parked. */
  parkedCount = 0;
  /** By message id: see `acknowledgedBeforeDelivery`. */
  readonly #unrecorded = new Map<string, Unrecorded>();
  #isRecordingPlanned = false;
  /** Small messages that this process has just stored and not yet delivered. */
  readonly #recent = new RecentRows<Incoming>();
  readonly #store: IncomingStore & LedgerStore;
  readonly #key: string;
  readonly #clock: Clock;
  readonly #onStored: (bytes: number) => void;

  constructor(
    store: IncomingStore & LedgerStore,
    key: string,
    clock: Clock,
    onStored: (bytes: number) => void = () => undefined,
  ) {
    this.#store = store;
    this.#key = key;
    this.#clock = clock;
    this.#onStored = onStored;
  }

  get(messageId: string): Promise<Incoming | undefined> {
    return this.#store.getIncoming(this.#key, messageId);
  }

  known(messageIds: readonly string[]): Promise<Map<string, IncomingState>> {
    return this.#store.knownIncoming(this.#key, messageIds);
  }

  /**
   * Returns the row with its payload for a first delivery: from memory if it was just stored, otherwise from the store.
   */
  async take(messageId: string): Promise<Incoming | undefined> {
    return this.#recent.take(messageId) ?? (await this.get(messageId));
  }

  /** Lists pending deliveries, oldest first. `after` is a message id. */
  listPending(limit: number, after: string | undefined): Promise<IncomingSummary[]> {
    return this.#store.incomingSummaries(
      this.#key,
      PENDING_DELIVERY,
      after === undefined ? { limit } : { limit, after },
    );
  }

  /** All rows in these states. They may be changed during the iteration. */
  all(states: readonly IncomingState[]): AsyncGenerator<IncomingSummary> {
    return pages((page) => this.#store.incomingSummaries(this.#key, states, page));
  }

  /** All parked rows, without payloads. */
  parked(): AsyncGenerator<Incoming> {
    return pages((page) => this.#store.listIncoming(this.#key, ['parked'], page));
  }

  /** All rows that are not acknowledged to MESH. They may be acknowledged during the iteration. */
  unacknowledged(): AsyncGenerator<Incoming> {
    return pages((page) => this.#store.unacknowledgedIncoming(this.#key, page));
  }

  /** Counts the pending deliveries. */
  async count(): Promise<void> {
    this.pending.clear();
    for await (const row of this.all(PENDING_DELIVERY)) this.pending.add(row);
  }

  /** Stores a message. Returns undefined if the store has it already. */
  async add(message: Omit<NewIncoming, 'mailbox' | 'receivedAt'>): Promise<IncomingSummary | undefined> {
    const receivedAt = this.#clock.now();
    const row: NewIncoming = { ...message, mailbox: this.#key, receivedAt };
    const detail = { bytes: row.size, workflowId: row.workflowId };
    const sequence = await this.#store.addIncoming(row, { event: 'spooled', time: receivedAt, detail });
    if (sequence === undefined) return undefined;
    this.pending.add(row);
    this.#onStored(row.size);
    const stored = asStored(row, sequence);
    if (row.payload?.kind === 'inline') this.#recent.add(row.messageId, stored);
    return summaryOf(stored);
  }

  /**
   * Records the acknowledgement to MESH of a message that may be delivered now: with its delivery, in one change, or in
   * a change of its own if there is none within a moment.
   */
  acknowledgedBeforeDelivery(messageId: string): Promise<void> {
    const recorded = Promise.withResolvers<void>();
    this.#unrecorded.set(messageId, { acknowledgedAt: this.#clock.now(), recorded });
    if (!this.#isRecordingPlanned) after(RECORD_WITHIN_MS, () => this.#recordUndelivered());
    this.#isRecordingPlanned = true;
    return recorded.promise;
  }

  #recordUndelivered(): void {
    this.#isRecordingPlanned = false;
    for (const [messageId, unrecorded] of this.#unrecorded) this.#recordAlone(messageId, unrecorded);
    this.#unrecorded.clear();
  }

  /** Records an acknowledgement that no delivery has recorded. */
  #recordAlone(messageId: string, { acknowledgedAt, recorded }: Unrecorded): void {
    this.acknowledged(messageId, acknowledgedAt).then(recorded.resolve, recorded.reject);
  }

  /** Records the acknowledgement to MESH. If the flow was faster, the later state stays. */
  async acknowledged(messageId: string, acknowledgedAt = this.#clock.now()): Promise<void> {
    const note = { event: 'acknowledged', time: acknowledgedAt };
    const change = { state: 'acknowledged', acknowledgedAt } as const;
    if (await this.#change(messageId, ['spooled'], change, note)) return;
    const row = await this.get(messageId);
    if (row?.acknowledgedAt === null) {
      await this.#change(messageId, PAST_DELIVERY, { acknowledgedAt }, note);
    }
  }

  /** Records a delivery before it happens. Undefined if the message was settled meanwhile. */
  async deliver(row: Incoming, leaseUntil: number): Promise<Incoming | undefined> {
    const { messageId } = row;
    const deliveryCount = row.deliveryCount + 1;
    const unrecorded = this.#unrecorded.get(messageId);
    this.#unrecorded.delete(messageId);
    let changed: IncomingSummary | undefined;
    try {
      changed = await this.#change(
        messageId,
        row.deliveryCount === 0 ? PENDING_DELIVERY : DELIVERABLE,
        {
          state: 'delivered',
          deliveryCount,
          leaseUntil,
          ...(unrecorded && { acknowledgedAt: unrecorded.acknowledgedAt }),
        },
        ...(unrecorded ? [{ event: 'acknowledged', time: unrecorded.acknowledgedAt }] : []),
        { event: 'delivered', time: this.#clock.now(), detail: { deliveryCount } },
      );
    } finally {
      if (unrecorded && changed) unrecorded.recorded.resolve();
      else if (unrecorded) this.#recordAlone(messageId, unrecorded);
    }
    if (!changed) return undefined;
    if (row.deliveryCount === 0) this.pending.add(row, -1);
    return { ...row, ...changed };
  }

  /** Takes back a recorded first delivery whose consumer is gone: the delivery is pending as before. */
  async undeliver(row: Incoming): Promise<void> {
    const state = row.acknowledgedAt === null ? 'spooled' : 'acknowledged';
    const note = { event: 'not delivered', time: this.#clock.now() };
    const change = { state, deliveryCount: row.deliveryCount - 1, leaseUntil: null } as const;
    const changed = await this.#change(row.messageId, ['delivered'], change, note);
    if (changed?.deliveryCount === 0) this.pending.add(row);
  }

  /** Records the payload's classification, or what it has settled, in whatever state the message is. */
  async setClassification(messageId: string, classification: Incoming['classification']): Promise<void> {
    await this.#change(messageId, INCOMING_STATES, { classification });
  }

  /** Ends the lease of an earlier process. */
  async expireLease(messageId: string): Promise<void> {
    await this.#change(messageId, ['delivered'], { leaseUntil: this.#clock.now() });
  }

  /** Ends the leases of instances that have gone, and returns the message ids: they are due at once. */
  expireLostLeases(): Promise<string[]> {
    return this.#store.endLostDeliveries(this.#key, this.#clock.now());
  }

  /** Records that MESH offers a message again that it has our acknowledgement of. */
  noteOfferedAgain(messageId: string, detail: LedgerEntry['detail']): Promise<void> {
    const time = this.#clock.now();
    const line = { time, mailbox: this.#key, direction: 'in', reference: messageId, messageId } as const;
    return this.#store.note({ ...line, event: OFFERED_AGAIN, detail });
  }

  /** Records that the flow has finished a message. Undefined if that is recorded, or the store does not know it. */
  async settle(messageId: string): Promise<IncomingSummary | undefined> {
    const settledAt = this.#clock.now();
    const change = { state: 'done', settledAt, leaseUntil: null } as const;
    const row = await this.#change(messageId, UNFINISHED, change, { event: 'done', time: settledAt });
    this.countSettled(row);
    return row;
  }

  /** Takes a settled message off the pending count, whether this or another instance settled it. */
  countSettled(row: IncomingSummary | undefined): void {
    // A parked message has an error, and is not pending.
    if (row?.deliveryCount === 0 && row.error === null) this.pending.add(row, -1);
  }

  /**
   * Records that the consumer refused a delivery: due at once if no consumer holds it, and counted only if it is the
   * first.
   */
  async refused({ messageId, deliveryCount }: Incoming): Promise<void> {
    const change = { deliveryCount: Math.max(1, deliveryCount - 1), leaseUntil: this.#clock.now() };
    await this.#change(messageId, ['delivered'], change);
  }

  /**
   * Makes a message in one of these states due for a delivery, at least once more. Undefined if it is in another, or the
   * store does not have it.
   * @throws PayloadError when its payload is not kept any more
   */
  async deliverAgain(
    messageId: string,
    from: readonly IncomingState[],
    maxDeliveries: number,
  ): Promise<IncomingSummary | undefined> {
    const row = await this.get(messageId);
    if (!row || !from.includes(row.state)) return undefined;
    if (row.payload === null && row.size > 0) throw payloadGone(messageId);
    const time = this.#clock.now();
    const deliveryCount = Math.min(row.deliveryCount, maxDeliveries - 1);
    const pendingState = row.acknowledgedAt === null ? 'spooled' : 'acknowledged';
    const state = deliveryCount > 0 ? 'delivered' : pendingState;
    const leaseUntil = deliveryCount > 0 ? time : null;
    const change = { state, deliveryCount, leaseUntil, settledAt: null, error: null } as const;
    const due = await this.#change(messageId, [row.state], change, { event: 'redelivery asked for', time });
    if (due && deliveryCount === 0) this.pending.add(due);
    return due;
  }

  /** Parks a message. Undefined if it was settled meanwhile. */
  async park(row: Incoming, error: MeshError | undefined): Promise<IncomingSummary | undefined> {
    const stored = error ? storedError(error) : NOT_ACKNOWLEDGED;
    const parked = await this.#change(
      row.messageId,
      DELIVERABLE,
      { state: 'parked', leaseUntil: null, error: stored },
      { event: 'parked', time: this.#clock.now(), detail: { deliveryCount: row.deliveryCount, code: stored.code } },
    );
    if (parked) this.parkedCount += 1;
    if (parked?.deliveryCount === 0) this.pending.add(parked, -1);
    return parked;
  }

  #change(
    messageId: string,
    from: readonly IncomingState[],
    change: Parameters<IncomingStore['changeIncoming']>[3],
    ...notes: LedgerNote[]
  ): Promise<IncomingSummary | undefined> {
    if (change.state !== 'acknowledged') this.#recent.forget(messageId);
    return this.#store.changeIncoming(this.#key, messageId, from, change, ...notes);
  }
}

function payloadGone(messageId: string): PayloadError {
  return new PayloadError(`The payload of message ${messageId} is not kept any more, so it is not delivered again.`, {
    messageId,
    advice: 'The payload of a settled message is kept for a week. Ask the sender to send it again.',
  });
}

const NOT_ACKNOWLEDGED: StoredError = {
  code: 'MESH_NOT_ACKNOWLEDGED',
  message: 'The message was delivered the maximum number of times, and the flow never acknowledged it.',
  advice: 'Find out why the flow does not reach its mesh-ack node.',
};

/** The row as it is right after its INSERT. */
function asStored(row: NewIncoming, sequence: number): Incoming {
  return {
    sequence,
    requestKey: null,
    classification: null,
    ...row,
    state: 'spooled',
    acknowledgedAt: null,
    deliveryCount: 0,
    leaseUntil: null,
    settledAt: null,
    error: null,
  };
}

/** The row without its payload, which a list must not keep in memory. */
function summaryOf(row: Incoming): IncomingSummary {
  const { messageId, workflowId, messageType, receivedAt, sequence, state, acknowledgedAt } = row;
  const { deliveryCount, leaseUntil, error, size, classification } = row;
  return {
    messageId,
    workflowId,
    messageType,
    receivedAt,
    sequence,
    state,
    acknowledgedAt,
    deliveryCount,
    leaseUntil,
    error,
    size,
    classification,
  };
}

/** Every row of a list, a page at a time. */
async function* pages<Row extends { messageId: string }>(list: (page: Page) => Promise<Row[]>): AsyncGenerator<Row> {
  let page: Row[];
  let after: string | undefined;
  do {
    page = await list({ limit: PAGE, ...(after ? { after } : {}) });
    yield* page;
    after = page.at(-1)?.messageId;
  } while (page.length === PAGE);
}

function storedError({ code, message, advice }: MeshError): StoredError {
  return { code, message, ...(advice === undefined ? {} : { advice }) };
}
