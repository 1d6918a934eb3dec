/**
 * The status of mesh-poll: its activity, else what a person has to look at (unclaimed or parked messages, no mesh-ack
 * behind it), else the number of messages that wait for mesh-ack, else the time of the last poll.
 */
import { momentAfter, systemClock, wallTimeOf, type Moment, type PollerState } from '../../lib/index';
import type { ConnectionState } from '../mailbox/connection';
import { MailboxUser } from '../mailbox/mailbox-user';
import { errorStatus, shortCount, type Status } from '../shared/status';

/** The mailbox of a mesh-poll, whose status does not end what a person has to look at when the mailbox connects. */
export class PollingUser extends MailboxUser {
  status: PollStatus | undefined;

  override connectionChanged(state: ConnectionState): void {
    super.connectionChanged(state);
    if (state.kind === 'connected') this.status?.connected();
  }
}

/** The status of one node. */
export class PollStatus {
  readonly #user: MailboxUser;
  /** Stays until a poll succeeds without another problem: nobody would notice a moment of red. */
  #problem: { status: Status; until: 'next-poll' | 'deploy'; since: Moment } | undefined;
  #state: PollerState | undefined;
  /** Parked messages of the mailbox. */
  #parked = 0;
  #hasAck = true;
  /** A message in flight was delivered again. */
  #redelivered = false;

  constructor(user: PollingUser) {
    this.#user = user;
    user.status = this;
  }

  /** Shows what stays although the mailbox has connected: a problem, or anything but green. */
  connected(): void {
    const status = this.#current();
    if (status !== undefined && status.fill !== 'green') this.#user.show(status);
  }

  #show(): void {
    const status = this.#current();
    if (status !== undefined) this.#user.show(status);
  }

  /** Undefined before the first state of the inbox. */
  #current(): Status | undefined {
    const activity =
      this.#state &&
      activityStatus(this.#state, { parked: this.#parked, hasAck: this.#hasAck, redelivered: this.#redelivered });
    // The error that says so is a problem too, and its code says less.
    if (this.#state?.isShadowed) return activity;
    return this.#problem?.status ?? activity ?? (this.#hasAck ? undefined : NO_ACK);
  }

  /** @param until `deploy` for a problem that only a change of the flow fixes */
  problem(error: unknown, until: 'next-poll' | 'deploy'): void {
    if (this.#problem?.until === 'deploy') return;
    this.#problem = { status: errorStatus(error), until, since: momentAfter(systemClock) };
    this.#show();
  }

  /** Clears a problem after a change of the flow has fixed it. */
  solved(): void {
    this.#problem = undefined;
  }

  /** Shows when the next poll is allowed: MESH limits their frequency. */
  postponed(nextPoll: Date): void {
    const time = localTime(nextPoll);
    this.#user.show(pollStatus('yellow', 'postponed', { time }));
  }

  /** Shows the number of parked messages of the mailbox until there are none. */
  parked(count: number): void {
    if (count === this.#parked) return;
    this.#parked = count;
    if (this.#state) this.#show();
  }

  /** Shows that a message was delivered again, until none is in flight. */
  redelivered(): void {
    this.#redelivered = true;
    this.#show();
  }

  /** Shows whether what the node delivers can reach a mesh-ack. */
  reachesAck(hasAck: boolean): void {
    if (hasAck === this.#hasAck) return;
    this.#hasAck = hasAck;
    this.#show();
  }

  changed(state: PollerState): void {
    this.#state = state;
    if (state.leased === 0) this.#redelivered = false;
    const { lastPoll = '', polling } = state;
    const problem = this.#problem;
    if (problem?.until === 'next-poll' && !polling && Date.parse(lastPoll) > wallTimeOf(systemClock, problem.since)) {
      this.#problem = undefined;
    }
    this.#show();
  }
}

const NO_ACK: Status = { fill: 'yellow', shape: 'dot', key: 'mesh-poll.status.no-ack' };

function activityStatus(
  { polling, leased, pending, unclaimed, isShadowed = false, progress, lastPoll }: PollerState,
  { parked, hasAck, redelivered }: { parked: number; hasAck: boolean; redelivered: boolean },
): Status {
  if (progress !== undefined && progress.totalChunks > 1) {
    const { chunk, totalChunks } = progress;
    return pollStatus('blue', 'chunk', { chunk, total: totalChunks });
  }
  if (isShadowed) return pollStatus('red', 'shadowed');
  if (polling && pending > 0) return pollStatus('blue', 'receiving', { waiting: pending });
  if (polling) return pollStatus('blue', 'polling');
  // Not green: unclaimed messages would expire.
  if (unclaimed > 0) return pollStatus('yellow', 'unclaimed', { unclaimed });
  if (parked > 0) return pollStatus('yellow', 'parked', { parked: shortCount(parked) });
  // Not green either: what nothing ends is parked in the end.
  if (leased > 0) {
    const status = pollStatus(redelivered ? 'yellow' : 'green', 'in-flight', { inFlight: leased });
    return hasAck ? status : { ...status, shape: 'ring' };
  }
  if (!hasAck && lastPoll === undefined) return NO_ACK;
  if (lastPoll === undefined) return pollStatus('green', 'idle');
  return pollStatus('green', 'polled', { time: localTime(new Date(lastPoll)) });
}

function pollStatus(fill: 'blue' | 'green' | 'yellow' | 'red', key: string, values?: Status['values']): Status {
  return { fill, shape: 'dot', key: `mesh-poll.status.${key}`, ...(values && { values }) };
}

/** Returns hours and minutes in the server's time zone. */
function localTime(time: Date): string {
  return [time.getHours(), time.getMinutes()].map((part) => String(part).padStart(2, '0')).join(':');
}
