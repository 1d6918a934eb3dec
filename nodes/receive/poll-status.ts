/**
 * The status of mesh-poll: its activity, else the number of messages that wait for mesh-ack, else the time of the last
 * poll.
 */
import type { NodeAPI, NodeStatus } from 'node-red';
import { momentAfter, systemClock, wallTimeOf, type Moment, type PollerState } from '../../lib/index';
import type { MailboxUser } from '../mailbox/mailbox-user';
import { errorStatus } from '../shared/status';

/** The status of one node. */
export class PollStatus {
  readonly #RED: NodeAPI;
  readonly #user: MailboxUser;
  /** Stays until a poll succeeds without another problem: nobody would notice a moment of red. */
  #problem: { status: NodeStatus; until: 'next-poll' | 'deploy'; since: Moment } | undefined;

  constructor(RED: NodeAPI, user: MailboxUser) {
    this.#RED = RED;
    this.#user = user;
  }

  /** @param until `deploy` for a problem that only a change of the flow fixes */
  problem(error: unknown, until: 'next-poll' | 'deploy'): void {
    if (this.#problem?.until === 'deploy') return;
    this.#problem = { status: errorStatus(this.#RED, error), until, since: momentAfter(systemClock) };
    this.#user.show(this.#problem.status);
  }

  /** Clears a problem after a change of the flow has fixed it. */
  solved(): void {
    this.#problem = undefined;
  }

  /** Shows when the next poll is allowed: MESH limits their frequency. */
  postponed(nextPoll: Date): void {
    const time = localTime(nextPoll);
    this.#user.show({ fill: 'yellow', shape: 'dot', text: this.#RED._('mesh-poll.status.postponed', { time }) });
  }

  changed(state: PollerState): void {
    const { lastPoll = '', polling } = state;
    const problem = this.#problem;
    if (problem?.until === 'next-poll' && !polling && Date.parse(lastPoll) > wallTimeOf(systemClock, problem.since)) {
      this.#problem = undefined;
    }
    this.#user.show(this.#problem?.status ?? this.#activity(state));
  }

  #activity({ polling, leased, pending, unclaimed, progress, lastPoll }: PollerState): NodeStatus {
    if (progress !== undefined && progress.totalChunks > 1) {
      const { chunk, totalChunks } = progress;
      return this.#show('blue', 'chunk', { chunk, total: totalChunks });
    }
    if (polling && pending > 0) return this.#show('blue', 'receiving', { waiting: pending });
    if (polling) return this.#show('blue', 'polling');
    // Not green: unclaimed messages would expire.
    if (unclaimed > 0) return this.#show('yellow', 'unclaimed', { unclaimed });
    if (leased > 0) return this.#show('green', 'in-flight', { inFlight: leased });
    if (lastPoll === undefined) return this.#show('green', 'idle');
    return this.#show('green', 'polled', { time: localTime(new Date(lastPoll)) });
  }

  #show(fill: 'blue' | 'green' | 'yellow', key: string, values: Record<string, string | number> = {}): NodeStatus {
    return { fill, shape: 'dot', text: this.#RED._(`mesh-poll.status.${key}`, values) };
  }
}

/** Returns hours and minutes in the server's time zone. */
function localTime(time: Date): string {
  return [time.getHours(), time.getMinutes()].map((part) => String(part).padStart(2, '0')).join(':');
}
