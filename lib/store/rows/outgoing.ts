/**
 * The table `outgoing`: its rows to messages, and messages to values. Both back ends name and type the columns alike.
 */
import { z } from 'zod';
import { OUTGOING_STATES, type OutgoingState, PENDING } from '../../message-states';
import type { KnownChange, NewOutgoing, Outgoing, OutgoingChange, OutgoingCounts, StoredPayload } from '../store';
import { assignments } from './changes';
import { flag, json, object, parse, type Row, type SqlValue, storedError, time } from './parse';
import { payloadColumns, payloadValues } from './payload';

const outcome = z.enum(['not-asked', 'awaited', 'positive', 'partial', 'negative', 'overdue']);

const stage = z.object({
  name: z.string(),
  kind: z.enum(['receipt', 'result', 'report']),
  occurs: z.enum(['expected', 'optional', 'any']),
  dueWithin: z
    .union([z.object({ minutes: z.number() }), z.object({ hours: z.number() }), z.object({ workingDays: z.number() })])
    .exactOptional(),
  by: z.number().exactOptional(),
  outcome,
  replies: z.array(
    z.object({
      messageId: z.string(),
      at: z.number(),
      outcome: z.enum(['positive', 'partial', 'negative']),
      code: z.string().exactOptional(),
    }),
  ),
});

const schema = z.object({
  seq: z.number(),
  id: z.string(),
  mailbox: z.number(),
  instance: z.string().nullable(),
  once_key: z.string().nullable(),
  once_digest: z.string().nullable(),
  lane: z.string(),
  strict_order: flag,
  local_id: z.string(),
  local_id_is_unique: flag,
  workflow_id: z.string(),
  envelope: json(object),
  size: z.number(),
  queued_at: z.number(),
  resend_of: z.string().nullable(),
  acknowledgement_reference: z.string().nullable(),
  state: z.enum(OUTGOING_STATES),
  ...payloadColumns,
  plan: json(
    z.object({
      encoding: z.enum(['gzip', 'identity']),
      level: z.number(),
      chunkBytes: z.number(),
      totalChunks: z.number(),
      checksum: z.string().exactOptional(),
    }),
  ).nullable(),
  chunks_sent: z.number(),
  message_id: z.string().nullable(),
  attempts: z.number(),
  next_attempt_at: z.number(),
  first_attempt_at: time,
  accepted_at: time,
  settled_at: time,
  next_track_at: time,
  tracked: z.number(),
  error: json(storedError).nullable(),
  infrastructure: outcome,
  business: outcome,
  stages: json(z.array(stage)).nullable(),
  reply_keys: z.string().nullable(),
  replies: outcome,
  replies_revision: z.number(),
  collect_by: time,
  infrastructure_by: time,
  business_by: time,
  replies_by: time,
});

/** A parsed row. */
export type OutgoingRow = z.output<typeof schema>;

/** The columns that a message consists of. */
export const OUTGOING_COLUMN_NAMES: readonly string[] = Object.keys(schema.shape);
export const OUTGOING_COLUMNS = OUTGOING_COLUMN_NAMES.join(', ');

export function parseOutgoing(row: Row): OutgoingRow {
  return parse(schema, 'outgoing', row);
}

export function outgoingOf(row: OutgoingRow, mailbox: string, payload: StoredPayload | null): Outgoing {
  return {
    id: row.id,
    mailbox,
    instance: row.instance,
    onceKey: row.once_key,
    onceDigest: row.once_digest,
    lane: row.lane,
    strictOrder: row.strict_order,
    localId: row.local_id,
    localIdIsUnique: row.local_id_is_unique,
    workflowId: row.workflow_id,
    envelope: row.envelope,
    size: row.size,
    queuedAt: row.queued_at,
    resendOf: row.resend_of,
    acknowledgementReference: row.acknowledgement_reference,
    state: row.state,
    payload,
    plan: row.plan,
    chunksSent: row.chunks_sent,
    messageId: row.message_id,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at,
    firstAttemptAt: row.first_attempt_at,
    acceptedAt: row.accepted_at,
    settledAt: row.settled_at,
    nextTrackAt: row.next_track_at,
    tracked: row.tracked,
    error: row.error,
    infrastructure: row.infrastructure,
    business: row.business,
    stages: row.stages,
    replies: row.replies,
    repliesRevision: row.replies_revision,
    collectBy: row.collect_by,
    infrastructureBy: row.infrastructure_by,
    businessBy: row.business_by,
    repliesBy: row.replies_by,
  };
}

/** The columns that an INSERT sets; the defaults of the others are their start values. */
export const NEW_OUTGOING_COLUMNS = `mailbox, id, instance, once_key, once_digest, lane, strict_order, local_id, local_id_is_unique,
  workflow_id, envelope, size, queued_at, resend_of, acknowledgement_reference, state, infrastructure, business,
  collect_by, infrastructure_by, business_by, stages, reply_keys, replies, payload_kind, payload_name, payload_file,
  payload_digest`;

/** A message to be added; one that is only remembered has no payload. */
type Added = Omit<NewOutgoing, 'payload'> & { payload: StoredPayload | null };

export function newOutgoingValues(mailbox: number, message: Added, state: OutgoingState = 'queued'): SqlValue[] {
  return [
    mailbox,
    message.id,
    message.instance,
    message.onceKey,
    message.onceDigest,
    message.lane,
    Number(message.strictOrder),
    message.localId,
    Number(message.localIdIsUnique),
    message.workflowId,
    JSON.stringify(message.envelope),
    message.size,
    message.queuedAt,
    message.resendOf,
    message.acknowledgementReference,
    state,
    message.infrastructure ?? 'not-asked',
    message.business ?? 'not-asked',
    message.collectBy ?? null,
    message.infrastructureBy ?? null,
    message.businessBy ?? null,
    message.stages ? JSON.stringify(message.stages) : null,
    message.replyKeys && message.replyKeys.length > 0 ? JSON.stringify(message.replyKeys) : null,
    message.replies ?? 'not-asked',
    ...payloadValues(message.payload),
  ];
}

/** Returns the columns and values of an INSERT of a message that is not queued but in the state of `change`. */
export function outgoingWithoutPayload(
  mailbox: number,
  message: Omit<NewOutgoing, 'payload'>,
  { state, ...change }: KnownChange,
): { columns: string; values: SqlValue[] } {
  const { assignments: assigned, values } = outgoingChange(change);
  const columns = assigned.map((assignment) => assignment.split(' ')[0]);
  return {
    columns: [NEW_OUTGOING_COLUMNS, ...columns].join(', '),
    values: [...newOutgoingValues(mailbox, { ...message, payload: null }, state), ...values],
  };
}

/** Returns the message as it is right after its INSERT. */
export function queuedOutgoing({ replyKeys: _keys, ...message }: NewOutgoing): Outgoing {
  return {
    infrastructure: 'not-asked',
    business: 'not-asked',
    collectBy: null,
    infrastructureBy: null,
    businessBy: null,
    stages: null,
    replies: 'not-asked',
    repliesRevision: 0,
    repliesBy: null,
    ...message,
    state: 'queued',
    plan: null,
    chunksSent: 0,
    messageId: null,
    attempts: 0,
    nextAttemptAt: 0,
    firstAttemptAt: null,
    acceptedAt: null,
    settledAt: null,
    nextTrackAt: null,
    tracked: 0,
    error: null,
  };
}

const CHANGES: Record<Exclude<keyof OutgoingChange, 'payload'>, string> = {
  state: 'state',
  plan: 'plan',
  chunksSent: 'chunks_sent',
  messageId: 'message_id',
  attempts: 'attempts',
  nextAttemptAt: 'next_attempt_at',
  firstAttemptAt: 'first_attempt_at',
  acceptedAt: 'accepted_at',
  settledAt: 'settled_at',
  nextTrackAt: 'next_track_at',
  tracked: 'tracked',
  error: 'error',
  infrastructure: 'infrastructure',
  business: 'business',
  collectBy: 'collect_by',
  infrastructureBy: 'infrastructure_by',
  businessBy: 'business_by',
  stages: 'stages',
  replies: 'replies',
  repliesRevision: 'replies_revision',
  repliesBy: 'replies_by',
};

/** Returns the assignments of an UPDATE and their values. */
export function outgoingChange(change: OutgoingChange): { assignments: string[]; values: SqlValue[] } {
  return assignments(CHANGES, change);
}

/** Sums the rows of `outgoing_count` of one mailbox. */
export function outgoingCounts(rows: readonly Row[]): OutgoingCounts {
  const messages = Object.fromEntries(OUTGOING_STATES.map((state) => [state, 0])) as OutgoingCounts['messages'];
  let pendingBytes = 0;
  for (const row of rows) {
    const state = row['state'] as OutgoingState;
    messages[state] = Number(row['messages']);
    if (PENDING.includes(state)) pendingBytes += Number(row['bytes']);
  }
  return { messages, pendingBytes };
}
