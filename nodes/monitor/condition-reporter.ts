/**
 * Observes mailboxes and reports changes of their conditions, for mesh-status. lib/monitor/conditions.ts defines the
 * conditions.
 */
import type { NodeAPI } from 'node-red';
import {
  findAlerts,
  findConditions,
  worstSeverity,
  momentAfter,
  systemClock,
  wallTimeOf,
  type Alert,
  type Condition,
  type ConditionLimits,
  type ForgottenMailbox,
} from '../../lib/index';
import { forgottenCondition } from './forgotten-mailboxes';
import type { KnownMailbox } from '../mailbox/known-mailboxes';
import { errorDetails } from '../shared/report-error';
import { namingSandbox } from '../shared/status';
import { environmentLabel, measure, observationOf, type Measured, type Unmeasured } from './measure';

/** A mailbox as last observed. Plain JSON. */
export type ObservedMailbox = (Measured | Unmeasured) & {
  /** Yellow: a warning, or not yet known. */
  status: 'green' | 'yellow' | 'red';
  conditions: Condition[];
};

/** An alert with its mailbox. Plain JSON. */
export interface MailboxAlert extends Alert {
  /** Empty when the mailbox was never open. */
  mailboxId: string;
  /** Id of the mesh-config node. */
  id: string;
  /** Name of the mesh-config node. */
  name: string;
}

/** The conditions of several mailboxes, over time. */
export class ConditionReporter {
  readonly #RED: NodeAPI;
  readonly #mailboxes: () => KnownMailbox[];
  readonly #limits: ConditionLimits;
  readonly #forgotten: () => Promise<ForgottenMailbox[]>;
  readonly #since = momentAfter(systemClock);
  /** The last observation of each mailbox, by id of its mesh-config node. */
  #last = new Map<string, ObservedMailbox>();
  #observing: Promise<MailboxAlert[]> | undefined;

  /**
   * @param mailboxes called for each observation, since a deploy changes them
   * @param forgotten returns the mailboxes that nobody opens, although messages wait for them
   */
  constructor(
    RED: NodeAPI,
    mailboxes: () => KnownMailbox[],
    limits: ConditionLimits,
    forgotten: () => Promise<ForgottenMailbox[]> = async () => [],
  ) {
    this.#forgotten = forgotten;
    this.#RED = RED;
    this.#mailboxes = mailboxes;
    this.#limits = limits;
  }

  /** Observes all mailboxes. Returns the changes since the last time; none while an earlier call still runs. */
  async changes(): Promise<MailboxAlert[]> {
    if (this.#observing !== undefined) return [];
    this.#observing = this.#observeAll();
    try {
      return await this.#observing;
    } finally {
      this.#observing = undefined;
    }
  }

  /** Returns the mailboxes as `changes` last observed them. */
  last(): ObservedMailbox[] {
    return [...this.#last.values()];
  }

  /** Returns the mailboxes as they are now, without affecting `changes`. */
  async current(): Promise<ObservedMailbox[]> {
    const observed = await Promise.all(this.#mailboxes().map((known) => this.#observe(known)));
    return [...observed.filter((mailbox) => mailbox !== undefined), ...(await this.#observeForgotten())];
  }

  async #observeForgotten(): Promise<ObservedMailbox[]> {
    return (await this.#forgotten()).map((mailbox) => {
      const { url, mailboxId } = mailbox;
      const unmeasured = { mailboxId, name: '', environment: environmentLabel(url), connection: 'idle' };
      return this.#withConditions(unmeasured, [forgottenCondition(mailbox)]);
    });
  }

  async #observeAll(): Promise<MailboxAlert[]> {
    const alerts: MailboxAlert[] = [];
    const before = this.#last;
    const observed = new Map<string, ObservedMailbox>();
    for (const known of this.#mailboxes()) {
      const last = before.get(known.id);
      const found = await this.#observe(known);
      // A mailbox that is opening or closing keeps its conditions until it can be observed again.
      const current = found && isConclusive(found) ? found : (last ?? found);
      if (current === undefined) continue;
      observed.set(known.id, current);
      const mailboxId = current.mailboxId || (last?.mailboxId ?? '');
      for (const alert of findAlerts(last?.conditions ?? [], current.conditions)) {
        alerts.push({ mailboxId, id: known.id, name: current.name, ...alert });
      }
    }
    for (const current of await this.#observeForgotten()) {
      observed.set(`forgotten ${current.environment} ${current.mailboxId}`, current);
    }
    for (const [id, { mailboxId, name, conditions }] of [...before, ...observed]) {
      if (!id.startsWith('forgotten ') || (before.has(id) && observed.has(id))) continue;
      const [was, is] = observed.has(id) ? [[], conditions] : [conditions, []];
      for (const alert of findAlerts(was, is)) alerts.push({ mailboxId, id: '', name, ...alert });
    }
    this.#last = observed;
    return alerts;
  }

  /** Undefined when no node uses the mailbox. */
  async #observe(known: KnownMailbox): Promise<ObservedMailbox | undefined> {
    const { connection, name } = known;
    if (connection.state.kind === 'idle') return undefined;
    const environment = environmentLabel(known.environment ?? '');
    const unmeasured: Unmeasured = { mailboxId: '', name, environment, connection: connection.state.kind };
    if (connection.state.kind === 'unusable') {
      return this.#withConditions(unmeasured, [this.#failed('configuration', connection.state.error)]);
    }
    if (connection.state.kind === 'waiting') {
      return this.#withConditions(unmeasured, [this.#failed('store', connection.state.error)]);
    }
    try {
      const measured = await measure(known);
      if (!('health' in measured)) return this.#withConditions(measured, []);
      const observed = observationOf(measured, systemClock.now(), wallTimeOf(systemClock, this.#since));
      return this.#withConditions(measured, findConditions(observed, this.#limits));
    } catch (error) {
      return this.#withConditions(unmeasured, [this.#failed('store', error)]);
    }
  }

  #withConditions(measured: Measured | Unmeasured, conditions: Condition[]): ObservedMailbox {
    const severity = worstSeverity(conditions);
    const isWell = measured.connection === 'connected' || measured.connection === 'idle';
    const status = severity === 'critical' ? 'red' : severity === 'warning' || !isWell ? 'yellow' : 'green';
    return { ...measured, status, conditions: conditions.map((condition) => this.#named(measured, condition)) };
  }

  /** Names the sandbox in the condition's text, if the mailbox is in one. */
  #named({ environment }: Measured | Unmeasured, condition: Condition): Condition {
    if (environment !== 'sandbox') return condition;
    return { ...condition, text: namingSandbox(this.#RED, condition.text) };
  }

  #failed(kind: 'configuration' | 'store', error: unknown): Condition {
    const { message: text, advice = '' } = errorDetails(this.#RED, error);
    return { kind, stage: 'failed', severity: 'critical', text, advice };
  }
}

/** True when the mailbox was measured, or is known not to work. */
function isConclusive(observed: ObservedMailbox): boolean {
  return 'health' in observed || observed.conditions.length > 0;
}
