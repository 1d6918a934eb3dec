/**
 * The table `incoming`: its rows to messages, and messages to values. Both back ends name and type the columns alike.
 */
import { z } from 'zod';
import { INCOMING_STATES, type IncomingState } from '../../message-states';
import type { Incoming, IncomingChange, IncomingSummary, NewIncoming, StoredPayload } from '../store';
import { assignments } from './changes';
import { json, object, parse, type Row, type SqlValue, storedError, time } from './parse';
import { payloadColumns, payloadValues } from './payload';

const schema = z.object({
  seq: z.number(),
  mailbox: z.number(),
  message_id: z.string(),
  instance: z.string().nullable(),
  workflow_id: z.string(),
  message_type: z.enum(['DATA', 'REPORT']),
  headers: json(object),
  size: z.number(),
  sha256: z.string(),
  received_at: z.number(),
  request_key: z.string().nullable(),
  classification: json(object).nullable(),
  state: z.enum(INCOMING_STATES),
  ...payloadColumns,
  acknowledged_at: time,
  delivery_count: z.number(),
  lease_until: time,
  settled_at: time,
  error: json(storedError).nullable(),
});

/** A parsed row. */
type IncomingRow = z.output<typeof schema>;

/** The columns that a message consists of. */
export const INCOMING_COLUMN_NAMES: readonly string[] = Object.keys(schema.shape);
export const INCOMING_COLUMNS = INCOMING_COLUMN_NAMES.join(', ');

export function parseIncoming(row: Row): IncomingRow {
  return parse(schema, 'incoming', row);
}

/** Returns the state of a row of which only the state was read. */
export function parseIncomingState(row: Row): IncomingState {
  return parse(schema.pick({ state: true }), 'incoming', row).state;
}

const summarySchema = schema.pick({
  seq: true,
  message_id: true,
  workflow_id: true,
  message_type: true,
  received_at: true,
  state: true,
  acknowledged_at: true,
  delivery_count: true,
  lease_until: true,
  error: true,
  size: true,
  classification: true,
});

/** The columns of a summary, and `seq`. */
export const SUMMARY_COLUMNS = Object.keys(summarySchema.shape).join(', ');

/** A parsed row of the columns of a summary. */
type SummaryRow = z.output<typeof summarySchema>;

export function parseSummary(row: Row): SummaryRow {
  return parse(summarySchema, 'incoming', row);
}

/** Returns the summary of a row after a change. */
export function summaryOf(before: SummaryRow, change: IncomingChange = {}): IncomingSummary {
  const {
    state = before.state,
    acknowledgedAt = before.acknowledged_at,
    deliveryCount = before.delivery_count,
    leaseUntil = before.lease_until,
    error = before.error,
    classification = before.classification,
  } = change;
  return {
    messageId: before.message_id,
    workflowId: before.workflow_id,
    messageType: before.message_type,
    receivedAt: before.received_at,
    sequence: before.seq,
    state,
    acknowledgedAt,
    deliveryCount,
    leaseUntil,
    error,
    size: before.size,
    classification,
  };
}

export function incomingOf(parsed: IncomingRow, mailbox: string, payload: StoredPayload | null): Incoming {
  return {
    mailbox,
    messageId: parsed.message_id,
    instance: parsed.instance,
    workflowId: parsed.workflow_id,
    messageType: parsed.message_type,
    headers: parsed.headers,
    size: parsed.size,
    sha256: parsed.sha256,
    receivedAt: parsed.received_at,
    sequence: parsed.seq,
    requestKey: parsed.request_key,
    classification: parsed.classification,
    state: parsed.state,
    payload,
    acknowledgedAt: parsed.acknowledged_at,
    deliveryCount: parsed.delivery_count,
    leaseUntil: parsed.lease_until,
    settledAt: parsed.settled_at,
    error: parsed.error,
  };
}

/** The columns that an INSERT sets after `mailbox`; the defaults of the others are their start values. */
export const NEW_INCOMING_COLUMNS = `message_id, instance, workflow_id, message_type, headers, size, sha256,
  received_at, request_key, classification, state, payload_kind, payload_name, payload_file,
  payload_digest`;

export function newIncomingValues(message: NewIncoming): SqlValue[] {
  return [
    message.messageId,
    message.instance,
    message.workflowId,
    message.messageType,
    JSON.stringify(message.headers),
    message.size,
    message.sha256,
    message.receivedAt,
    message.requestKey ?? null,
    message.classification ? JSON.stringify(message.classification) : null,
    'spooled',
    ...payloadValues(message.payload),
  ];
}

const CHANGES: Record<Exclude<keyof IncomingChange, 'payload'>, string> = {
  state: 'state',
  acknowledgedAt: 'acknowledged_at',
  deliveryCount: 'delivery_count',
  leaseUntil: 'lease_until',
  settledAt: 'settled_at',
  error: 'error',
  classification: 'classification',
};

/** Returns the assignments of an UPDATE and their values. */
export function incomingChange(change: IncomingChange): { assignments: string[]; values: SqlValue[] } {
  return assignments(CHANGES, change);
}
