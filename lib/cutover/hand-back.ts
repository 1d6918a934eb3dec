/**
 * Hands a workflow back to a MESH Client: what is queued here and has not begun is written into the client's `out` as
 * pairs, each once. For each message: its intent is committed, so that it is never sent from here; its pair is handed
 * over by one rename (lib/folders/hand-over.ts), under a name made of its id; its end is committed. A kill at any point
 * is completed by the next run. What MESH may have, or has in part, is listed and left for a person.
 */
import { join } from 'node:path';
import type { Clock } from '../clock';
import { ConfigurationError, PayloadError } from '../errors';
import { rm, rmdir } from '../files';
import { clientFolders, onDisk } from '../folders/files';
import { handOver } from '../folders/hand-over';
import { controlOf } from '../folders/pair-message';
import { writeControlFile } from '../folders/control-file';
import { PENDING } from '../message-states';
import type { Spool } from '../payload/spool';
import { openStored } from '../payload/stored-payload';
import { workflowMatcher } from '../protocol/workflow-filter';
import { HANDED_BACK, isHandedBack } from '../send/handed-back';
import type { Envelope } from '../send/outbox-types';
import type { Outgoing, OutgoingTransition, Store, StoredError } from '../store/store';
import { clientFolder } from './client-folder';

/** What handing back needs of a mailbox. */
export interface HandBackParts {
  store: Store;
  spool: Spool;
  clock: Clock;
  /** Key of the mailbox in the store. */
  mailbox: string;
  mailboxId: string;
}

/** A message that was not handed back. */
interface Listed {
  id: string;
  workflowId: string;
  state: string;
  why: string;
}

export interface HandedBack {
  /** Messages that this run has handed to the client. */
  handedBack: number;
  /** Those of them that an earlier run had begun. */
  completed: number;
  /** What a person has to decide about. */
  listed: Listed[];
}

/** Messages whose intents, and whose ends, share a commit. */
const BATCH = 50;

const INTENT: StoredError = {
  code: HANDED_BACK,
  message: 'The message is being handed back to another client, which sends it.',
  advice: 'If it stays so, run nhs-mesh handback again, which completes it.',
};
const DONE: StoredError = {
  code: HANDED_BACK,
  message: 'The message was handed back to another client, which sends it.',
  advice: 'What became of it is in that client’s folders.',
};

/**
 * Hands the messages of a workflow back.
 * @param root the mailbox's folder of the client, which contains `out`
 * @param workflow its id, or a pattern
 * @throws ConfigurationError when the folder has no `out`; StorageError when a folder or the store fails: then it is
 *   run again
 */
export async function handBack(parts: HandBackParts, root: string, workflow: string): Promise<HandedBack> {
  if ((await clientFolder(root, 'out')) === undefined) {
    throw new ConfigurationError(`There is no folder "out" in ${root}.`, {
      advice: 'Name the mailbox’s folder of the MESH Client, which contains in, out and sent.',
    });
  }
  const { store, mailbox } = parts;
  const fits = workflowMatcher(workflow);
  const result: HandedBack = { handedBack: 0, completed: 0, listed: [] };
  const begun: string[] = [];
  const queued: string[] = [];
  for await (const row of rowsOf(store, mailbox)) {
    // A run that was killed is completed whatever its workflow: its messages are neither here nor there.
    if (row.state === 'parked' && isHandedBack(row)) begun.push(row.id);
    else if (!fits(row.workflowId)) continue;
    else if (row.state === 'queued' && row.chunksSent === 0) queued.push(row.id);
    else result.listed.push(listed(row));
  }
  for (let at = 0; at < begun.length; at += BATCH) {
    const done = await handOverAll(parts, root, begun.slice(at, at + BATCH), result);
    result.completed += done;
    result.handedBack += done;
  }
  for (let at = 0; at < queued.length; at += BATCH) {
    const intended = await commitIntents(parts, queued.slice(at, at + BATCH), result);
    result.handedBack += await handOverAll(parts, root, intended, result);
  }
  await rmdir(await marksIn(root)).catch(() => undefined);
  return result;
}

/** Yields the pending messages of a mailbox in the store's order, without payloads. */
async function* rowsOf(store: Store, mailbox: string): AsyncGenerator<Outgoing> {
  let after = '';
  for (let more = true; more;) {
    const rows = await store.listOutgoing({ mailbox, states: PENDING }, { limit: 500, after });
    more = rows.length === 500;
    after = rows.at(-1)?.id ?? after;
    yield* rows;
  }
}

/** Takes the messages out of the sending, in one commit. Returns those for which that was done. */
async function commitIntents({ store, clock }: HandBackParts, ids: string[], result: HandedBack): Promise<string[]> {
  const note = { event: 'handing back', time: clock.now() };
  const change = { state: 'parked', error: INTENT } as const;
  const made = await store.changeBatch(ids.map((id): OutgoingTransition => ({ id, from: ['queued'], change, note })));
  const intended: string[] = [];
  for (const [n, id] of ids.entries()) {
    const row = await store.getOutgoing(id);
    // Its sender, on another instance, may have been faster, or have sent a part of it meanwhile.
    if (row && made[n] === true && row.chunksSent > 0) {
      const back = { state: 'queued', error: null } as const;
      const row = await store.changeOutgoing(id, ['parked'], back, { event: 'not handed back', time: clock.now() });
      if (row) result.listed.push(listed(row));
    } else if (row && made[n] === true) intended.push(id);
    else if (row) result.listed.push(listed(row));
  }
  return intended;
}

/** Hands the pairs over one after the other, then commits that they are. Returns how many. */
async function handOverAll(parts: HandBackParts, root: string, ids: string[], result: HandedBack): Promise<number> {
  const { store, clock, mailboxId, spool } = parts;
  const folders = await onDisk(() => clientFolders(root));
  const marks = await marksIn(root);
  const handedOver: string[] = [];
  for (const id of ids) {
    const row = await store.getOutgoing(id);
    if (!row) continue;
    try {
      if (!row.payload) throw new PayloadError(`The payload of message ${id} is not kept any more.`);
      const source = await openStored(row.payload, row.size, spool);
      const control = writeControlFile(controlOf(row.envelope as unknown as Envelope, mailboxId));
      const pair = { mark: join(marks, id), folder: folders.out, temp: folders.temp, name: id, control };
      await onDisk(() => handOver({ ...pair, payload: { pieces: source.open(0, source.size) } }));
      handedOver.push(id);
    } catch (error) {
      if (!(error instanceof PayloadError)) throw error;
      result.listed.push({ ...listed(row), why: error.message });
    }
  }
  const time = clock.now();
  const change = { state: 'closed', settledAt: time, nextTrackAt: null, error: DONE } as const;
  const note = { event: 'handed back', time };
  await store.changeBatch(handedOver.map((id): OutgoingTransition => ({ id, from: ['parked'], change, note })));
  // The rows are closed: no later run looks for their marks.
  for (const id of handedOver) await onDisk(() => rm(join(marks, id), { recursive: true, force: true }));
  return handedOver.length;
}

/** Returns the folder of the marks: on the file system of `out`, so that a rename hands a file over. */
async function marksIn(root: string): Promise<string> {
  return join((await onDisk(() => clientFolders(root))).temp, 'handback');
}

function listed({ id, workflowId, state, chunksSent }: Outgoing): Listed {
  const why =
    state === 'queued' && chunksSent > 0
      ? 'A part of it is with MESH: let it finish here, or drop it.'
      : state === 'unknown'
        ? 'MESH may have it: look it up, then resend or drop it here.'
        : state === 'parked'
          ? 'It needs a decision: resend or drop it here.'
          : 'It is being sent.';
  return { id, workflowId, state, why };
}
