/**
 * The rows of one mailbox's received messages, and their few transitions. Each is one commit with its line in the ledger;
 * none of them goes back: spooled, acknowledged, delivered (again and again), done; or parked on the way, and done after.
 */
import type { MeshError } from '../errors';
import type { Incoming, IncomingSummary, IncomingState, NewIncoming, Page, Store, StoredError } from '../store/store';
import type { Clock } from '../clock';
import { RecentRows } from '../store/recent-rows';
import { Waiting } from './waiting';

/** What waits for its first delivery, whether MESH has been told or not. */
const WAITING: readonly IncomingState[] = ['spooled', 'acknowledged'];
/** What may be delivered, if no lease holds it. */
export const DELIVERABLE: readonly IncomingState[] = [...WAITING, 'delivered'];
const UNFINISHED: readonly IncomingState[] = [...DELIVERABLE, 'parked'];
const PAGE = 500;

/** Rows of the store, and how many wait. */
export class IncomingRows {
  readonly waiting = new Waiting();
  /** Small ones that were stored here and not handed over. */
  readonly #recent = new RecentRows<Incoming>();
  readonly #store: Store;
  readonly #key: string;
  readonly #clock: Clock;
  readonly #stored: (bytes: number) => void;
  #lastReceived = 0;

  constructor(store: Store, key: string, clock: Clock, stored: (bytes: number) => void = () => undefined) {
    this.#store = store;
    this.#key = key;
    this.#clock = clock;
    this.#stored = stored;
  }

  get(messageId: string): Promise<Incoming | undefined> {
    return this.#store.getIncoming(this.#key, messageId);
  }

  known(messageIds: readonly string[]): Promise<Map<string, IncomingState>> {
    return this.#store.knownIncoming(this.#key, messageIds);
  }

  /** The row with its payload, for a first delivery: as it was stored where that was a moment ago, else as it is now. */
  async take(messageId: string): Promise<Incoming | undefined> {
    return this.#recent.take(messageId) ?? (await this.get(messageId));
  }

  /** What waits for its first delivery, oldest first. `after` is a message id. */
  listWaiting(limit: number, after: string | undefined): Promise<IncomingSummary[]> {
    return this.#store.incomingSummaries(this.#key, WAITING, after === undefined ? { limit } : { limit, after });
  }

  /** All in these states. They may be changed on the way. */
  all(states: readonly IncomingState[]): AsyncGenerator<IncomingSummary> {
    return pages((page) => this.#store.incomingSummaries(this.#key, states, page));
  }

  /** All that is parked, as rows without payloads. */
  parked(): AsyncGenerator<Incoming> {
    return pages((page) => this.#store.listIncoming(this.#key, ['parked'], page));
  }

  /** All of which MESH has not been told. They may be told on the way. */
  untold(): AsyncGenerator<Incoming> {
    return pages((page) => this.#store.unacknowledgedIncoming(this.#key, page));
  }

  /** Counts what waits, before anything else. New ones come behind them, even if the clock was set back. */
  async count(): Promise<void> {
    this.waiting.clear();
    for await (const row of this.all(WAITING)) {
      this.waiting.add(row);
      this.#lastReceived = Math.max(this.#lastReceived, row.receivedAt);
    }
  }

  /** The message is ours now. False if it is there already. Times of receipt never repeat: they are the order. */
  async add(message: Omit<NewIncoming, 'mailbox' | 'receivedAt'>): Promise<NewIncoming | undefined> {
    const receivedAt = Math.max(this.#clock.now(), this.#lastReceived + 1);
    this.#lastReceived = receivedAt;
    const row: NewIncoming = { ...message, mailbox: this.#key, receivedAt };
    const detail = { bytes: row.size, workflowId: row.workflowId };
    if (!(await this.#store.addIncoming(row, { event: 'spooled', time: receivedAt, detail }))) return undefined;
    this.waiting.add(row);
    this.#stored(row.size);
    if (row.payload?.kind === 'inline') this.#recent.add(row.messageId, justStored(row));
    return row;
  }

  /** MESH has been told. Where the flow was faster, the state is another one already and stays so. */
  async told(messageId: string): Promise<void> {
    const acknowledgedAt = this.#clock.now();
    const note = { event: 'acknowledged', time: acknowledgedAt };
    const change = { state: 'acknowledged', acknowledgedAt } as const;
    if (await this.#change(messageId, ['spooled'], change, note)) return;
    const row = await this.get(messageId);
    if (row?.acknowledgedAt === null) {
      await this.#change(messageId, ['delivered', 'done', 'parked'], { acknowledgedAt }, note);
    }
  }

  /** It is being delivered; for the first time only if it was not before. Undefined if it was settled meanwhile. */
  async deliver(row: Incoming, leaseUntil: number): Promise<Incoming | undefined> {
    const deliveryCount = row.deliveryCount + 1;
    const standing = await this.#change(
      row.messageId,
      row.deliveryCount === 0 ? WAITING : DELIVERABLE,
      { state: 'delivered', deliveryCount, leaseUntil },
      { event: 'delivered', time: this.#clock.now(), detail: { deliveryCount } },
    );
    if (!standing) return undefined;
    if (row.deliveryCount === 0) this.waiting.add(row, -1);
    return { ...row, ...standing };
  }

  /** Its first delivery was recorded, and nobody is there any more to take it: it waits as before. */
  async notDelivered(row: Incoming): Promise<void> {
    const state = row.acknowledgedAt === null ? 'spooled' : 'acknowledged';
    const note = { event: 'not delivered', time: this.#clock.now() };
    const change = { state, deliveryCount: row.deliveryCount - 1, leaseUntil: null } as const;
    const waits = await this.#change(row.messageId, ['delivered'], change, note);
    if (waits?.deliveryCount === 0) this.waiting.add(row);
  }

  /** What its payload was recognised as, or has settled: whatever became of the message meanwhile. */
  async classification(messageId: string, classification: Incoming['classification']): Promise<void> {
    await this.#change(messageId, ['spooled', 'acknowledged', 'delivered', 'done', 'parked'], { classification });
  }

  /** The lease of an earlier process has no one to hold it. */
  async free(messageId: string): Promise<void> {
    await this.#change(messageId, ['delivered'], { leaseUntil: this.#clock.now() });
  }

  /** Those of which the instance that delivered them is gone: due at once. */
  freeLost(): Promise<string[]> {
    return this.#store.endLostDeliveries(this.#key, this.#clock.now());
  }

  /** The flow is done with it. Undefined if it was before, or the store does not know it. */
  async settle(messageId: string): Promise<IncomingSummary | undefined> {
    const settledAt = this.#clock.now();
    const change = { state: 'done', settledAt, leaseUntil: null } as const;
    const row = await this.#change(messageId, UNFINISHED, change, { event: 'done', time: settledAt });
    // Parked ones have an error; they do not wait.
    if (row?.deliveryCount === 0 && row.error === null) this.waiting.add(row, -1);
    return row;
  }

  /** Another instance settled it. */
  settledElsewhere(row: Incoming): void {
    if (row.deliveryCount === 0 && row.error === null) this.waiting.add(row, -1);
  }

  /** The consumer did not take it: due again at once where nobody holds it, and not counted but for the first time. */
  async refused({ messageId, deliveryCount }: Incoming): Promise<void> {
    const change = { deliveryCount: Math.max(1, deliveryCount - 1), leaseUntil: this.#clock.now() };
    await this.#change(messageId, ['delivered'], change);
  }

  /** Somebody wants a parked one delivered again, at least once. Undefined if it is not parked. */
  async unpark(messageId: string, maxDeliveries: number): Promise<IncomingSummary | undefined> {
    const row = await this.get(messageId);
    if (row?.state !== 'parked') return undefined;
    const time = this.#clock.now();
    const deliveryCount = Math.min(row.deliveryCount, maxDeliveries - 1);
    const waits = row.acknowledgedAt === null ? 'spooled' : 'acknowledged';
    const state = deliveryCount > 0 ? 'delivered' : waits;
    const change = { state, deliveryCount, leaseUntil: deliveryCount > 0 ? time : null, error: null } as const;
    const unparked = await this.#change(messageId, ['parked'], change, { event: 'redelivery asked for', time });
    if (unparked && deliveryCount === 0) this.waiting.add(unparked);
    return unparked;
  }

  /** It is not delivered any more. Undefined if it was settled meanwhile. */
  async park(row: Incoming, error: MeshError | undefined): Promise<IncomingSummary | undefined> {
    const stored = error ? storedError(error) : TOO_OFTEN;
    const parked = await this.#change(
      row.messageId,
      DELIVERABLE,
      { state: 'parked', leaseUntil: null, error: stored },
      { event: 'parked', time: this.#clock.now(), detail: { deliveryCount: row.deliveryCount, code: stored.code } },
    );
    if (parked?.deliveryCount === 0) this.waiting.add(parked, -1);
    return parked;
  }

  #change(
    messageId: string,
    from: readonly IncomingState[],
    change: Parameters<Store['changeIncoming']>[3],
    note?: Parameters<Store['changeIncoming']>[4],
  ): Promise<IncomingSummary | undefined> {
    if (change.state !== 'acknowledged') this.#recent.forget(messageId);
    return this.#store.changeIncoming(this.#key, messageId, from, change, note);
  }
}

const TOO_OFTEN: StoredError = {
  code: 'MESH_NOT_ACKNOWLEDGED',
  message: 'The message was delivered as often as it may be, and the flow never said that it was done with it.',
  advice: 'Look at why the flow does not reach its mesh-ack node.',
};

/** The row as it is right after its INSERT. */
function justStored(row: NewIncoming): Incoming {
  return {
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
