/**
 * The status of mesh-poll: its activity, else the number of messages that wait for mesh-ack, else the time of the last
 * poll.
 */
import { momentAfter, systemClock, wallTimeOf, type Moment, type PollerState } from '../../lib/index';
import type { MailboxUser } from '../mailbox/mailbox-user';
import { errorStatus, type Status } from '../shared/status';

/** The status of one node. */
export class PollStatus {
  readonly #user: MailboxUser;
  /** Stays until a poll succeeds without another problem: nobody would notice a moment of red. */
  #problem: { status: Status; until: 'next-poll' | 'deploy'; since: Moment } | undefined;

  constructor(user: MailboxUser) {
    this.#user = user;
  }

  /** @param until `deploy` for a problem that only a change of the flow fixes */
  problem(error: unknown, until: 'next-poll' | 'deploy'): void {
    if (this.#problem?.until === 'deploy') return;
    this.#problem = { status: errorStatus(error), until, since: momentAfter(systemClock) };
    this.#user.show(this.#problem.status);
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

  changed(state: PollerState): void {
    const { lastPoll = '', polling } = state;
    const problem = this.#problem;
    if (problem?.until === 'next-poll' && !polling && Date.parse(lastPoll) > wallTimeOf(systemClock, problem.since)) {
      this.#problem = undefined;
    }
    this.#user.show(this.#problem?.status ?? activityStatus(state));
  }
}

function activityStatus({ polling, leased, pending, unclaimed, progress, lastPoll }: PollerState): Status {
  if (progress !== undefined && progress.totalChunks > 1) {
    const { chunk, totalChunks } = progress;
    return pollStatus('blue', 'chunk', { chunk, total: totalChunks });
  }
  if (polling && pending > 0) return pollStatus('blue', 'receiving', { waiting: pending });
  if (polling) return pollStatus('blue', 'polling');
  // Not green: unclaimed messages would expire.
  if (unclaimed > 0) return pollStatus('yellow', 'unclaimed', { unclaimed });
  if (leased > 0) return pollStatus('green', 'in-flight', { inFlight: leased });
  if (lastPoll === undefined) return pollStatus('green', 'idle');
  return pollStatus('green', 'polled', { time: localTime(new Date(lastPoll)) });
}

function pollStatus(fill: 'blue' | 'green' | 'yellow', key: string, values?: Status['values']): Status {
  return { fill, shape: 'dot', key: `mesh-poll.status.${key}`, ...(values && { values }) };
}

/** Returns hours and minutes in the server's time zone. */
function localTime(time: Date): string {
  return [time.getHours(), time.getMinutes()].map((part) => String(part).padStart(2, '0')).join(':');
}
