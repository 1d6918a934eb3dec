/** Looks at mailboxes again and again, and tells what has changed: for mesh-status. What counts as what is lib/monitor/conditions.ts's. */
import type { NodeAPI } from 'node-red';
import {
  alertsBetween,
  conditionsOf,
  severityOf,
  type Alert,
  type Condition,
  type ConditionLimits,
} from '../../lib/index';
import { measure, type Measured, type Unmeasured } from './measure';
import { errorDetails } from '../shared/report-error';
import type { KnownMailbox } from './known-mailboxes';
import { testClock } from '../mailbox/test-clock';

/** A mailbox as it was last seen. Plain JSON. */
export type WatchedMailbox = (Measured | Unmeasured) & {
  /** Yellow: a warning, or not known yet. */
  status: 'green' | 'yellow' | 'red';
  conditions: Condition[];
};

/** An alert with its mailbox. Plain JSON. */
export interface MailboxAlert extends Alert {
  /** Empty where the mailbox was never open. */
  mailboxId: string;
  /** Of its mesh-config node. */
  id: string;
  /** Of its mesh-config node. */
  name: string;
}

export class ConditionReporter {
  readonly #RED: NodeAPI;
  readonly #mailboxes: () => KnownMailbox[];
  readonly #limits: ConditionLimits;
  readonly #since = now();
  /** By id of the mesh-config node. */
  #seen = new Map<string, WatchedMailbox>();
  #looking: Promise<MailboxAlert[]> | undefined;

  /** @param mailboxes asked for at each look: a deploy changes them */
  constructor(RED: NodeAPI, mailboxes: () => KnownMailbox[], limits: ConditionLimits) {
    this.#RED = RED;
    this.#mailboxes = mailboxes;
    this.#limits = limits;
  }

  /** What has changed since the last look. One look at a time: who asks meanwhile is told nothing. */
  async look(): Promise<MailboxAlert[]> {
    if (this.#looking !== undefined) return [];
    this.#looking = this.#look();
    try {
      return await this.#looking;
    } finally {
      this.#looking = undefined;
    }
  }

  /** As it was at the last look. */
  known(): WatchedMailbox[] {
    return [...this.#seen.values()];
  }

  /** How they are now; it tells no change. */
  async present(): Promise<WatchedMailbox[]> {
    const looked = await Promise.all(this.#mailboxes().map((known) => this.#see(known)));
    return looked.filter((seen) => seen !== undefined);
  }

  async #look(): Promise<MailboxAlert[]> {
    const alerts: MailboxAlert[] = [];
    const before = this.#seen;
    const seen = new Map<string, WatchedMailbox>();
    for (const known of this.#mailboxes()) {
      const last = before.get(known.id);
      const found = await this.#see(known);
      // Being opened or closed: what was the matter stays so until it is known again.
      const current = found && isKnown(found) ? found : (last ?? found);
      if (current === undefined) continue;
      seen.set(known.id, current);
      const mailboxId = current.mailboxId || (last?.mailboxId ?? '');
      for (const alert of alertsBetween(last?.conditions ?? [], current.conditions)) {
        alerts.push({ mailboxId, id: known.id, name: current.name, ...alert });
      }
    }
    this.#seen = seen;
    return alerts;
  }

  /** Undefined where no node uses it. */
  async #see(known: KnownMailbox): Promise<WatchedMailbox | undefined> {
    const { connection, name } = known;
    if (connection.state.kind === 'idle') return undefined;
    const unmeasured: Unmeasured = { mailboxId: '', name, connection: connection.state.kind };
    if (connection.state.kind === 'unusable') {
      return judged(unmeasured, [this.#failed('configuration', connection.state.error)]);
    }
    try {
      const measured = await measure(known);
      if (!('health' in measured)) return judged(measured, []);
      const { health, freeBytes, oldestUnacknowledged, outbox, inbox, overdue } = measured;
      const { unknown = 0 } = outbox.byState;
      const counts = { held: outbox.held, unknown, overdue, parked: inbox.parked, unclaimed: inbox.unclaimed };
      const observed = { now: now(), watchedSince: this.#since, health, freeBytes, oldestUnacknowledged, counts };
      return judged(measured, conditionsOf(observed, this.#limits));
    } catch (error) {
      return judged(unmeasured, [this.#failed('store', error)]);
    }
  }

  #failed(kind: 'configuration' | 'store', error: unknown): Condition {
    const { message: text, advice = '' } = errorDetails(this.#RED, error);
    return { kind, stage: 'failed', severity: 'critical', text, advice };
  }
}

function judged(measured: Measured | Unmeasured, conditions: Condition[]): WatchedMailbox {
  const severity = severityOf(conditions);
  const isWell = measured.connection === 'connected' || measured.connection === 'idle';
  const status = severity === 'critical' ? 'red' : severity === 'warning' || !isWell ? 'yellow' : 'green';
  return { ...measured, status, conditions };
}

/** Measured, or known not to work. */
function isKnown(seen: WatchedMailbox): boolean {
  return 'health' in seen || seen.conditions.length > 0;
}

function now(): number {
  return testClock().clock?.now() ?? Date.now();
}
