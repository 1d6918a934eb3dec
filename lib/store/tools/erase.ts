/**
 * Erases one message on request (UK GDPR, article 17): its payload and every name in its row. Ids, workflow, size,
 * times, states and codes stay, as the record of an incident needs them; so does the ledger, which never had a name,
 * with one more line. No Node-RED uses the store meanwhile.
 */
import { basename, dirname } from 'node:path';
import { rm } from '../../files';
import { ConfigurationError, InvalidMessageError, NotFoundError, StorageError } from '../../errors';
import { FINAL, PENDING, RESPONSE_MISSING } from '../../message-states';
import { withoutPath } from '../../payload/file-error';
import { syncFolder } from '../../payload/file-sink';
import { quarantinedPaths, quarantineOf, spooledPaths } from '../../payload/quarantine';
import { fileSourceAt, statFile } from '../../payload/source';
import { readMark } from '../../payload/spool-mark';
import { incomingOf, parseIncoming } from '../rows/incoming';
import { outgoingOf, parseOutgoing } from '../rows/outgoing';
import type { Row } from '../rows/parse';
import { COPYING } from '../rules/schema-version';
import type { Incoming, Outgoing } from '../store';
import { digest } from './copy-payloads';
import { type Change, type Side } from './side';

/** A request to erase a message. */
export interface Erasure {
  /** Our id of what was sent, or MESH's message id. */
  reference: string;
  /** Who requests it: a name or case number of the organisation, not of the patient. At most 100 characters. */
  by: string;
  /** Erases a message that has not ended, too. */
  force: boolean;
  /** Milliseconds since 1970. */
  now: number;
  /** A folder of large payloads beside those that the store has recorded itself: its path may have changed. */
  spool: string | undefined;
}

/** A row of the message, as it was. */
interface Found {
  direction: 'out' | 'in';
  row: Row;
  message: Outgoing | Incoming;
}

/**
 * Erases every row of the message: one that was sent and received here has two. Returns a sentence for each thing done,
 * and for each that is left to do by hand. The payload first: a run that is interrupted is repeated, and finds the row.
 * @throws NotFoundError when the store has no such message; InvalidMessageError when it has not ended, without `force`;
 *   ConfigurationError when the request is incomplete, or its payload may be in a folder that cannot be reached (nothing
 *   was erased); StorageError when its payload cannot be deleted (the row is kept), or the store fails (repeat it)
 */
export async function eraseMessage(side: Side, erasure: Erasure): Promise<string[]> {
  const by = erasure.by.replaceAll(/\p{Cc}/gu, ' ').trim();
  if (by === '' || by.length > 100) throw new ConfigurationError('Who requests it (--by) is missing or too long.');
  if (side.marked === COPYING) throw new ConfigurationError('A copy to this store was interrupted. Run it to its end.');
  const found = await find(side, erasure.reference);
  if (found.length === 0) {
    throw new NotFoundError('The store has no message with this id.', {
      advice: 'Give our id of a sent message, or MESH’s message id, complete, as the sidebar and the ledger show them.',
    });
  }
  const open = found.filter((each) => whyNotEnded(each) !== undefined);
  if (open.length > 0 && !erasure.force) {
    throw new InvalidMessageError(`Nothing was erased. ${open.map(whyNotEnded).join(' ')}`, {
      advice: 'Wait for its end, or end it by hand first. Or add --force, with the consequences named above.',
    });
  }
  const payloads = await locatePayloads(side, found, erasure.spool);
  for (const payload of payloads) await removePayload(side, payload);
  try {
    await side.changeBatch(found.flatMap((each) => changes(each, by, erasure)));
    await side.scrub();
  } catch (cause) {
    throw new StorageError('The store failed while the message was erased: only a part of it may be gone.', {
      cause,
      advice: 'Run this again: it goes on with what is left.',
    });
  }
  return [
    ...found.map(erasedLine),
    ...(await leftToDo(side, found)),
    ...payloads.flatMap(payloadLines),
    ...(await quarantineLines(side, erasure.spool)),
  ];
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

/** Returns why a message has not ended, and what erasing it would mean; undefined if it has ended. */
function whyNotEnded({ message }: Found): string | undefined {
  if (!('id' in message)) {
    if (message.state === 'done') return undefined;
    const { messageId, state } = message;
    return `Received message ${messageId} is ${state}: the flow has not finished with it, and would never receive it.`;
  }
  const { id, state } = message;
  if (PENDING.includes(state)) {
    const reached = RESPONSE_MISSING.includes(state)
      ? 'MESH may have it, and it cannot be sent again'
      : 'It would never be sent';
    return `Message ${id} is ${state}. ${reached}.`;
  }
  if (!FINAL.includes(state)) return `Message ${id} is ${state}: it is not collected yet, and could not be sent again.`;
  if (message.infrastructure === 'awaited' || message.business === 'awaited') {
    return `Message ${id} awaits an acknowledgement: after a negative one it could not be sent again.`;
  }
  return undefined;
}

/** Returns the folders that may have large payloads of the store: those that it has recorded, and the one that is named. */
async function spoolFolders(side: Side, spool: string | undefined): Promise<Set<string>> {
  return new Set([...(await side.spoolFolders()), ...(spool === undefined ? [] : [spool])]);
}

/** A large payload of the message, and where it is. */
interface LargePayload {
  name: string;
  /** True if another message needs it: it is kept. */
  isShared: boolean;
  /** Its files, in the folders that were reached: payload, compressed bodies, and copies that no row names. */
  paths: string[];
  inDatabase: boolean;
  /** Folders that have had payloads of this store, and cannot be reached. */
  unreached: string[];
}

/**
 * Finds the large payloads, before anything is changed.
 * @throws ConfigurationError when one may be in a folder that cannot be reached
 */
async function locatePayloads(side: Side, found: readonly Found[], spool: string | undefined): Promise<LargePayload[]> {
  const names = new Set(
    found.flatMap(({ row }) => (row['payload_kind'] === 'spool' ? [String(row['payload_name'])] : [])),
  );
  const folders = await spoolFolders(side, spool);
  const unreached: string[] = [];
  const files: string[] = [];
  for (const folder of folders) {
    try {
      files.push(...(await spooledPaths(folder, () => true)));
      if ((await readMark(folder)) !== side.identity) unreached.push(folder);
    } catch {
      unreached.push(folder);
    }
  }
  const payloads: LargePayload[] = [];
  for (const name of names) {
    const own = files.filter((path) => isOf(name, basename(path)));
    const original = own.find((path) => basename(path) === name);
    const copies = original === undefined ? [] : await unnamedCopies(side, original, files);
    const paths = [...own, ...copies];
    const inDatabase = (await side.slices?.has(name)) ?? false;
    if (paths.length === 0 && !inDatabase && (unreached.length > 0 || folders.size === 0)) {
      const where = unreached.length > 0 ? unreached.join(', ') : 'a folder that the store does not know';
      throw new ConfigurationError(
        `Nothing was erased. The payload is the file ${name}, in ${where}, which was not reached.`,
        {
          advice:
            'Run this where that folder can be read (mount its volume), or add --spool with its path here. ' +
            'The folder has the mark mesh-spool.json in it.',
        },
      );
    }
    payloads.push({ name, isShared: await isNeeded(side, name, found), paths, inDatabase, unreached });
  }
  // The payload of a message sent has its id. A store that forgot the message once (a backup was put back) has left it in
  // quarantine, and its row names none any more.
  for (const { message } of found) {
    if (!('id' in message) || names.has(message.id)) continue;
    const paths = files.filter((path) => isOf(message.id, basename(path)));
    const inDatabase = (await side.slices?.has(message.id)) ?? false;
    if (paths.length > 0 || inDatabase)
      payloads.push({ name: message.id, isShared: false, paths, inDatabase, unreached });
  }
  return payloads;
}

/**
 * Returns the files with the same content as a payload that no row names: a kill between a download and the commit of
 * its row leaves one, which waits in quarantine.
 */
async function unnamedCopies(side: Side, original: string, files: readonly string[]): Promise<string[]> {
  const { size } = await statFile(original);
  let expected: string | undefined;
  const copies: string[] = [];
  for (const path of files) {
    if (path === original || (await statFile(path)).size !== size) continue;
    if (await isNeeded(side, basename(path), [])) continue;
    expected ??= await contentOf(original);
    if ((await contentOf(path)) === expected) copies.push(path);
  }
  return copies;
}

/** Returns the SHA-256 of a file. */
async function contentOf(path: string): Promise<string> {
  const stamp = await statFile(path);
  return digest(fileSourceAt(path, stamp).open(0, stamp.size, 'reuse'));
}

/** Whether a file is a payload, or made from it. */
function isOf(name: string, file: string): boolean {
  return file === name || file.startsWith(`${name}.`);
}

/** Whether a message that is not erased has the payload too. */
async function isNeeded(side: Side, name: string, found: readonly Found[]): Promise<boolean> {
  const erased = found.filter(({ row }) => row['payload_name'] === name).length;
  const users = [
    ...(await side.rows('outgoing', 'payload_name', name)),
    ...(await side.rows('incoming', 'payload_name', name)),
  ];
  return users.length > erased;
}

/** @throws StorageError when a file cannot be deleted */
async function removePayload(side: Side, { name, isShared, paths, inDatabase }: LargePayload): Promise<void> {
  if (isShared) return;
  if (inDatabase) await side.slices?.remove([name]);
  for (const path of paths) {
    try {
      await rm(path, { force: true });
      await syncFolder(dirname(path));
    } catch (error) {
      const cause = withoutPath(error);
      throw new StorageError(
        `The payload could not be erased (${cause.code}): ${path}. The message was left as it is.`,
        {
          cause,
          advice: 'Allow this user to delete in the folder, and run this again.',
        },
      );
    }
  }
}

/** Returns a sentence for what is left to do about a large payload. */
function payloadLines({ name, isShared, paths, inDatabase, unreached }: LargePayload): string[] {
  if (isShared)
    return ['Its large payload belongs to another message too, and is kept for it: erase that one as well.'];
  if (paths.length === 0 && !inDatabase)
    return [`Its large payload (${name}) was not in the store’s folders any more.`];
  return unreached.map((folder) => `Not reached: ${folder}. If there is a copy of the payload, delete ${name} in it.`);
}

/** Returns the change of a row's columns; none without columns. */
function updates(table: string, seq: number, set: Row): Change[] {
  const columns = Object.keys(set);
  if (columns.length === 0) return [];
  const sql = `UPDATE ${table} SET ${columns.map((name) => `${name} = ?`).join(', ')} WHERE seq = ?`;
  return [{ sql, values: [...Object.values(set), seq] }];
}

function changes(found: Found, by: string, { now, force }: Erasure): Change[] {
  const { direction, row, message } = found;
  const table = direction === 'out' ? 'outgoing' : 'incoming';
  const seq = Number(row['seq']);
  const set: Row = { payload_kind: null, payload_name: null, payload_file: null, payload_digest: null };
  Object.assign(set, 'id' in message ? withoutNamesSent(message) : withoutNamesReceived(message, now));
  const line: Row = {
    time: now,
    mailbox: row['mailbox'] ?? 0,
    direction,
    reference: 'id' in message ? message.id : message.messageId,
    message_id: message.messageId,
    event: 'erased',
    detail: JSON.stringify({ user: by, state: message.state, forced: force && whyNotEnded(found) !== undefined }),
  };
  return [
    { sql: `DELETE FROM ${table}_payload WHERE seq = ?`, values: [seq] },
    // Before its lane is gone: messages in strict order behind it go on.
    ...('id' in message ? updates(table, seq, closing(message, now)) : []),
    ...updates(table, seq, set),
    {
      sql: `INSERT INTO ledger (${Object.keys(line).join(', ')}) VALUES (${Object.keys(line)
        .map(() => '?')
        .join(', ')})`,
      values: Object.values(line),
    },
  ];
}

/**
 * Returns the columns of a sent message without names: ids, states and times stay, the recipient only if it is a
 * mailbox and not a patient's address.
 */
function withoutNamesSent(message: Outgoing): Row {
  const { to, workflowId, contentType, acknowledgementOf } = message.envelope;
  const isMailbox = typeof to === 'string' && /^[A-Za-z0-9]+$/.test(to);
  const envelope = { to: isMailbox ? to : '', workflowId, contentType, localId: message.id, acknowledgementOf };
  return {
    envelope: JSON.stringify(envelope),
    local_id: message.id,
    once_key: null,
    // A short text could be guessed from it.
    once_digest: null,
    lane: 'erased',
    error: withoutDescription(message.error),
  };
}

/** Returns the columns that close a sent message which is pending: none for any other. */
function closing(message: Outgoing, now: number): Row {
  if (!PENDING.includes(message.state)) return {};
  return { state: 'closed', settled_at: now, next_track_at: null, collect_by: null };
}

/** Headers that name no person: ids, kinds and codes. */
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
    // A short text could be guessed from it.
    sha256: '',
    error: withoutDescription(message.error),
    ...(message.state === 'done' ? {} : { state: 'done', settled_at: now, lease_until: null }),
  };
}

/** Removes MESH's own words, which may repeat what was sent. */
function withoutDescription(error: Outgoing['error']): string | null {
  if (error === null) return null;
  const { description: _description, ...rest } = error;
  return JSON.stringify(rest);
}

function erasedLine({ direction, message }: Found): string {
  const what =
    direction === 'out' && 'id' in message ? `Sent message ${message.id}` : `Received message ${message.messageId}`;
  return `${what}: payload and names erased; ids, times and codes are kept, and the ledger records it.`;
}

async function leftToDo(side: Side, found: readonly Found[]): Promise<string[]> {
  const left: string[] = [];
  for (const { row, message } of found) {
    if (row['payload_kind'] === 'file') left.push('It was sent from a file of yours: erase that file yourself.');
    if (!('id' in message)) continue;
    const repeats = await side.rows('outgoing', 'resend_of', message.id);
    const related = [...(message.resendOf === null ? [] : [message.resendOf]), ...repeats.map(({ id }) => String(id))];
    for (const id of related) left.push(`Message ${id} has the same content (one repeats the other): erase it too.`);
  }
  return left;
}

/** Returns a sentence for each quarantine with files: which message an incomplete one was of, nothing says any more. */
async function quarantineLines(side: Side, spool: string | undefined): Promise<string[]> {
  const lines: string[] = [];
  for (const folder of await spoolFolders(side, spool)) {
    const count = (await quarantinedPaths(folder).catch(() => [])).length;
    if (count === 0) continue;
    lines.push(
      `In ${quarantineOf(folder)} are files that no message names (${count}), deleted after seven days. A damaged or ` +
        'incomplete copy of the payload may be among them: delete them, if it may not wait.',
    );
  }
  return lines;
}
