/**
 * What a person has to know of a mailbox, judged from what was seen of it: for mesh-status. Pure: nothing is asked, and the same
 * always gives the same. No secret, no patient data: ids, times and counts.
 */
import { CERTIFICATE_SOON_DAYS } from '../client/client-certificate';
import type { MailboxHealth, RecurringTask } from './health';
import { MAX_CLOCK_SKEW_MS, NOTABLE_CLOCK_SKEW_MS } from '../protocol/authorization';

/** What can be the matter. */
export const CONDITION_KINDS = [
  /** The configuration is wrong, or the store cannot be opened: nothing works. */
  'configuration',
  /** The store cannot be asked. */
  'store',
  'handshake',
  'polling',
  'certificate',
  'clock',
  'disk',
  /** MESH has not been told of a received message, and soon takes it out of the inbox. */
  'unacknowledged',
  'held',
  'unknown',
  'overdue',
  'parked',
  'unclaimed',
] as const;
export type ConditionKind = (typeof CONDITION_KINDS)[number];

/** `critical`: something does not work, or will not within days. */
export type Severity = 'warning' | 'critical';

/** One thing that is the matter. */
export interface Condition {
  kind: ConditionKind;
  /** Which of the kind's steps: another one is news, the same one is not. */
  stage: string;
  severity: Severity;
  /** What it is, a sentence. */
  text: string;
  /** What to do, a sentence. */
  advice: string;
  /** Of what is counted. */
  count?: number;
  messageId?: string;
  /** Since or until when; ISO 8601 UTC. */
  time?: string;
}

/** What was seen. */
export interface Observed {
  /** Milliseconds since 1970. */
  now: number;
  /** When the watching began: what has not happened since counts from here. Milliseconds since 1970. */
  watchedSince: number;
  health: MailboxHealth;
  /** Where large payloads are; null where it cannot be told. */
  freeBytes: number | null;
  oldestUnacknowledged: { messageId: string; since: string } | null;
  counts: Record<'held' | 'unknown' | 'overdue' | 'parked' | 'unclaimed', number>;
}

/** From when on it is the matter. */
export interface ConditionLimits {
  /** Polling or handshakes failing, or a poll late, for longer than this (milliseconds). 0: at once. */
  stoppedMs: number;
  minFreeBytes: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** MESH wants one every 24 hours (mesh-api.yaml, "Handshake"); an hour for what comes between. */
const HANDSHAKE_EVERY_MS = 25 * 60 * 60 * 1000;
/** A day before MESH takes a message out of the inbox: it does so after five. */
const NEARS_DAY_FIVE_MS = 4 * DAY_MS;
/** In days, the least first. */
const CERTIFICATE_STAGES = [7, 30, CERTIFICATE_SOON_DAYS] as const;

/** Everything that is the matter. */
export function conditionsOf(observed: Observed, limits: ConditionLimits): Condition[] {
  return [
    handshake(observed, limits),
    polling(observed, limits),
    certificate(observed),
    clock(observed),
    disk(observed, limits),
    unacknowledged(observed),
    ...Object.entries(COUNTED).map(([kind, told]) => counted(kind as keyof typeof COUNTED, observed, told)),
  ].filter((condition) => condition !== undefined);
}

/** How bad the certificate and the clock are, where they are shown beside their values; null where nothing is the matter. */
export function levelsOf(observed: Pick<Observed, 'now' | 'health'>): Record<'certificate' | 'clock', Severity | null> {
  return { certificate: certificate(observed)?.severity ?? null, clock: clock(observed)?.severity ?? null };
}

/** The worst; undefined where nothing is the matter. */
export function severityOf(conditions: readonly Condition[]): Severity | undefined {
  if (conditions.some(({ severity }) => severity === 'critical')) return 'critical';
  return conditions.length > 0 ? 'warning' : undefined;
}

/** A change that is told: a condition that is new, has another stage, or is over (then as it was last). */
export interface Alert extends Condition {
  event: 'raised' | 'changed' | 'recovered';
}

/** What has changed between two looks, once each. */
export function alertsBetween(before: readonly Condition[], now: readonly Condition[]): Alert[] {
  const raised = now.flatMap((condition): Alert[] => {
    const known = before.find(({ kind }) => kind === condition.kind);
    if (known?.stage === condition.stage) return [];
    return [{ event: known ? 'changed' : 'raised', ...condition }];
  });
  const over = before.flatMap((condition): Alert[] =>
    now.some(({ kind }) => kind === condition.kind) ? [] : [{ event: 'recovered', ...condition }],
  );
  return [...raised, ...over];
}

function handshake({ now, watchedSince, health }: Observed, { stoppedMs }: ConditionLimits): Condition | undefined {
  const since = failingSince(health.handshake, now, stoppedMs);
  const last = timeOf(health.handshake.lastSucceeded) ?? watchedSince;
  if (since === undefined && now - last <= HANDSHAKE_EVERY_MS) return undefined;
  return {
    kind: 'handshake',
    stage: 'stopped',
    severity: 'critical',
    text: because('Handshakes with MESH have stopped.', health.handshake),
    advice: 'Test the connection in the mailbox’s settings: it tells which step fails.',
    time: iso(since ?? last),
  };
}

function polling({ now, health }: Observed, { stoppedMs }: ConditionLimits): Condition | undefined {
  const since = failingSince(health.poll, now, stoppedMs);
  // Where none is planned nobody polls here, or messages are being fetched.
  const next = timeOf(health.poll.next);
  const late = next !== undefined && now - next > Math.max(stoppedMs, MINUTE_MS) ? next : undefined;
  const from = since ?? late;
  if (from === undefined) return undefined;
  return {
    kind: 'polling',
    stage: 'stopped',
    severity: 'critical',
    text: because('The inbox is not being polled.', health.poll),
    advice: 'Mend it within five days: MESH then takes messages out of the inbox, and tells their senders.',
    time: iso(from),
  };
}

const MINUTE_MS = 60 * 1000;

function failingSince({ failingSince: since }: RecurringTask, now: number, stoppedMs: number): number | undefined {
  const time = timeOf(since);
  return time !== undefined && now - time >= stoppedMs ? time : undefined;
}

/** An error of ours tells no secret; its advice is for the log. */
function because(text: string, { error }: RecurringTask): string {
  return error === null ? text : `${text} ${error.message}`;
}

function certificate({ now, health }: Pick<Observed, 'now' | 'health'>): Condition | undefined {
  const until = timeOf(health.certificate?.validTo);
  if (until === undefined) return undefined;
  const time = iso(until);
  const kind = 'certificate';
  const advice = 'Renew it: NHS England names five working days for signing (docs/operating.md, Certificate renewal).';
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

function clock({ health: { clockSkew: skew } }: Pick<Observed, 'health'>): Condition | undefined {
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
    advice: 'Set the clock right (NTP): MESH refuses what is two hours off.',
    time: skew.at,
  };
}

function disk({ freeBytes }: Observed, { minFreeBytes }: ConditionLimits): Condition | undefined {
  if (freeBytes === null || freeBytes >= minFreeBytes) return undefined;
  return {
    kind: 'disk',
    stage: 'low',
    severity: 'critical',
    text: `The disk of the state folder has ${Math.floor(freeBytes / 1024 ** 2)} MiB left.`,
    advice: 'Make room: at 512 MiB nothing is taken or fetched any more.',
  };
}

function unacknowledged({ now, oldestUnacknowledged: oldest }: Observed): Condition | undefined {
  if (oldest === null || now - Date.parse(oldest.since) < NEARS_DAY_FIVE_MS) return undefined;
  return {
    kind: 'unacknowledged',
    stage: oldest.messageId,
    severity: 'critical',
    text: 'A received message has not been acknowledged to MESH for four days.',
    advice: 'See that its flow ends with a mesh-ack: after five days MESH tells the sender that it was not collected.',
    messageId: oldest.messageId,
    time: oldest.since,
  };
}

const COUNTED = {
  held: ['Messages to be sent are held for a person.', 'Ask mesh-track for {list: "held"}; resend or drop each.'],
  unknown: [
    'Of messages it is not known whether MESH has them.',
    'They are looked up at MESH by themselves; those that are held then need a person.',
  ],
  overdue: [
    'Sent messages were not collected or not answered in time.',
    'Ring the recipient; a late answer still counts.',
  ],
  parked: [
    'Received messages are parked: their flow did not end, or could not read them.',
    'Find out why, then ask mesh-poll to redeliver them.',
  ],
  unclaimed: [
    'Messages wait in the inbox that no node takes.',
    'Give their workflow to a mesh-poll within five days, or to those left to others.',
  ],
} as const;

function counted(
  kind: keyof typeof COUNTED,
  { counts }: Observed,
  [text, advice]: readonly [string, string],
): Condition | undefined {
  const count = counts[kind];
  return count > 0 ? { kind, stage: 'some', severity: 'warning', text, advice, count } : undefined;
}

function timeOf(time: string | null | undefined): number | undefined {
  return time === null || time === undefined ? undefined : Date.parse(time);
}

const iso = (time: number): string => new Date(time).toISOString();
