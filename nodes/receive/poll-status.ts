/** What mesh-poll shows: what it is doing, else how many messages wait for mesh-ack, else when it last looked. */
import type { NodeAPI, NodeStatus } from 'node-red';
import type { PollerState } from '../../lib/index';
import type { MailboxUser } from '../mailbox/mailbox-user';
import { errorStatus } from '../shared/status';

export class PollStatus {
  readonly #RED: NodeAPI;
  readonly #user: MailboxUser;
  /** Stays until the inbox was listed again without another: a moment of red would be seen by nobody. */
  #problem: { status: NodeStatus; until: 'next-poll' | 'deploy'; since: string } | undefined;

  constructor(RED: NodeAPI, user: MailboxUser) {
    this.#RED = RED;
    this.#user = user;
  }

  /** @param until `deploy` for what only a change of the flow can mend. */
  problem(error: unknown, until: 'next-poll' | 'deploy'): void {
    if (this.#problem?.until === 'deploy') return;
    this.#problem = { status: errorStatus(this.#RED, error), until, since: new Date().toISOString() };
    this.#user.show(this.#problem.status);
  }

  /** What only a change of the flow could mend has been mended. */
  solved(): void {
    this.#problem = undefined;
  }

  /** MESH does not want to be asked before. */
  postponed(nextPoll: Date): void {
    const time = localTime(nextPoll);
    this.#user.show({ fill: 'yellow', shape: 'dot', text: this.#RED._('mesh-poll.status.postponed', { time }) });
  }

  changed(state: PollerState): void {
    const { lastPoll = '', polling } = state;
    const problem = this.#problem;
    if (problem?.until === 'next-poll' && !polling && lastPoll > problem.since) this.#problem = undefined;
    this.#user.show(this.#problem?.status ?? this.#activity(state));
  }

  #activity({ polling, inFlight, waiting, unclaimed, progress, lastPoll }: PollerState): NodeStatus {
    if (progress !== undefined && progress.totalChunks > 1) {
      const { chunk, totalChunks } = progress;
      return this.#show('blue', 'chunk', { chunk, total: totalChunks });
    }
    if (polling && waiting > 0) return this.#show('blue', 'receiving', { waiting });
    if (polling) return this.#show('blue', 'polling');
    // They would expire: no green while there are any.
    if (unclaimed > 0) return this.#show('yellow', 'unclaimed', { unclaimed });
    if (inFlight > 0) return this.#show('green', 'in-flight', { inFlight });
    if (lastPoll === undefined) return this.#show('green', 'idle');
    return this.#show('green', 'polled', { time: localTime(new Date(lastPoll)) });
  }

  #show(fill: 'blue' | 'green' | 'yellow', key: string, values: Record<string, string | number> = {}): NodeStatus {
    return { fill, shape: 'dot', text: this.#RED._(`mesh-poll.status.${key}`, values) };
  }
}

/** Hours and minutes of the server's clock. */
function localTime(time: Date): string {
  return [time.getHours(), time.getMinutes()].map((part) => String(part).padStart(2, '0')).join(':');
}
