/**
 * Erases one message on request (UK GDPR, article 17): its payload and every name in its row. What stays is what a register of an
 * incident needs: ids, workflow, size, times, states and codes; and the ledger, which never had a name, with one line more.
 * The store is not in use meanwhile.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError, InvalidMessageError, NotFoundError } from '../../errors';
import { type Change, type Side } from './side';
import { incomingOf, parseIncoming } from '../rows/incoming';
import { COPYING } from '../rows/moved';
import { outgoingOf, parseOutgoing } from '../rows/outgoing';
import type { Row } from '../rows/parse';
import type { Incoming, Outgoing } from '../store';

/** What is to be erased. */
export interface Erasure {
  /** Our id of what was sent, or MESH's message id. */
  reference: string;
  /** Who asks for it: a name or a case number, of the organisation; not the patient's. At most 100 characters. */
  by: string;
  /** Also what has not come to its end. */
  force: boolean;
  /** Milliseconds since 1970. */
  now: number;
  /** Where large payloads are files; undefined where they are in the database. */
  spool: string | undefined;
}

/** What one row was. */
interface Found {
  direction: 'out' | 'in';
  row: Row;
  message: Outgoing | Incoming;
}

const OVER = new Set(['acknowledged', 'undelivered', 'rejected', 'closed']);
const STOPPED = new Set(['queued', 'sending', 'unknown', 'parked']);

/**
 * Erases every row of the message: one that was sent and received here has two. Gives what was done, a sentence each, and what
 * is left to do by hand. Throws NotFoundError, InvalidMessageError for what has not ended (without `force`), ConfigurationError.
 */
export async function eraseMessage(side: Side, erasure: Erasure): Promise<string[]> {
  const by = erasure.by.replaceAll(/\p{Cc}/gu, ' ').trim();
  if (by === '' || by.length > 100) throw new ConfigurationError('Who asks for it (--by) is missing or too long.');
  if (side.marked === COPYING) throw new ConfigurationError('A copy to this store was broken off. Run it to its end.');
  const found = await find(side, erasure.reference);
  if (found.length === 0) {
    throw new NotFoundError('The store has no message of this id.', {
      advice: 'Give our id of what was sent, or MESH’s message id, whole, as the sidebar and the ledger show them.',
    });
  }
  const open = found.filter((each) => whyOpen(each) !== undefined);
  if (open.length > 0 && !erasure.force) {
    throw new InvalidMessageError(`Nothing was erased. ${open.map(whyOpen).join(' ')}`, {
      advice:
        'Wait for its end, or end it by hand first; or add --force, and what stands above is what follows from it.',
    });
  }
  const names = found.flatMap(({ row }) => (row['payload_kind'] === 'spool' ? [String(row['payload_name'])] : []));
  await requirePlace(side, names, erasure.spool);
  await side.together(found.flatMap((each) => changes(each, by, erasure)));
  const kept = await removePayloads(side, names, erasure.spool);
  await side.scrub();
  return [...found.map((each) => told(each)), ...(await leftToDo(side, found)), ...kept];
}

async function find(side: Side, reference: string): Promise<Found[]> {
  const sent = await side.rows('outgoing', 'id', reference);
  const rows = sent.length > 0 ? sent : await side.rows('outgoing', 'message_id', reference);
  const received = sent.length > 0 ? [] : await side.rows('incoming', 'message_id', reference);
  return [
    ...rows.map((row): Found => ({ direction: 'out', row, message: outgoingOf(parseOutgoing(row), '', null) })),
    ...received.map((row): Found => ({ direction: 'in', row, message: incomingOf(parseIncoming(row), '', null) })),
  ];
}

/** Why it is not over, and what erasing it then means; undefined where it is. */
function whyOpen({ message }: Found): string | undefined {
  if (!('id' in message)) {
    if (message.state === 'done') return undefined;
    return `Received message ${message.messageId} is ${message.state}: the flow has not finished with it, and would never get it.`;
  }
  const { id, state } = message;
  if (STOPPED.has(state)) {
    const reached =
      state === 'sending' || state === 'unknown'
        ? 'MESH may have it, and it cannot be sent again'
        : 'It would never be sent';
    return `Message ${id} is ${state}. ${reached}.`;
  }
  if (!OVER.has(state)) return `Message ${id} is ${state}: nobody has collected it, and it could not be sent again.`;
  if (message.infrastructure === 'awaited' || message.business === 'awaited') {
    return `Message ${id} still awaits an answer: after a negative one it could not be sent again.`;
  }
  return undefined;
}

/** Before anything is changed: what cannot be found cannot be erased. */
async function requirePlace(side: Side, names: readonly string[], spool: string | undefined): Promise<void> {
  if (spool !== undefined) return;
  for (const name of names) {
    if (await side.slices?.has(name)) continue;
    throw new ConfigurationError('Its payload is a file of the spool folder, and it is not said where that is.', {
      advice: 'Add --spool with the folder that all Node-REDs share.',
    });
  }
}

function changes(found: Found, by: string, { now, force }: Erasure): Change[] {
  const { direction, row, message } = found;
  const table = direction === 'out' ? 'outgoing' : 'incoming';
  const seq = Number(row['seq']);
  const set: Row = { payload_kind: null, payload_name: null, payload_file: null };
  Object.assign(set, 'id' in message ? withoutNamesSent(message, now) : withoutNamesReceived(message, now));
  const columns = Object.keys(set);
  const line: Row = {
    time: now,
    mailbox: row['mailbox'] ?? 0,
    direction,
    reference: 'id' in message ? message.id : message.messageId,
    message_id: message.messageId,
    event: 'erased',
    detail: JSON.stringify({ user: by, state: message.state, forced: force && whyOpen(found) !== undefined }),
  };
  return [
    { sql: `DELETE FROM ${table}_payload WHERE seq = ?`, values: [seq] },
    {
      sql: `UPDATE ${table} SET ${columns.map((name) => `${name} = ?`).join(', ')} WHERE seq = ?`,
      values: [...Object.values(set), seq],
    },
    {
      sql: `INSERT INTO ledger (${Object.keys(line).join(', ')}) VALUES (${Object.keys(line)
        .map(() => '?')
        .join(', ')})`,
      values: Object.values(line),
    },
  ];
}

/** Ids, states and times stay; a recipient only where it is a mailbox, not a patient's address. Nothing is left to be sent. */
function withoutNamesSent(message: Outgoing, now: number): Row {
  const { to, workflowId, contentType, answering } = message.envelope;
  const isMailbox = typeof to === 'string' && /^[A-Za-z0-9]+$/.test(to);
  const envelope = { to: isMailbox ? to : '', workflowId, contentType, localId: message.id, answering };
  return {
    envelope: JSON.stringify(envelope),
    local_id: message.id,
    once_key: null,
    lane: 'erased',
    error: withoutDescription(message.error),
    ...(STOPPED.has(message.state) ? { state: 'closed', settled_at: now, next_track_at: null, collect_by: null } : {}),
  };
}

/** Of the headers what names nobody: ids, kinds and codes. */
const KEPT_HEADERS = new Set([
  'mailboxId',
  'messageId',
  'messageType',
  'from',
  'to',
  'workflowId',
  'totalChunks',
  'linkedMessageId',
  'statusCode',
  'statusEvent',
  'statusSuccess',
  'statusTimestamp',
]);

function withoutNamesReceived(message: Incoming, now: number): Row {
  const headers = Object.fromEntries(Object.entries(message.headers).filter(([name]) => KEPT_HEADERS.has(name)));
  return {
    headers: JSON.stringify(headers),
    // Of a short text it could be guessed back.
    sha256: '',
    error: withoutDescription(message.error),
    ...(message.state === 'done' ? {} : { state: 'done', settled_at: now, lease_until: null }),
  };
}

/** MESH's own words may repeat what was sent. */
function withoutDescription(error: Outgoing['error']): string | null {
  if (error === null) return null;
  const { description: _description, ...rest } = error;
  return JSON.stringify(rest);
}

/** Gives a sentence for what another message needs still. */
async function removePayloads(side: Side, names: readonly string[], spool: string | undefined): Promise<string[]> {
  const kept: string[] = [];
  for (const name of names) {
    const others = [
      ...(await side.rows('outgoing', 'payload_name', name)),
      ...(await side.rows('incoming', 'payload_name', name)),
    ];
    if (others.length > 0) {
      kept.push('Its large payload is that of another message too, and is kept for it: erase that one as well.');
      continue;
    }
    await side.slices?.remove([name]);
    if (spool !== undefined) await rm(join(spool, name), { force: true });
  }
  return kept;
}

function told({ direction, message }: Found): string {
  const what =
    direction === 'out' && 'id' in message ? `Sent message ${message.id}` : `Received message ${message.messageId}`;
  return `${what}: payload and names erased; ids, times and codes are kept, and the ledger says so.`;
}

async function leftToDo(side: Side, found: readonly Found[]): Promise<string[]> {
  const left: string[] = [];
  for (const { row, message } of found) {
    if (row['payload_kind'] === 'file') left.push('It was sent from a file of yours: erase that yourself.');
    if (!('id' in message)) continue;
    const repeats = await side.rows('outgoing', 'resend_of', message.id);
    const related = [...(message.resendOf === null ? [] : [message.resendOf]), ...repeats.map(({ id }) => String(id))];
    for (const id of related) left.push(`Message ${id} has the same content (one repeats the other): erase it too.`);
  }
  return left;
}
