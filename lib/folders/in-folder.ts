/**
 * The in folder of a mailbox, filled as the MESH Client does: `<messageId>.dat` and then `<messageId>.ctl`; for a
 * REPORT only the `.ctl`. Each message is handed over once, whatever happens before it is acknowledged: a single rename
 * hands it over, and a redelivery checks for that.
 */
import { basename, join, resolve } from 'node:path';
import { rmdir } from '../files';
import type { MessageHeaders } from '../types';
import { writeControlFile, type ControlFields, type StatusRecord } from './control-file';
import { clientFolders, folderNames, moveFile, onDisk, pathExists, removeOwn } from './files';
import { CONTROL, handOver } from './hand-over';
import { countedTime, MACHINE_CLOCKS, noteCountedTime, type CountingClocks } from '../payload/counted-time';
import { avoidDeviceName } from '../payload/safe-file-name';

/**
 * A message for the in folder: its headers, and for data its payload, in memory or in a file that is moved into the
 * folder.
 */
export interface InFolderMessage {
  message: MessageHeaders;
  payload?: Uint8Array | { file: string };
}

/**
 * For how long a handed-over message is remembered at least (milliseconds): redeliveries come within days. It is counted
 * while Node-RED runs, because a clock that was set must not make a message be handed over again. After this time the
 * marks become the older ones, and after as long again they are removed.
 */
const REMEMBER_MS = 31 * 24 * 60 * 60 * 1000;
const COUNT_EVERY_MS = 60 * 60 * 1000;
/** In `temp`: the marks, the older marks, and the note of the time for which there have been such marks. */
const MARKS = 'in';
const OLDER_MARKS = 'in.older';
const AGE_FILE = 'in.age.json';

export class InFolder {
  readonly #root: string;
  readonly #clocks: CountingClocks;
  /** The steady time up to which this process has counted. */
  #counted: number;

  /** `root` has the folders `in` and `temp`, which are created if needed. */
  constructor(root: string, clocks: CountingClocks = MACHINE_CLOCKS) {
    this.#root = resolve(root);
    this.#clocks = clocks;
    this.#counted = clocks.steady();
  }

  /**
   * Hands a message over. `isNew` is false if it was handed over before.
   * @throws StorageError
   */
  write({ message, payload }: InFolderMessage): Promise<{ isNew: boolean }> {
    return onDisk(async () => {
      const folders = await clientFolders(this.#root);
      const name = safeId(message.messageId);
      await this.#forget(folders.temp);
      const older = join(folders.temp, OLDER_MARKS, name);
      const mark = (await pathExists(older)) ? older : join(folders.temp, MARKS, name);
      const control = writeControlFile(...controlOf(message));
      const pair = { mark, folder: folders.in, temp: folders.temp, name, control };
      return { isNew: await handOver({ ...pair, ...(payload !== undefined && { payload }) }) };
    });
  }

  /** Counts the time since the last call; removes the older marks, and makes the others the older ones, when it is up. */
  async #forget(temp: string): Promise<void> {
    const elapsed = this.#clocks.steady() - this.#counted;
    if (elapsed < COUNT_EVERY_MS) return;
    this.#counted += elapsed;
    const note = join(temp, AGE_FILE);
    const ms = await countedTime(note, elapsed, this.#clocks.now());
    const isTimeUp = ms >= REMEMBER_MS && (await removeMarks(join(temp, OLDER_MARKS)));
    // If another process has done so at the same time, there are no marks to move.
    if (isTimeUp && (await pathExists(join(temp, MARKS)))) await moveFile(join(temp, MARKS), join(temp, OLDER_MARKS));
    await noteCountedTime(note, isTimeUp ? 0 : ms, this.#clocks.now());
  }
}

/** Removes marks and their folder. Returns whether it is gone: somebody else's files in it stay. */
async function removeMarks(marks: string): Promise<boolean> {
  for (const name of await folderNames(marks)) await removeOwn(join(marks, name), [CONTROL]);
  await rmdir(marks).catch(() => undefined);
  return !(await pathExists(marks));
}

/** Returns the control file's fields in the client's order, and its status. Fields that MESH does not set are empty. */
function controlOf(message: MessageHeaders): [ControlFields, StatusRecord] {
  const isReport = message.messageType === 'REPORT';
  const address = (mailboxId: string): string => (mailboxId === '' ? '' : `${mailboxId.toLowerCase()}@dts.nhs.uk`);
  const fields: ControlFields = {
    Version: '1.0',
    AddressType: 'ALL',
    MessageType: isReport ? 'Report' : 'Data',
    From_DTS: message.from,
    To_DTS: message.to || message.mailboxId,
    From_ESMTP: address(message.from),
    To_ESMTP: address(message.to || message.mailboxId),
    Subject: message.subject ?? '',
    LocalId: message.localId ?? '',
    // For a report: the message that failed, which is the id in its .ctl in `sent`.
    DTSId: (isReport ? message.linkedMessageId : undefined) ?? message.messageId,
    PartnerId: message.partnerId ?? '',
    Compress: 'N',
    Encrypted: message.encrypted ? 'Y' : 'N',
    WorkflowId: message.workflowId,
    ProcessId: '',
    DataChecksum: message.checksum ?? '',
    IsCompressed: message.compressed ? 'Y' : 'N',
  };
  const status = {
    time: message.statusTimestamp ?? new Date().toISOString(),
    event: message.statusEvent ?? 'TRANSFER',
    success: !isReport && message.statusSuccess !== false,
    code: message.statusCode ?? (isReport ? '' : '00'),
    description: message.statusDescription ?? (isReport ? '' : 'Transferred to recipient mailbox'),
  };
  return [fields, status];
}

/**
 * Makes an id safe as a file name. MESH's ids have letters, digits and underscores; no other id may become a path or a
 * device.
 */
function safeId(messageId: string): string {
  const id = basename(messageId)
    .replaceAll(/[^\w-]/g, '_')
    .slice(0, 100);
  return avoidDeviceName(id || '_');
}
