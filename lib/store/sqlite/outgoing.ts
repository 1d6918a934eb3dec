/** Sent messages. */
import type { SQLInputValue } from 'node:sqlite';
import { OUTGOING_STATES } from '../../message-states';
import { lookups } from '../rows/lookups';
import {
  outgoingWithoutPayload,
  NEW_OUTGOING_COLUMNS,
  newOutgoingValues,
  OUTGOING_COLUMNS,
  outgoingChange,
  outgoingCounts,
  outgoingOf,
  type OutgoingRow,
  parseOutgoing,
} from '../rows/outgoing';
import type { Row } from '../rows/parse';
import { duplicateIdError } from '../rules/errors';
import { furthestAttempt, furthestTracking } from '../rules/due-times';
import { SENT_TO_OTHER } from '../rules/sandbox-instances';
import type {
  KnownChange,
  LedgerEntry,
  LedgerNote,
  NewOutgoing,
  OutcomeCondition,
  Outgoing,
  OutgoingChange,
  OutgoingCounts,
  OutgoingFilter,
  OutgoingState,
  OutgoingTransition,
  Page,
  ReplacedOutgoing,
  SendingProgress,
} from '../store';
import type { Ledger } from './ledger';
import type { Mailboxes } from './mailboxes';
import { Payloads } from './payloads';
import type { Statements } from './statements';

const SELECT = `SELECT ${OUTGOING_COLUMNS} FROM outgoing`;
/** Placeholders for the values: `?, ?, ?`. */
export const placeholders = (values: readonly unknown[]): string => values.map(() => '?').join(', ');

export class OutgoingTable {
  readonly #statements: Statements;
  readonly #mailboxes: Mailboxes;
  readonly #ledger: Ledger;
  readonly #payloads: Payloads;

  constructor(statements: Statements, mailboxes: Mailboxes, ledger: Ledger) {
    this.#statements = statements;
    this.#mailboxes = mailboxes;
    this.#ledger = ledger;
    this.#payloads = new Payloads(statements, 'outgoing');
  }

  /** Adds a message; returns the one that has its key already, or undefined if this one was added. */
  enqueue(
    message: NewOutgoing,
    note: LedgerNote,
    also?: Omit<LedgerEntry, 'sequence' | 'mailbox'>,
  ): Outgoing | undefined {
    const first = this.#firstOfKey(message);
    if (first) return first;
    this.#add(message, note);
    if (also) this.#ledger.note({ ...also, mailbox: message.mailbox });
    return undefined;
  }

  /**
   * Changes a message and adds the one that takes its place. Returns the message that has the key already, or the
   * changed one; undefined, and nothing is done, if that is in another state.
   */
  replace(
    { id, from, change, note, outcomes }: ReplacedOutgoing,
    message: NewOutgoing,
    added: LedgerNote,
  ): { first: Outgoing } | { replaced: Outgoing } | undefined {
    const first = this.#firstOfKey(message);
    if (first) return { first };
    const replaced = this.change(id, from, change, note, outcomes);
    if (!replaced) return undefined;
    this.#add(message, added);
    return { replaced };
  }

  /** Returns the message that has this one's key already. */
  #firstOfKey({ mailbox, onceKey }: NewOutgoing): Outgoing | undefined {
    if (onceKey === null) return undefined;
    const first = this.#statements.get(
      `${SELECT} WHERE once_key = ? AND mailbox = ? AND once_key IS NOT NULL`,
      onceKey,
      this.#mailboxes.number(mailbox),
    );
    return first && this.#withPayload(first);
  }

  #add(message: NewOutgoing, note: LedgerNote): void {
    const mailbox = this.#mailboxes.number(message.mailbox);
    const values = newOutgoingValues(mailbox, message);
    const seq = this.#statements.insert(
      `INSERT INTO outgoing (${NEW_OUTGOING_COLUMNS}) VALUES (${placeholders(values)}) ON CONFLICT (id) DO NOTHING`,
      ...values,
    );
    if (seq === undefined) throw duplicateIdError();
    this.#payloads.add(seq, message.payload);
    this.#ledger.add(mailbox, 'out', message.id, null, note);
  }

  get(id: string): Outgoing | undefined {
    const row = this.#statements.get(`${SELECT} WHERE id = ?`, id);
    return row && this.#withPayload(row);
  }

  /**
   * Lists by the index of a value in the filter; without one by states, each of which is an index range in order of its sequence.
   */
  list(filter: OutgoingFilter, page: Page): Outgoing[] {
    const mailbox = filter.mailbox === undefined ? undefined : this.#mailboxes.find(filter.mailbox);
    if (filter.mailbox !== undefined && mailbox === undefined) return [];
    const after = this.#seqOf(page.after, 0);
    const rows = lookups(filter).length > 0 ? this.#found(filter, mailbox, page.limit, after) : [];
    if (lookups(filter).length === 0) {
      for (const each of mailbox === undefined ? this.#mailboxes.all() : [mailbox]) {
        for (const state of new Set(filter.states ?? OUTGOING_STATES)) {
          for (const blocked of [0, 1]) {
            const found = this.#statements.all(
              `${SELECT} INDEXED BY outgoing_state
                WHERE mailbox = ? AND state = ? AND blocked = ? AND seq > ? ORDER BY seq LIMIT ?`,
              each,
              state,
              blocked,
              after,
              page.limit,
            );
            rows.push(...found);
          }
        }
      }
      rows.sort((one, other) => Number(one['seq']) - Number(other['seq']));
    }
    return rows.slice(0, page.limit).map((row) => this.#withoutPayload(row));
  }

  /** Returns the sequence of a page's last message; `none` without one; behind every message if it is gone. */
  #seqOf(id: string | undefined, none: number): number {
    if (id === undefined || id === '') return none;
    return Number(
      this.#statements.get('SELECT seq FROM outgoing WHERE id = ?', id)?.['seq'] ?? Number.MAX_SAFE_INTEGER,
    );
  }

  #found(filter: OutgoingFilter, mailbox: number | undefined, limit: number, after: number): Row[] {
    const [index, ...conditions] = lookups(filter);
    const wheres = [`${index?.column} IS NOT NULL`, 'seq > ?'];
    const values: SQLInputValue[] = [after];
    for (const { column, value } of index ? [index, ...conditions] : []) {
      wheres.push(`${column} = ?`);
      values.push(value);
    }
    if (mailbox !== undefined) {
      wheres.push('+mailbox = ?');
      values.push(mailbox);
    }
    if (filter.states) {
      wheres.push(`+state IN (${placeholders(filter.states)})`);
      values.push(...filter.states);
    }
    return this.#statements.all(
      `${SELECT} INDEXED BY ${index?.name} WHERE ${wheres.join(' AND ')} ORDER BY seq LIMIT ?`,
      ...values,
      limit,
    );
  }

  findByAcknowledgementReference(mailboxKey: string, acknowledgementReference: string, limit: number): Outgoing[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    return this.#statements
      .all(
        `${SELECT} INDEXED BY outgoing_acknowledgement
          WHERE mailbox = ? AND acknowledgement_reference = ? AND acknowledgement_reference IS NOT NULL
          ORDER BY seq DESC LIMIT ?`,
        mailbox,
        acknowledgementReference,
        limit,
      )
      .map((row) => this.#withoutPayload(row));
  }

  findByReplyKeys(mailboxKey: string, keys: readonly string[], limit: number): Outgoing[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    const found = keys.flatMap((key) =>
      this.#statements.all('SELECT seq FROM outgoing_reply_key WHERE key = ? ORDER BY seq DESC LIMIT ?', key, limit),
    );
    const newest = [...new Set(found.map((row) => Number(row['seq'])))].toSorted((one, other) => other - one);
    return newest
      .map((seq) => this.#statements.get(`${SELECT} WHERE seq = ? AND mailbox = ?`, seq, mailbox))
      .filter((row) => row !== undefined)
      .slice(0, limit)
      .map((row) => this.#withoutPayload(row));
  }

  count(mailboxKey: string): OutgoingCounts {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return outgoingCounts([]);
    return outgoingCounts(this.#statements.all('SELECT * FROM outgoing_count WHERE mailbox = ?', mailbox));
  }

  nextToSend(mailboxKey: string, now: number, limit: number): Outgoing[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    return this.#statements
      .all(
        `${SELECT} INDEXED BY outgoing_state
          WHERE mailbox = ? AND state = 'queued' AND blocked = 0 AND (next_attempt_at <= ? OR next_attempt_at > ?)
          ORDER BY seq LIMIT ?`,
        mailbox,
        now,
        furthestAttempt(now),
        limit,
      )
      .map((row) => this.#withPayload(row));
  }

  /** Reads the index only. */
  idsToSend(mailboxKey: string, now: number, limit: number): string[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    return this.#statements
      .all(
        `SELECT id FROM outgoing INDEXED BY outgoing_state
          WHERE mailbox = ? AND state = 'queued' AND blocked = 0 AND (next_attempt_at <= ? OR next_attempt_at > ?)
          ORDER BY seq LIMIT ?`,
        mailbox,
        now,
        furthestAttempt(now),
        limit,
      )
      .map((row) => String(row['id']));
  }

  nextSendTime(mailboxKey: string, now: number): number | undefined {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return undefined;
    // Messages that were set aside come before it in the index; they are few.
    const isWaiting = this.#statements.get(
      `SELECT 1 FROM outgoing INDEXED BY outgoing_state
        WHERE mailbox = ? AND state = 'queued' AND blocked = 0 AND next_attempt_at = 0 LIMIT 1`,
      mailbox,
    );
    if (isWaiting) return 0;
    const isTooFarAhead = this.#statements.get(
      `SELECT 1 FROM outgoing INDEXED BY outgoing_wake
        WHERE mailbox = ? AND state = 'queued' AND blocked = 0 AND next_attempt_at > 0 AND next_attempt_at > ? LIMIT 1`,
      mailbox,
      furthestAttempt(now),
    );
    if (isTooFarAhead) return 0;
    const row = this.#statements.get(
      `SELECT next_attempt_at FROM outgoing INDEXED BY outgoing_wake
        WHERE mailbox = ? AND state = 'queued' AND blocked = 0 AND next_attempt_at > 0
        ORDER BY next_attempt_at LIMIT 1`,
      mailbox,
    );
    return row && Number(row['next_attempt_at']);
  }

  dueTracking(mailboxKey: string, now: number, limit: number): Outgoing[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    const rows: Row[] = [];
    const addDue = (where: string, time: number, order: string): void => {
      if (rows.length === limit) return;
      const sql = `${SELECT} INDEXED BY ${where} ? ORDER BY ${order} LIMIT ?`;
      rows.push(...this.#statements.all(sql, mailbox, time, limit - rows.length));
    };
    const byTime = 'next_track_at, seq';
    addDue('outgoing_track WHERE mailbox = ? AND next_track_at IS NOT NULL AND next_track_at <=', now, byTime);
    // Of the planned ones the unknown are few; in the order of their own index.
    const isLookedUpTooLate = `outgoing_state WHERE mailbox = ? AND state = 'unknown' AND next_track_at >`;
    addDue(isLookedUpTooLate, furthestTracking('unknown', now), 'blocked, seq');
    const isTrackedTooLate = `outgoing_track WHERE mailbox = ? AND state <> 'unknown' AND next_track_at >`;
    addDue(isTrackedTooLate, furthestTracking('accepted', now), byTime);
    return rows.map((row) => this.#withoutPayload(row));
  }

  dueOverdue(mailboxKey: string, now: number, limit: number): Outgoing[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    return this.#statements
      .all(
        `${SELECT} INDEXED BY outgoing_overdue
          WHERE mailbox = ? AND overdue_at IS NOT NULL AND overdue_at <= ? ORDER BY overdue_at, seq LIMIT ?`,
        mailbox,
        now,
        limit,
      )
      .map((row) => this.#withoutPayload(row));
  }

  /** Changes a message and returns it as it is now. */
  change(
    id: string,
    from: readonly OutgoingState[],
    change: OutgoingChange,
    note: LedgerNote | undefined,
    outcomes: OutcomeCondition = {},
  ): Outgoing | undefined {
    return this.#change(id, from, change, note, outcomes) ? this.get(id) : undefined;
  }

  /** Returns for each change whether it was made. Rows are not read back: that costs as much as the change. */
  changeBatch(transitions: readonly OutgoingTransition[], progress?: SendingProgress & { mailbox: string }): boolean[] {
    if (progress) {
      this.#statements.run(
        `INSERT INTO sending (mailbox, commits, begun) VALUES (?, ?, ?)
          ON CONFLICT (mailbox) DO UPDATE SET commits = excluded.commits, begun = excluded.begun`,
        this.#mailboxes.number(progress.mailbox),
        progress.commits,
        progress.begun,
      );
    }
    return transitions.map(({ id, from, attempt, change, note }) => this.#change(id, from, change, note, {}, attempt));
  }

  sendingProgress(mailboxKey: string): SendingProgress {
    const mailbox = this.#mailboxes.find(mailboxKey);
    const row =
      mailbox === undefined
        ? undefined
        : this.#statements.get('SELECT commits, begun FROM sending WHERE mailbox = ?', mailbox);
    return { commits: Number(row?.['commits'] ?? 0), begun: Number(row?.['begun'] ?? 0) };
  }

  /** Adds a message without a payload and in the state of `change`; undefined if the store has it. */
  addWithoutPayload(
    message: Omit<NewOutgoing, 'payload'>,
    change: KnownChange,
    note: LedgerNote,
  ): Outgoing | undefined {
    const mailbox = this.#mailboxes.number(message.mailbox);
    const { columns, values } = outgoingWithoutPayload(mailbox, message, change);
    const seq = this.#statements.insert(
      `INSERT INTO outgoing (${columns}) VALUES (${placeholders(values)}) ON CONFLICT (id) DO NOTHING`,
      ...values,
    );
    if (seq === undefined) return undefined;
    this.#ledger.add(mailbox, 'out', message.id, change.messageId ?? null, note);
    return this.get(message.id);
  }

  /**
   * Changes a message; returns whether it did. Nothing comes between reading the row and changing it: this connection
   * is the only one. A RETURNING would open a temporary table each time, which costs about as much as the read.
   */
  #change(
    id: string,
    from: readonly OutgoingState[],
    change: OutgoingChange,
    note: LedgerNote | undefined,
    { infrastructure, business, repliesRevision }: OutcomeCondition,
    attempt?: number,
  ): boolean {
    if ([from, infrastructure, business].some((each) => each?.length === 0)) return false;
    const conditions =
      (infrastructure ? ` AND +infrastructure IN (${placeholders(infrastructure)})` : '') +
      (business ? ` AND +business IN (${placeholders(business)})` : '') +
      (repliesRevision === undefined ? '' : ' AND replies_revision = ?') +
      (attempt === undefined ? '' : ' AND attempts = ?');
    const row = this.#statements.get(
      `SELECT seq, mailbox, message_id FROM outgoing WHERE id = ? AND +state IN (${placeholders(from)})${conditions}`,
      id,
      ...from,
      ...(infrastructure ?? []),
      ...(business ?? []),
      ...(repliesRevision === undefined ? [] : [repliesRevision]),
      ...(attempt === undefined ? [] : [attempt]),
    );
    if (!row) return false;
    const seq = Number(row['seq']);
    const { assignments, values } = outgoingChange(change);
    if (assignments.length > 0) {
      this.#statements.run(`UPDATE outgoing SET ${assignments.join(', ')} WHERE seq = ?`, ...values, seq);
    }
    if (change.payload !== undefined) {
      this.#payloads.remove(seq);
      this.#payloads.add(seq, change.payload);
    }
    const before = row['message_id'] === null ? null : String(row['message_id']);
    if (note) this.#ledger.add(Number(row['mailbox']), 'out', id, change.messageId ?? before, note);
    return true;
  }

  /** Closes messages that ended with another instance of the sandbox; returns how many. */
  closeOtherInstances(mailbox: number, instance: string, note: LedgerNote): number {
    const closed = this.#statements.all(
      `UPDATE outgoing INDEXED BY outgoing_instance SET state = 'closed', settled_at = ?, next_track_at = NULL
        WHERE mailbox = ? AND ${SENT_TO_OTHER} RETURNING id, message_id`,
      note.time,
      mailbox,
      instance,
    );
    for (const row of closed) {
      const messageId = row['message_id'] === null ? null : String(row['message_id']);
      this.#ledger.add(mailbox, 'out', String(row['id']), messageId, note);
    }
    return closed.length;
  }

  #withPayload(row: Row): Outgoing {
    const parsed = parseOutgoing(row);
    return this.#of(parsed, this.#payloads.read(parsed.seq, parsed));
  }

  /** Without the payload. */
  #withoutPayload(row: Row): Outgoing {
    return this.#of(parseOutgoing(row), null);
  }

  #of(row: OutgoingRow, payload: Outgoing['payload']): Outgoing {
    return outgoingOf(row, this.#mailboxes.key(row.mailbox), payload);
  }
}
