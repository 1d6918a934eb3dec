/**
 * Raises an alarm for every fault of the outbox that nobody else reports. A flow that waits for its message gets the
 * error with it, and a mesh-track node reports what it follows; the rest, and the mailbox's own pauses, are alarms.
 */
import {
  ATTENTION_AT_ONCE,
  ATTENTION_UNACCEPTED,
  type OutboxEvent,
  type OutboxState,
  type StoredError,
} from '../../lib/index';

/** An error for Catch nodes, raised once for each cause. */
export type Alarm = { kind: 'paused'; error: StoredError; waiting: number } | ({ kind: 'attention' } & OutboxEvent);

/** Events that need a person's attention. An event that leads to a state has the state's name. */
const ATTENTION = new Set<string>([
  ...ATTENTION_AT_ONCE,
  'held',
  'overdue',
  'duplicate',
  'infrastructure negative',
  'infrastructure partial',
  'business negative',
  'business partial',
  'reply negative',
  'reply partial',
]);
/** Events with which a message in a flow, waiting for MESH's acceptance, fails. */
const FAILS_WAITING_MESSAGE = new Set<string>([...ATTENTION_UNACCEPTED, 'held']);
/** A moment without MESH needs nobody's attention: the alarm comes at this failed attempt, after some seconds. */
const ATTEMPTS_BEFORE_ALARM = 2;
/** Events that prove that MESH responds again, so that a pause is over. */
const PROGRESS = new Set(['accepted', 'rejected', 'chunk']);
/** Errors that pass by themselves. A lost response is a broken connection; its message is looked up separately. */
const PASSING = new Set(['MESH_CONNECTION', 'MESH_PROTOCOL', 'MESH_UNAVAILABLE', 'MESH_UNKNOWN_OUTCOME']);

/**
 * True for `held`, `parked`, `rejected`, `undelivered`, `overdue` and `duplicate`, for a negative or partial
 * acknowledgement or reply, and for a message that stays unknown after the look-up.
 */
export function needsAttention({ event, message }: OutboxEvent): boolean {
  return ATTENTION.has(event) || (event === 'unknown' && message.needsDecision);
}

/** True for the error of a pause that ends by itself once MESH responds. */
export function isPassing(error: StoredError): boolean {
  return PASSING.has(error.code);
}

/** The alarms of one mailbox's outbox. */
export class SendAlarms {
  readonly #raise: (alarm: Alarm) => void;
  /** Each returns whether it takes an alarm at this moment. */
  readonly #followers = new Set<() => boolean>();
  /** Number of flows that wait for a message, by its outbox id. */
  readonly #awaited = new Map<string, number>();
  #state: OutboxState | undefined;
  /** Code of the last store error that was raised. */
  #storeError: string | undefined;
  #pause:
    { cause: string; attempts: Set<string>; isRaised: boolean; paused: NonNullable<OutboxState['paused']> } | undefined;

  constructor(raise: (alarm: Alarm) => void) {
    this.#raise = raise;
  }

  /** The last state of the outbox; undefined before the first. */
  get state(): OutboxState | undefined {
    return this.#state;
  }

  /**
   * Leaves alarms about messages to a follower while it takes them, which is asked at each alarm: Node-RED changes wires
   * live. Returns a function that ends that.
   */
  follow(takesAlarm: () => boolean): () => void {
    this.#followers.add(takesAlarm);
    return () => this.#followers.delete(takesAlarm);
  }

  /** Notes that a flow waits for a message while `acceptance` is pending. */
  async awaited<Result>(id: string, acceptance: Promise<Result>): Promise<Result> {
    this.#awaited.set(id, (this.#awaited.get(id) ?? 0) + 1);
    try {
      return await acceptance;
    } finally {
      const left = (this.#awaited.get(id) ?? 1) - 1;
      if (left > 0) this.#awaited.set(id, left);
      else this.#awaited.delete(id);
    }
  }

  /** Takes a new state of the outbox. Returns the state to show. */
  changed(latest: OutboxState): OutboxState {
    // The outbox is not paused during an attempt, which does not end the pause yet.
    const paused = latest.waiting > 0 ? (latest.paused ?? this.#pause?.paused) : undefined;
    this.#state = { ...latest, ...(paused && { paused }) };
    if (paused) this.#notePause(paused, latest.waiting);
    else this.#pause = undefined;
    const { storeError, waiting } = latest;
    if (storeError && storeError.code !== this.#storeError) this.#raise({ kind: 'paused', error: storeError, waiting });
    this.#storeError = storeError?.code;
    return this.#state;
  }

  #notePause(paused: NonNullable<OutboxState['paused']>, waiting: number): void {
    const { error, until } = paused;
    const cause = isPassing(error) ? 'away' : error.code;
    const attempts = this.#pause?.cause === cause ? this.#pause.attempts.add(until) : new Set([until]);
    let isRaised = this.#pause?.cause === cause && this.#pause.isRaised;
    if (!isRaised && (!isPassing(error) || attempts.size >= ATTEMPTS_BEFORE_ALARM)) {
      isRaised = true;
      this.#raise({ kind: 'paused', error, waiting });
    }
    // A pause may last for days, so the attempts are not kept any longer.
    this.#pause = { cause, attempts: isRaised ? new Set() : attempts, isRaised, paused };
  }

  /** Takes an event of the outbox. */
  happened(outboxEvent: OutboxEvent): void {
    const { event, message } = outboxEvent;
    if (PROGRESS.has(event)) this.#pause = undefined;
    if (!needsAttention(outboxEvent) || [...this.#followers].some((takesAlarm) => takesAlarm())) return;
    if (FAILS_WAITING_MESSAGE.has(event) && this.#awaited.has(message.id)) return;
    this.#raise({ kind: 'attention', ...outboxEvent });
  }
}
