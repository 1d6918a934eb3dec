/**
 * Cuts a workflow over from a MESH Client: the pairs that wait in the client's `out` go into the outbox, each once, and
 * then into `taken`, a folder beside `out`. A pair is claimed by two renames (lib/folders/claims.ts); its claim is the
 * key under which its message is put into the outbox, so that a kill at any point is completed by the next run. The
 * client has to be stopped meanwhile: it may have opened a pair already, and would send it too.
 */
import { basename, join } from 'node:path';
import type { Clock } from '../clock';
import { ConfigurationError, InvalidMessageError, PayloadError } from '../errors';
import { mkdir } from '../files';
import { Claims, type Claim } from '../folders/claims';
import { readControlFile } from '../folders/control-file';
import { clientFolders, onDisk } from '../folders/files';
import { messageOfControl } from '../folders/pair-message';
import { workflowMatcher } from '../protocol/workflow-filter';
import type { Outbox } from '../send/outbox';
import { clientFolder, clientMessages, type ClientMessage, type NamedException } from './client-folder';

/** What cutting over needs of a mailbox. */
export interface CutOverParts {
  outbox: Outbox;
  mailboxId: string;
  clock: Clock;
}

export interface CutOver {
  /** Messages that this run has put into the outbox. */
  taken: number;
  /** Those of them that an earlier run had begun. */
  completed: number;
  /** Pairs of other workflows, which stay in `out`. */
  left: number;
  exceptions: NamedException[];
}

/** A younger pair may still be written to (milliseconds), as the client itself takes it. */
const SETTLED_MS = 1000;

/**
 * Takes the waiting pairs of a workflow.
 * @param root the mailbox's folder of the client, which contains `out`
 * @param workflow its id, or a pattern
 * @throws ConfigurationError when the folder has no `out`; StorageError or OutboxFullError: then it is run again
 */
export async function cutOver(parts: CutOverParts, root: string, workflow: string): Promise<CutOver> {
  if ((await clientFolder(root, 'out')) === undefined) {
    throw new ConfigurationError(`There is no folder "out" in ${root}.`, {
      advice: 'Name the mailbox’s folder of the MESH Client, which contains in, out and sent.',
    });
  }
  const claims = await claimsIn(root);
  const result: CutOver = { taken: 0, completed: 0, left: 0, exceptions: [] };
  const before = await claims.open();
  for (const { id, error } of before.stuck) result.exceptions.push({ name: id, why: (error as Error).message });
  for (const claim of before.claims) if (await takeOver(parts, claims, claim, result)) result.completed += 1;
  const fits = workflowMatcher(workflow);
  const { messages, exceptions } = await clientMessages(root, 'out');
  result.exceptions.push(...exceptions);
  for (const { dat, ctl, name, control, changedAt } of messages.toSorted(byTime)) {
    const except = (why: string): void => void result.exceptions.push({ name, why });
    const { WorkflowId: workflowId = '', From_DTS: from = '' } = control;
    if (!fits(workflowId)) result.left += 1;
    else if (dat === undefined) except('It has no .dat: it stays in out.');
    else if (from !== '' && from.toUpperCase() !== parts.mailboxId)
      except('It is of another mailbox: it stays in out.');
    else if (parts.clock.now() - changedAt < SETTLED_MS) except('It may still be written to: it stays in out.');
    else {
      const claim = await claims.take({ stem: name, dat: basename(dat), ctl });
      if (claim) await takeOver(parts, claims, claim, result);
      else except('Another program has it: it stays in out.');
    }
  }
  return result;
}

async function claimsIn(root: string): Promise<Claims> {
  const folders = await onDisk(() => clientFolders(root));
  const taken = join(root, 'taken');
  await onDisk(() => mkdir(taken, { recursive: true }));
  // Claims of mesh-folder-read, which may work on these folders later, are in another folder.
  return new Claims({ ...folders, sent: taken, temp: join(folders.temp, 'cutover') });
}

/** Puts a claimed pair into the outbox, unless that was done before, and moves it into `taken`. */
async function takeOver(
  { outbox, clock }: CutOverParts,
  claims: Claims,
  claim: Claim,
  result: CutOver,
): Promise<boolean> {
  const { id, file, control, stem } = claim;
  const ended = { time: new Date(clock.now()).toISOString(), event: 'CUTOVER' };
  try {
    if (!Buffer.isBuffer(control)) throw control;
    const fields = messageOfControl(readControlFile(control));
    const { message } = await outbox.enqueue(
      { ...fields, payload: { file } },
      {
        onceKey: `cutover ${id}`,
        copyFile: true,
        // Many systems give every message the same one: MESH is not asked by it.
        localIdIsShared: fields.localId !== undefined,
        requestedAcknowledgements: 'automatic',
      },
    );
    const description = `In the outbox as ${message.id}.`;
    await claims.settle(id, { folder: 'sent', status: { ...ended, success: true, code: '00', description } });
    result.taken += 1;
    return true;
  } catch (error) {
    if (!(error instanceof InvalidMessageError || error instanceof PayloadError)) throw error;
    await claims.settle(id, {
      folder: 'failed',
      status: { ...ended, success: false, code: '', description: error.message },
    });
    result.exceptions.push({ name: stem, why: `${error.message} The pair is in failed.` });
    return false;
  }
}

const byTime = (one: ClientMessage, other: ClientMessage): number =>
  one.changedAt - other.changedAt || (one.name < other.name ? -1 : 1);
