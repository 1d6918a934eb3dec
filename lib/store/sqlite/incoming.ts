/** What is received. */
import { z } from 'zod';
import type { Incoming, IncomingChange, IncomingState, LedgerNote, NewIncoming, Page } from '../store';
import type { Ledger } from './ledger';
import type { Mailboxes } from './mailboxes';
import { marks } from './outgoing';
import { assignments } from './outgoing-rows';
import { json, object, parse, storedError, time } from './parse';
import { payloadColumns, Payloads, payloadValues } from './payloads';
import type { Row, Statements } from './statements';

const STATES = ['spooled', 'acknowledged', 'delivered', 'done', 'parked'] as const satisfies readonly IncomingState[];

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
  recognised: json(object).nullable(),
  state: z.enum(STATES),
  ...payloadColumns,
  acknowledged_at: time,
  delivery_count: z.number(),
  lease_until: time,
  settled_at: time,
  error: json(storedError).nullable(),
});
const COLUMNS = Object.keys(schema.shape).join(', ');
const SELECT = `SELECT ${COLUMNS} FROM incoming`;

const CHANGES: Record<Exclude<keyof IncomingChange, 'payload'>, string> = {
  state: 'state',
  acknowledgedAt: 'acknowledged_at',
  deliveryCount: 'delivery_count',
  leaseUntil: 'lease_until',
  settledAt: 'settled_at',
  error: 'error',
  recognised: 'recognised',
};

export class IncomingTable {
  readonly #statements: Statements;
  readonly #mailboxes: Mailboxes;
  readonly #ledger: Ledger;
  readonly #payloads: Payloads;

  constructor(statements: Statements, mailboxes: Mailboxes, ledger: Ledger) {
    this.#statements = statements;
    this.#mailboxes = mailboxes;
    this.#ledger = ledger;
    this.#payloads = new Payloads(statements, 'incoming');
  }

  add(message: NewIncoming, note: LedgerNote): boolean {
    const mailbox = this.#mailboxes.number(message.mailbox);
    const row = this.#statements.get(
      `INSERT INTO incoming (mailbox, message_id, instance, workflow_id, message_type, headers, size, sha256, received_at,
          request_key, recognised, state, payload_kind, payload_name, payload_file)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'spooled', ?, ?, ?)
        ON CONFLICT (mailbox, message_id) DO NOTHING RETURNING seq`,
      mailbox,
      message.messageId,
      message.instance,
      message.workflowId,
      message.messageType,
      JSON.stringify(message.headers),
      message.size,
      message.sha256,
      message.receivedAt,
      message.requestKey ?? null,
      message.recognised ? JSON.stringify(message.recognised) : null,
      ...payloadValues(message.payload),
    );
    if (!row) return false;
    this.#payloads.add(Number(row['seq']), message.payload);
    this.#ledger.add(mailbox, 'in', message.messageId, message.messageId, note);
    return true;
  }

  get(mailboxKey: string, messageId: string): Incoming | undefined {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return undefined;
    const row = this.#statements.get(`${SELECT} WHERE mailbox = ? AND message_id = ?`, mailbox, messageId);
    return row && this.#whole(row);
  }

  firstRequest(mailboxKey: string, requestKey: string): Incoming | undefined {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return undefined;
    const row = this.#statements.get(
      `${SELECT} INDEXED BY incoming_request
        WHERE mailbox = ? AND request_key = ? AND request_key IS NOT NULL ORDER BY received_at, message_id LIMIT 1`,
      mailbox,
      requestKey,
    );
    return row && this.#of(row, false);
  }

  /** One lookup for each: 500 ids, a page of MESH's inbox, take about a millisecond. */
  known(mailboxKey: string, messageIds: readonly string[]): Map<string, IncomingState> {
    const known = new Map<string, IncomingState>();
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return known;
    for (const messageId of messageIds) {
      const row = this.#statements.get(
        'SELECT state FROM incoming WHERE mailbox = ? AND message_id = ?',
        mailbox,
        messageId,
      );
      if (row) known.set(messageId, parse(z.object({ state: z.enum(STATES) }), 'incoming', row).state);
    }
    return known;
  }

  list(mailboxKey: string, states: readonly IncomingState[], page: Page): Incoming[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    const start = this.#start(mailbox, page);
    return [...new Set(states)]
      .flatMap((state) =>
        this.#statements.all(
          `${SELECT} INDEXED BY incoming_state
            WHERE mailbox = ? AND state = ? AND (received_at, message_id) > (?, ?)
            ORDER BY received_at, message_id LIMIT ?`,
          mailbox,
          state,
          ...start,
          page.limit,
        ),
      )
      .map((row) => this.#of(row, false))
      .sort((one, other) => one.receivedAt - other.receivedAt || (one.messageId < other.messageId ? -1 : 1))
      .slice(0, page.limit);
  }

  untold(mailboxKey: string, page: Page): Incoming[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    return this.#statements
      .all(
        `${SELECT} INDEXED BY incoming_untold
          WHERE mailbox = ? AND acknowledged_at IS NULL AND (received_at, message_id) > (?, ?)
          ORDER BY received_at, message_id LIMIT ?`,
        mailbox,
        ...this.#start(mailbox, page),
        page.limit,
      )
      .map((row) => this.#of(row, false));
  }

  /** Where a page begins: behind the time of receipt and the id of the last row of the page before. */
  #start(mailbox: number, { after }: Page): [number, string] {
    if (after === undefined) return [-1, ''];
    const last = this.#statements.get(
      'SELECT received_at FROM incoming WHERE mailbox = ? AND message_id = ?',
      mailbox,
      after,
    );
    return last ? [Number(last['received_at']), after] : [-1, ''];
  }

  dueDeliveries(mailboxKey: string, now: number, limit: number): Incoming[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    return this.#statements
      .all(
        `${SELECT} INDEXED BY incoming_due
          WHERE mailbox = ? AND state IN ('acknowledged', 'delivered')
            AND (state = 'acknowledged' OR lease_until <= ?)
          ORDER BY received_at, message_id LIMIT ?`,
        mailbox,
        now,
        limit,
      )
      .map((row) => this.#whole(row));
  }

  change(
    mailboxKey: string,
    messageId: string,
    from: readonly IncomingState[],
    change: IncomingChange,
    note: LedgerNote | undefined,
  ): Incoming | undefined {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined || from.length === 0) return undefined;
    const { assignments: sets, values } = assignments(CHANGES, change);
    const row = this.#statements.get(
      `UPDATE incoming SET ${['message_id = message_id', ...sets].join(', ')}
        WHERE mailbox = ? AND message_id = ? AND +state IN (${marks(from)}) RETURNING ${COLUMNS}`,
      ...values,
      mailbox,
      messageId,
      ...from,
    );
    if (!row) return undefined;
    if (change.payload !== undefined) {
      const seq = Number(row['seq']);
      this.#payloads.remove(seq);
      this.#payloads.add(seq, change.payload);
    }
    if (note) this.#ledger.add(mailbox, 'in', messageId, messageId, note);
    return this.#whole(row);
  }

  /** What another instance of the sandbox gave and the flow is not done with is done. */
  closeOtherInstances(mailbox: number, instance: string, note: LedgerNote): number {
    const closed = this.#statements.all(
      `UPDATE incoming INDEXED BY incoming_instance SET state = 'done', settled_at = ?, lease_until = NULL
        WHERE mailbox = ? AND instance IS NOT NULL AND instance <> ? AND state <> 'done' RETURNING message_id`,
      note.time,
      mailbox,
      instance,
    );
    for (const row of closed) {
      this.#ledger.add(mailbox, 'in', String(row['message_id']), String(row['message_id']), note);
    }
    return closed.length;
  }

  #whole(row: Row): Incoming {
    return this.#of(row, true);
  }

  #of(row: Row, withPayload: boolean): Incoming {
    const parsed = parse(schema, 'incoming', row);
    return {
      mailbox: this.#mailboxes.key(parsed.mailbox),
      messageId: parsed.message_id,
      instance: parsed.instance,
      workflowId: parsed.workflow_id,
      messageType: parsed.message_type,
      headers: parsed.headers,
      size: parsed.size,
      sha256: parsed.sha256,
      receivedAt: parsed.received_at,
      requestKey: parsed.request_key,
      recognised: parsed.recognised,
      state: parsed.state,
      payload: withPayload ? this.#payloads.read(parsed.seq, parsed) : null,
      acknowledgedAt: parsed.acknowledged_at,
      deliveryCount: parsed.delivery_count,
      leaseUntil: parsed.lease_until,
      settledAt: parsed.settled_at,
      error: parsed.error,
    };
  }
}
