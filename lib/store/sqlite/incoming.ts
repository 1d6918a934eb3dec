/** Received messages. */
import {
  INCOMING_COLUMNS,
  incomingChange,
  incomingOf,
  NEW_INCOMING_COLUMNS,
  newIncomingValues,
  parseIncoming,
  parseIncomingState,
  parseSummary,
  SUMMARY_COLUMNS,
  summaryOf,
} from '../rows/incoming';
import type { Row } from '../rows/parse';
import { RECEIVED_FROM_OTHER } from '../rules/sandbox-instances';
import type { Incoming, IncomingChange, IncomingSummary, IncomingState, LedgerNote, NewIncoming, Page } from '../store';
import type { Ledger } from './ledger';
import type { Mailboxes } from './mailboxes';
import { placeholders } from './outgoing';
import { Payloads } from './payloads';
import type { Statements } from './statements';

const SELECT = `SELECT ${INCOMING_COLUMNS} FROM incoming`;

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

  add(message: NewIncoming, note: LedgerNote): number | undefined {
    const mailbox = this.#mailboxes.number(message.mailbox);
    const values = newIncomingValues(message);
    const seq = this.#statements.insert(
      `INSERT INTO incoming (mailbox, ${NEW_INCOMING_COLUMNS}) VALUES (?, ${placeholders(values)})
        ON CONFLICT (mailbox, message_id) DO NOTHING`,
      mailbox,
      ...values,
    );
    if (seq === undefined) return undefined;
    this.#payloads.add(seq, message.payload);
    this.#ledger.add(mailbox, 'in', message.messageId, message.messageId, note);
    return seq;
  }

  get(mailboxKey: string, messageId: string): Incoming | undefined {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return undefined;
    const row = this.#statements.get(`${SELECT} WHERE mailbox = ? AND message_id = ?`, mailbox, messageId);
    return row && this.#withPayload(row);
  }

  firstRequest(mailboxKey: string, requestKey: string): Incoming | undefined {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return undefined;
    const row = this.#statements.get(
      `${SELECT} INDEXED BY incoming_request
        WHERE mailbox = ? AND request_key = ? AND request_key IS NOT NULL ORDER BY seq LIMIT 1`,
      mailbox,
      requestKey,
    );
    return row && this.#withoutPayload(row);
  }

  /** One lookup for each id: 500 ids, a page of MESH's inbox, take about a millisecond. */
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
      if (row) known.set(messageId, parseIncomingState(row));
    }
    return known;
  }

  list(mailboxKey: string, states: readonly IncomingState[], page: Page): Incoming[] {
    return this.#inStates(INCOMING_COLUMNS, mailboxKey, states, page).map((row) => this.#withoutPayload(row));
  }

  summaries(mailboxKey: string, states: readonly IncomingState[], page: Page): IncomingSummary[] {
    return this.#inStates(SUMMARY_COLUMNS, mailboxKey, states, page).map((row) => summaryOf(parseSummary(row)));
  }

  #inStates(columns: string, mailboxKey: string, states: readonly IncomingState[], page: Page): Row[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    const start = this.#start(mailbox, page);
    return [...new Set(states)]
      .flatMap((state) =>
        this.#statements.all(
          `SELECT ${columns} FROM incoming INDEXED BY incoming_state
            WHERE mailbox = ? AND state = ? AND seq > ? ORDER BY seq LIMIT ?`,
          mailbox,
          state,
          start,
          page.limit,
        ),
      )
      .sort((one, other) => Number(one['seq']) - Number(other['seq']))
      .slice(0, page.limit);
  }

  unacknowledged(mailboxKey: string, page: Page): Incoming[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    return this.#statements
      .all(
        `${SELECT} INDEXED BY incoming_unacknowledged
          WHERE mailbox = ? AND acknowledged_at IS NULL AND seq > ? ORDER BY seq LIMIT ?`,
        mailbox,
        this.#start(mailbox, page),
        page.limit,
      )
      .map((row) => this.#withoutPayload(row));
  }

  /** Where a page begins: behind the sequence of the last row of the page before. */
  #start(mailbox: number, { after }: Page): number {
    if (after === undefined) return 0;
    const sql = 'SELECT seq FROM incoming WHERE mailbox = ? AND message_id = ?';
    return Number(this.#statements.get(sql, mailbox, after)?.['seq'] ?? 0);
  }

  /** Nothing comes between reading the row and changing it: this connection is the only one. */
  change(
    mailboxKey: string,
    messageId: string,
    from: readonly IncomingState[],
    change: IncomingChange,
    notes: readonly LedgerNote[],
  ): IncomingSummary | undefined {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined || from.length === 0) return undefined;
    const row = this.#statements.get(
      `SELECT ${SUMMARY_COLUMNS} FROM incoming
        WHERE mailbox = ? AND message_id = ? AND +state IN (${placeholders(from)})`,
      mailbox,
      messageId,
      ...from,
    );
    if (!row) return undefined;
    const before = parseSummary(row);
    const { assignments, values } = incomingChange(change);
    if (assignments.length > 0) {
      this.#statements.run(`UPDATE incoming SET ${assignments.join(', ')} WHERE seq = ?`, ...values, before.seq);
    }
    if (change.payload !== undefined) {
      this.#payloads.remove(before.seq);
      this.#payloads.add(before.seq, change.payload);
    }
    for (const note of notes) this.#ledger.add(mailbox, 'in', messageId, messageId, note);
    return summaryOf(before, change);
  }

  /** Ends messages that came from another instance of the sandbox; returns how many. */
  closeOtherInstances(mailbox: number, instance: string, note: LedgerNote): number {
    const closed = this.#statements.all(
      `UPDATE incoming INDEXED BY incoming_instance SET state = 'done', settled_at = ?, lease_until = NULL
        WHERE mailbox = ? AND ${RECEIVED_FROM_OTHER} RETURNING message_id`,
      note.time,
      mailbox,
      instance,
    );
    for (const row of closed) {
      this.#ledger.add(mailbox, 'in', String(row['message_id']), String(row['message_id']), note);
    }
    return closed.length;
  }

  #withPayload(row: Row): Incoming {
    const parsed = parseIncoming(row);
    return incomingOf(parsed, this.#mailboxes.key(parsed.mailbox), this.#payloads.read(parsed.seq, parsed));
  }

  /** Without the payload. */
  #withoutPayload(row: Row): Incoming {
    const parsed = parseIncoming(row);
    return incomingOf(parsed, this.#mailboxes.key(parsed.mailbox), null);
  }
}
