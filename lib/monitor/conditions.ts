/**
 * Finds the conditions of a mailbox that a person has to know of, from an observation of it: for mesh-status. Pure: it
 * asks nothing, and the same observation always has the same result. No secret and no patient data, only ids, times and
 * counts.
 */
import { CERTIFICATE_SOON_DAYS } from '../client/client-certificate';
import type { MailboxHealth, RecurringTask } from './health';
import { MAX_CLOCK_SKEW_MS, NOTABLE_CLOCK_SKEW_MS } from '../protocol/authorization';

export type ConditionKind =
  /** The configuration is wrong, or the store cannot be opened: nothing works. */
  | 'configuration'
  /** The store cannot be read. */
  | 'store'
  | 'handshake'
  | 'polling'
  | 'certificate'
  | 'clock'
  /** The machine's clock was set. */
  | 'clock-set'
  /** The store had forgotten messages that its send marks remember. */
  | 'store-behind'
  /** MESH has offered messages again that it has our acknowledgement of. */
  | 'offered-again'
  | 'disk'
  /** Nothing more is received, because parked messages take as much space as they may. */
  | 'inbox-full'
  /** An output of a node reaches no node that runs: what it would hand over waits. */
  | 'output'
  /** Nobody opens a mailbox for which messages wait in the store. */
  | 'forgotten'
  /** A received message is not acknowledged to MESH, which will soon remove it from the inbox. */
  | 'unacknowledged'
  /** Messages in the outbox need a decision. */
  | 'held'
  | 'unknown'
  | 'overdue'
  | 'redelivered'
  | 'parked'
  | 'unclaimed';

/** `critical`: something does not work, or will not within days. */
export type Severity = 'warning' | 'critical';

/** One problem of a mailbox. */
export interface Condition {
  kind: ConditionKind;
  /** A step within the kind: a new stage is reported, the same one is not. */
  stage: string;
  severity: Severity;
  /** The problem, in a sentence. */
  text: string;
  /** What to do, in a sentence. */
  advice: string;
  /** How many messages, for kinds that are counted. */
  count?: number;
  messageId?: string;
  /** Since or until when; ISO 8601 UTC. */
  time?: string;
}

/** What was observed of a mailbox at one moment. */
export interface Observation {
  /** Milliseconds since 1970. */
  now: number;
  /** When monitoring began (milliseconds since 1970): what has not happened since then counts from here. */
  monitoredSince: number;
  health: MailboxHealth;
  /** Free space where large payloads are kept; null if it is not known. */
  freeBytes: number | null;
  oldestUnacknowledged: { messageId: string; since: string } | null;
  /** What parked messages take, if nothing more is received because of it. */
  fullInbox?: { parkedBytes: number } | null;
  /** Outputs that reach no node that runs while something waits at them, e.g. `mesh-poll (id), data`. */
  blockedOutputs?: readonly string[];
  counts: Record<'held' | 'unknown' | 'overdue' | 'redelivered' | 'parked' | 'unclaimed', number>;
}

/** Limits beyond which an observation becomes a condition. */
export interface ConditionLimits {
  /** How long polls or handshakes may fail, or a poll may be late (milliseconds). 0: not at all. */
  stoppedMs: number;
  minFreeBytes: number;
}

/** The limits where nobody has set others. */
export const DEFAULT_LIMITS: ConditionLimits = { stoppedMs: 30 * 60 * 1000, minFreeBytes: 2 * 1024 ** 3 };

const DAY_MS = 24 * 60 * 60 * 1000;
const MINUTE_MS = 60 * 1000;
/** MESH wants a handshake every 24 hours (mesh-api.yaml, "Handshake"); one hour of tolerance. */
const HANDSHAKE_EVERY_MS = 25 * 60 * 60 * 1000;
/** One day before MESH removes a message from the inbox, which it does after five. */
const EXPIRING_SOON_MS = 4 * DAY_MS;
/** Days before the certificate expires, in ascending order. */
const CERTIFICATE_STAGES = [7, 30, CERTIFICATE_SOON_DAYS] as const;

/** Returns all conditions of an observation. */
export function findConditions(observation: Observation, limits: ConditionLimits): Condition[] {
  return [
    handshake(observation, limits),
    polling(observation, limits),
    certificate(observation),
    clock(observation),
    clockSet(observation),
    storeBehind(observation),
    offeredAgain(observation),
    disk(observation, limits),
    inboxFull(observation),
    unacknowledged(observation),
    output(observation),
    ...Object.entries(COUNTED).map(([kind, texts]) => counted(kind as keyof typeof COUNTED, observation, texts)),
  ].filter((condition) => condition !== undefined);
}

/**
 * Returns the severity of certificate and clock, to be shown beside their values; null if nothing is wrong with them.
 */
export function certificateAndClockSeverity(
  observation: Pick<Observation, 'now' | 'health'>,
): Record<'certificate' | 'clock', Severity | null> {
  return {
    certificate: certificate(observation)?.severity ?? null,
    clock: clock(observation)?.severity ?? null,
  };
}

/** Returns the highest severity; undefined if there is no condition. */
export function worstSeverity(conditions: readonly Condition[]): Severity | undefined {
  if (conditions.some(({ severity }) => severity === 'critical')) return 'critical';
  return conditions.length > 0 ? 'warning' : undefined;
}

/**
 * When a health check asks for a person. `stopped`: something does not work, or will not within days. `decision`: also
 * when messages wait for somebody's decision. `never`: leaves that to other alarms.
 */
export const FAIL_HEALTH_WHEN = ['stopped', 'decision', 'never'] as const;
export type FailHealthWhen = (typeof FAIL_HEALTH_WHEN)[number];

/** Messages that go nowhere until a person has decided. */
const NEEDS_DECISION: ReadonlySet<ConditionKind> = new Set(['held', 'parked', 'unclaimed']);

/** True if a person must act on one of the conditions, by that setting. */
export function personMustAct(conditions: readonly Condition[], when: FailHealthWhen): boolean {
  if (when === 'never') return false;
  return conditions.some(
    ({ kind, severity }) => severity === 'critical' || (when === 'decision' && NEEDS_DECISION.has(kind)),
  );
}

/** A condition that is new, has another stage, or is over (with its last text). */
export interface Alert extends Condition {
  event: 'raised' | 'changed' | 'recovered';
}

/** Returns an alert for each change between two sets of conditions. */
export function findAlerts(before: readonly Condition[], now: readonly Condition[]): Alert[] {
  const raised = now.flatMap((condition): Alert[] => {
    const known = before.find(({ kind }) => kind === condition.kind);
    if (known?.stage === condition.stage) return [];
    return [{ event: known ? 'changed' : 'raised', ...condition }];
  });
  const recovered = before.flatMap((condition): Alert[] =>
    now.some(({ kind }) => kind === condition.kind) ? [] : [{ event: 'recovered', ...condition }],
  );
  return [...raised, ...recovered];
}

function handshake(
  { now, monitoredSince, health }: Observation,
  { stoppedMs }: ConditionLimits,
): Condition | undefined {
  const since = failingSince(health.handshake, now, stoppedMs);
  const last = timeOf(health.handshake.lastSucceeded) ?? monitoredSince;
  if (since === undefined && now - last <= HANDSHAKE_EVERY_MS) return undefined;
  return {
    kind: 'handshake',
    stage: 'stopped',
    severity: 'critical',
    text: withError('Handshakes with MESH have stopped.', health.handshake),
    advice: 'Test the connection in the mailbox’s settings: the test shows which step fails.',
    time: iso(since ?? last),
  };
}

function polling({ now, health }: Observation, { stoppedMs }: ConditionLimits): Condition | undefined {
  const since = failingSince(health.poll, now, stoppedMs);
  // No poll is planned while none of this process polls, or while messages are being downloaded.
  const next = timeOf(health.poll.next);
  const late = next !== undefined && now - next > Math.max(stoppedMs, MINUTE_MS) ? next : undefined;
  const from = since ?? late;
  if (from === undefined) return undefined;
  return {
    kind: 'polling',
    stage: 'stopped',
    severity: 'critical',
    text: withError('The inbox is not being polled.', health.poll),
    advice:
      'Fix this within five days: after that, MESH removes messages from the inbox and reports them to their senders ' +
      'as undelivered.',
    time: iso(from),
  };
}

function failingSince({ failingSince: since }: RecurringTask, now: number, stoppedMs: number): number | undefined {
  const time = timeOf(since);
  return time !== undefined && now - time >= stoppedMs ? time : undefined;
}

/** Appends the error's message, which holds no secret; its advice is in the log. */
function withError(text: string, { error }: RecurringTask): string {
  return error === null ? text : `${text} ${error.message}`;
}

function certificate(observation: Pick<Observation, 'now' | 'health'>): Condition | undefined {
  const expiry = expiringCertificate(observation);
  const { certificateProblem: problem } = observation.health;
  if (problem === null) return expiry;
  const advice =
    'Put in place a certificate and the key that belongs to it: they are used as soon as they fit ' +
    '(docs/operating.md, Certificate renewal).';
  return {
    kind: 'certificate',
    stage: expiry ? `${expiry.stage}, files unusable` : 'files unusable',
    severity: expiry?.severity ?? 'warning',
    text: expiry ? `${expiry.text} ${problem}` : problem,
    advice,
    ...(expiry?.time !== undefined && { time: expiry.time }),
  };
}

function expiringCertificate({ now, health }: Pick<Observation, 'now' | 'health'>): Condition | undefined {
  const until = timeOf(health.certificate?.validTo);
  if (until === undefined) return undefined;
  const time = iso(until);
  const kind = 'certificate';
  const advice = 'Renew it: signing takes NHS England five working days (docs/operating.md, Certificate renewal).';
  if (until <= now) {
    const text = `The client certificate expired on ${time.slice(0, 10)}.`;
    return { kind, stage: 'expired', severity: 'critical', text, advice, time };
  }
  const days = CERTIFICATE_STAGES.find((stage) => until - now <= stage * DAY_MS);
  if (days === undefined) return undefined;
  const left = Math.floor((until - now) / DAY_MS);
  const text = `The client certificate expires on ${time.slice(0, 10)}, in ${left === 1 ? '1 day' : `${left} days`}.`;
  return { kind, stage: String(days), severity: days === 7 ? 'critical' : 'warning', text, advice, time };
}

function clock({ health: { clockSkew: skew } }: Pick<Observation, 'health'>): Condition | undefined {
  if (skew === null) return undefined;
  const off = Math.abs(skew.ms) - skew.uncertaintyMs;
  if (off <= NOTABLE_CLOCK_SKEW_MS) return undefined;
  const isRefused = off > MAX_CLOCK_SKEW_MS - MINUTE_MS;
  const minutes = Math.round(Math.abs(skew.ms) / MINUTE_MS);
  return {
    kind: 'clock',
    stage: isRefused ? 'refused' : 'drifts',
    severity: isRefused ? 'critical' : 'warning',
    text: `This machine’s clock is ${minutes} minutes ${skew.ms > 0 ? 'behind' : 'ahead of'} MESH’s.`,
    advice: 'Correct the clock (NTP): MESH refuses requests whose time is two hours off.',
    time: skew.at,
  };
}

/** A step of less than five minutes is NTP's daily work. */
function clockSet({ health: { clockStep } }: Pick<Observation, 'health'>): Condition | undefined {
  if (!clockStep || Math.abs(clockStep.ms) < NOTABLE_CLOCK_SKEW_MS) return undefined;
  const isBack = clockStep.ms < 0;
  return {
    kind: 'clock-set',
    stage: isBack ? 'back' : 'forward',
    severity: 'warning',
    text: isBack
      ? `This machine’s clock was set back by ${spanOf(clockStep.ms)}.`
      : `This machine’s clock was set forward by ${spanOf(clockStep.ms)}, or the machine was suspended for as long.`,
    advice: 'Check the clock and its time service (NTP): times in lists and in the ledger are as the clock was set.',
    time: clockStep.at,
  };
}

function storeBehind({ health: { storeBehind: behind } }: Pick<Observation, 'health'>): Condition | undefined {
  if (!behind) return undefined;
  return {
    kind: 'store-behind',
    stage: 'some',
    severity: 'critical',
    text: 'The store has lost its last changes, or a backup is in its place.',
    advice:
      'Nothing of it was sent twice. Look at the messages with the code MESH_FORGOTTEN, and check the disk ' +
      '(docs/operating.md, Restore): what was received or queued since then may be missing.',
    count: behind.messages,
    time: behind.at,
  };
}

function offeredAgain({ health: { offeredAgain: offered } }: Pick<Observation, 'health'>): Condition | undefined {
  if (!offered) return undefined;
  const isDifferent = offered.different > 0;
  return {
    kind: 'offered-again',
    stage: isDifferent ? 'different' : 'same',
    severity: isDifferent ? 'critical' : 'warning',
    text: isDifferent
      ? 'MESH has offered another message under an id that it had used before.'
      : 'MESH has offered messages again that were received and acknowledged before.',
    advice: isDifferent
      ? 'Ask the service desk. The message was not acknowledged, and expires after five days.'
      : 'They were not delivered twice. Ask the sender or the service desk who did not get them.',
    count: offered.messages,
    messageId: offered.messageId,
    time: offered.at,
  };
}

/** Returns a span of time in the largest unit of which there are two. */
function spanOf(ms: number): string {
  const minutes = Math.round(Math.abs(ms) / MINUTE_MS);
  if (minutes < 120) return `${minutes} minutes`;
  return minutes < 48 * 60 ? `${Math.round(minutes / 60)} hours` : `${Math.round(minutes / 60 / 24)} days`;
}

function disk({ freeBytes }: Observation, { minFreeBytes }: ConditionLimits): Condition | undefined {
  if (freeBytes === null || freeBytes >= minFreeBytes) return undefined;
  return {
    kind: 'disk',
    stage: 'low',
    severity: 'critical',
    text: `The disk of the storage folder has ${Math.floor(freeBytes / 1024 ** 2)} MiB left.`,
    advice: 'Free disk space: below 512 MiB nothing is queued or received any more.',
  };
}

function inboxFull({ fullInbox, counts }: Observation): Condition | undefined {
  if (!fullInbox) return undefined;
  return {
    kind: 'inbox-full',
    stage: 'full',
    severity: 'critical',
    text:
      `Parked messages take ${Math.ceil(fullInbox.parkedBytes / 1024 ** 2)} MiB, as much as they may: nothing more is ` +
      'received.',
    advice:
      'Redeliver the parked messages or end them with mesh-ack, or raise “Maximum parked”. MESH removes what is not ' +
      'collected within five days.',
    count: counts.parked,
  };
}

function unacknowledged({ now, oldestUnacknowledged: oldest }: Observation): Condition | undefined {
  if (oldest === null || now - Date.parse(oldest.since) < EXPIRING_SOON_MS) return undefined;
  return {
    kind: 'unacknowledged',
    stage: oldest.messageId,
    severity: 'critical',
    text: 'A received message has not been acknowledged to MESH for four days.',
    advice:
      'Make sure that its flow ends with a mesh-ack: after five days MESH reports it to the sender as not collected.',
    messageId: oldest.messageId,
    time: oldest.since,
  };
}

function output({ blockedOutputs: [first, ...more] = [] }: Observation): Condition | undefined {
  if (first === undefined) return undefined;
  return {
    kind: 'output',
    stage: 'blocked',
    severity: 'critical',
    text: `No running node is wired to an output at which something waits: ${[first, ...more].join('; ')}.`,
    advice: 'Wire it to a node that runs, and deploy. What waits is then delivered by itself.',
    count: 1 + more.length,
  };
}

/** Text and advice of the kinds that are counted. */
const COUNTED = {
  held: [
    'Messages in the outbox need a decision.',
    'List them with mesh-track ({list: "held"}), then resend or drop each one.',
  ],
  unknown: [
    'It is not known whether MESH has some of the sent messages.',
    'The outbox looks them up at MESH by itself; those that MESH does not know then need a decision.',
  ],
  overdue: [
    'Sent messages were not collected, or not acknowledged by their recipients, in time.',
    'Ring the recipient; a late acknowledgement still counts.',
  ],
  redelivered: [
    'Messages were delivered to the flow again, because no mesh-ack had ended them.',
    'Check that every path of the flow, Catch included, ends in a mesh-ack: they are parked after the last delivery.',
  ],
  parked: [
    'Received messages are parked: the flow did not finish them, or they could not be delivered to it.',
    'Find out why, then ask mesh-poll to redeliver them.',
  ],
  unclaimed: [
    'No node takes some of the messages in the inbox.',
    'Add their workflow to a mesh-poll, or to the mailbox’s workflows handled elsewhere, within five days.',
  ],
} as const;

function counted(
  kind: keyof typeof COUNTED,
  { counts }: Observation,
  [text, advice]: readonly [string, string],
): Condition | undefined {
  const count = counts[kind];
  return count > 0 ? { kind, stage: 'some', severity: 'warning', text, advice, count } : undefined;
}

function timeOf(time: string | null | undefined): number | undefined {
  return time === null || time === undefined ? undefined : Date.parse(time);
}

const iso = (time: number): string => new Date(time).toISOString();
