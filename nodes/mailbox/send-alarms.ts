/**
 * Sees to it that nothing that goes wrong in the outbox stays unheard. What a flow waits for, it is told with its message;
 * what a mesh-track node follows, that node tells; the rest, and the mailbox's own pauses, is an alarm.
 */
import type { OutboxEvent, OutboxState, StoredError } from '../../lib/index';

/** What Catch nodes have to hear, once for each cause. */
export type Alarm = { kind: 'paused'; error: StoredError; waiting: number } | ({ kind: 'attention' } & OutboxEvent);

/** What is over only when a person has looked at it. */
const ATTENTION = new Set([
  'overdue',
  'undelivered',
  'held',
  'parked',
  'rejected',
  'duplicate',
  'infrastructure negative',
  'infrastructure partial',
  'business negative',
  'business partial',
]);
/** The message that waits for its acceptance fails with these. */
const ANSWERED = new Set(['held', 'parked', 'rejected', 'unknown']);
/** MESH away for a moment is none of a person's business: it is told at this try in vain, after some seconds. */
const TRIES_BEFORE_ALARM = 2;
/** MESH has answered: whatever sending waited for is over. */
const PROGRESS = new Set(['accepted', 'rejected', 'chunk']);
/** What passes by itself. A lost answer is a connection that broke; the message itself is looked after apart from it. */
const PASSING = new Set(['MESH_CONNECTION', 'MESH_UNAVAILABLE', 'MESH_UNKNOWN_OUTCOME']);

/**
 * True for `held`, `parked`, `rejected`, `undelivered`, `overdue` and `duplicate`, for answers that are negative or partial, and where nobody can
 * find out what is unknown.
 */
export function needsAttention({ event, message }: OutboxEvent): boolean {
  return ATTENTION.has(event) || (event === 'unknown' && message.held);
}

/** Whether the pause passes by itself when MESH is there again. */
export function isPassing(error: StoredError): boolean {
  return PASSING.has(error.code);
}

export class SendAlarms {
  readonly #raise: (alarm: Alarm) => void;
  readonly #followers = new Set<object>();
  /** Ids of messages that a flow waits for, and how many of them do. */
  readonly #awaited = new Map<string, number>();
  #state: OutboxState | undefined;
  /** Code of the store's error that has been told. */
  #storeError: string | undefined;
  #pause: { cause: string; tries: Set<string>; told: boolean; paused: NonNullable<OutboxState['paused']> } | undefined;

  constructor(raise: (alarm: Alarm) => void) {
    this.#raise = raise;
  }

  get state(): OutboxState | undefined {
    return this.#state;
  }

  follow(follower: object): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  /** While `acceptance` is pending, a flow waits for that message. */
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

  /** Takes how the sending stands, and gives it as it is to be shown. */
  changed(told: OutboxState): OutboxState {
    // Between two tries it is not paused for a moment. That is not yet the end of it.
    const paused = told.waiting > 0 ? (told.paused ?? this.#pause?.paused) : undefined;
    this.#state = { ...told, ...(paused && { paused }) };
    if (paused) this.#isPaused(paused, told.waiting);
    else this.#pause = undefined;
    const broken = told.storeError;
    if (broken && broken.code !== this.#storeError)
      this.#raise({ kind: 'paused', error: broken, waiting: told.waiting });
    this.#storeError = broken?.code;
    return this.#state;
  }

  #isPaused(paused: NonNullable<OutboxState['paused']>, waiting: number): void {
    const { error, until } = paused;
    const cause = isPassing(error) ? 'away' : error.code;
    const tries = this.#pause?.cause === cause ? this.#pause.tries.add(until) : new Set([until]);
    let told = this.#pause?.cause === cause && this.#pause.told;
    if (!told && (!isPassing(error) || tries.size >= TRIES_BEFORE_ALARM)) {
      told = true;
      this.#raise({ kind: 'paused', error, waiting });
    }
    // A pause may last for days.
    this.#pause = { cause, tries: told ? new Set() : tries, told, paused };
  }

  happened(happening: OutboxEvent): void {
    const { event, message } = happening;
    if (PROGRESS.has(event)) this.#pause = undefined;
    if (!needsAttention(happening) || this.#followers.size > 0) return;
    if (ANSWERED.has(event) && this.#awaited.has(message.id)) return;
    this.#raise({ kind: 'attention', ...happening });
  }
}
