/**
 * Erases one message on request (UK GDPR, article 17): its payload and every name in its row. Ids, workflow, size,
 * times, states and codes stay, as the record of an incident needs them; so does the ledger, which never had a name,
 * with one more line. No Node-RED uses the store meanwhile.
 */
import { basename, dirname } from 'node:path';
import { ConfigurationError, InvalidMessageError, NotFoundError, StorageError } from '../../errors';
import { FINAL, PENDING, RESPONSE_MISSING } from '../../message-states';
import { withoutPath } from '../../payload/file-error';
import { spooledPaths } from '../../payload/quarantine';
import { readMark } from '../../payload/spool-mark';
import { messageTag, payloadPrefixes, tagOf } from '../../payload/spool-names';
import { INLINE_BYTES } from '../../payload/stored-payload';
import { incomingOf, parseIncoming } from '../rows/incoming';
import { outgoingOf, parseOutgoing } from '../rows/outgoing';
import type { Row } from '../rows/parse';
import { COPYING } from '../rules/schema-version';
import type { Incoming, Outgoing, SpoolFolder, StageState } from '../store';
import { type Change, type Side } from './side';
import { removeWithRetry } from '../../payload/rename-with-retry';
import { syncFolder } from '../../payload/sync-folder';

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
  const files = await locateFiles(side, found, erasure.spool);
  for (const each of files) await removeFiles(side, each);
  try {
    await side.changeBatch(found.flatMap((each) => changes(each, by, erasure)));
    await side.scrub();
  } catch (cause) {
    throw new StorageError('The store failed while the message was erased: only a part of it may be gone.', {
      cause,
      advice: 'Run this again: it goes on with what is left.',
    });
  }
  return [...found.map(erasedLine), ...(await leftToDo(side, found)), ...files.flatMap(fileLines)];
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
  if (message.replies === 'awaited') {
    return `Message ${id} awaits a reply, which could not be matched to it any more.`;
  }
  return undefined;
}

/** The files of a message, and its large payloads in the database. */
interface MessageFiles {
  /** In the folders that were reached: payload, copies that no row names, compressed bodies, partial downloads. */
  paths: string[];
  /** Names of payloads in the database. */
  slices: string[];
  /** True if another message has its payload too: that one is kept. */
  isShared: boolean;
  /** Its payload's name, if it has a large one of its own. */
  name: string | undefined;
  /** True if that is in none of the folders and not in the database. */
  isMissing: boolean;
  /** The folders that were not reached and may have files of it, and what their names have in them. */
  unreached: string[];
  tag: string;
}

/**
 * Finds the files of each message, before anything is changed: by the tag in their names, without reading them.
 * @throws ConfigurationError when a payload may be in a folder that cannot be reached
 */
async function locateFiles(side: Side, found: readonly Found[], spool: string | undefined): Promise<MessageFiles[]> {
  const { paths: all, unreached, hasPayloadFolder } = await reachFolders(side, spool);
  const key = await side.spoolKey();
  const located: MessageFiles[] = [];
  for (const { row, message } of found) {
    const [mailbox] = await side.rows('mailbox', 'id', String(row['mailbox']));
    const tag = messageTag(key, String(mailbox?.['key']), 'id' in message ? message.id : message.messageId);
    const name = row['payload_kind'] === 'spool' ? String(row['payload_name']) : undefined;
    // A payload that another message had first has that message's tag.
    const tags = new Set([tag, name === undefined ? tag : (tagOf(name) ?? tag)]);
    const paths = all.filter((path) => tags.has(tagOf(basename(path)) ?? ''));
    const slices = await slicesOf(side, tags);
    const names = new Set([...paths.map((path) => basename(path)), ...slices]);
    const needed = new Set<string>();
    for (const each of names) if (await isNeeded(side, each, found)) needed.add(each);
    const payloadFolders = unreached.filter(({ hasPayloads }) => hasPayloads).map(({ path }) => path);
    const isMissing = name !== undefined && !names.has(name);
    if (isMissing && (payloadFolders.length > 0 || !hasPayloadFolder)) throw notReached(name, payloadFolders);
    located.push({
      paths: paths.filter((path) => !needed.has(basename(path))),
      slices: slices.filter((each) => !needed.has(each)),
      isShared: needed.size > 0,
      name,
      isMissing,
      // A small message is never in a file.
      unreached: message.size > INLINE_BYTES ? unreached.map(({ path }) => path) : [],
      tag,
    });
  }
  return located;
}

/** The store's folders, as far as they can be reached from here. */
interface Reached {
  /** Every file of ours in them and in their quarantines. */
  paths: string[];
  unreached: SpoolFolder[];
  /** Whether any folder is known that may have payloads. */
  hasPayloadFolder: boolean;
}

async function reachFolders(side: Side, spool: string | undefined): Promise<Reached> {
  const folders = new Map((await side.spoolFolders()).map((folder) => [folder.path, folder]));
  if (spool !== undefined) folders.set(spool, { path: spool, hasPayloads: true });
  const paths: string[] = [];
  const unreached: SpoolFolder[] = [];
  for (const folder of folders.values()) {
    try {
      paths.push(...(await spooledPaths(folder.path, () => true)));
      if ((await readMark(folder.path)) !== side.identity) unreached.push(folder);
    } catch {
      unreached.push(folder);
    }
  }
  return { paths, unreached, hasPayloadFolder: [...folders.values()].some(({ hasPayloads }) => hasPayloads) };
}

function notReached(name: string, folders: readonly string[]): ConfigurationError {
  const where = folders.length > 0 ? folders.join(', ') : 'a folder that the store does not know';
  return new ConfigurationError(
    `Nothing was erased. The payload is the file ${name}, in ${where}, which was not reached.`,
    {
      advice:
        'Run this where that folder can be read (mount its volume), or add --spool with its path here. ' +
        'The folder has the mark mesh-spool.json in it.',
    },
  );
}

/** Returns the names of the payloads in the database that have one of the tags. */
async function slicesOf(side: Side, tags: ReadonlySet<string>): Promise<string[]> {
  const names: string[] = [];
  for (const prefix of [...tags].flatMap(payloadPrefixes)) {
    names.push(...((await side.slices?.beginningWith(prefix)) ?? []));
  }
  return names;
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

/**
 * Deletes the copies before the payload that the row names, so that a run which ends half-way finds that again.
 * @throws StorageError when a file cannot be deleted
 */
async function removeFiles(side: Side, { paths, slices, name }: MessageFiles): Promise<void> {
  for (const path of paths.toSorted(
    (one, other) => Number(basename(one) === name) - Number(basename(other) === name),
  )) {
    try {
      await removeWithRetry(path);
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
  await side.slices?.remove(slices);
}

/** Returns a sentence for each thing that is left to do about a message's files. */
function fileLines({ isShared, name, isMissing, unreached, tag }: MessageFiles): string[] {
  const lines = unreached.map(
    (folder) =>
      `Not reached: ${folder}. Delete the files there, and in its quarantine, that have ${tag} in their names.`,
  );
  if (isShared) {
    lines.push('Its large payload belongs to another message too, and is kept for it: erase that one as well.');
  }
  if (isMissing) lines.push(`Its large payload (${name}) was not in the store’s folders any more.`);
  return lines;
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
    // What replies may name it by; a short name could be guessed from its digest.
    reply_keys: null,
    stages: message.stages && JSON.stringify(message.stages.map(withoutReplies)),
    replies_revision: message.repliesRevision + 1,
  };
}

const withoutReplies = (stage: StageState): StageState => ({ ...stage, replies: [] });

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
    // A reply's has the names by which it was matched.
    ...(message.classification?.['kind'] === 'reply' ? { classification: null } : {}),
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
