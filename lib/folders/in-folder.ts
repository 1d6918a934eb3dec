/**
 * The in folder of a mailbox, as the MESH Client fills it: `<messageId>.dat` and then `<messageId>.ctl`; of a REPORT the
 * `.ctl` alone. Each message is handed over once, whatever happens between that and its acknowledgement: the one rename
 * that hands it over is what a restart looks for.
 */
import { copyFile, mkdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { MessageHeaders } from '../types';
import { writeControlFile, type ControlFields, type StatusRecord } from './control-file';
import { clientFolders, folderNames, isThere, moveFile, onDisk, removeFolder, writeWhole } from './files';
import { renameWithRetry } from '../payload/rename-with-retry';
import { notADevice } from '../payload/safe-file-name';

/** A received message: its headers, and for data its payload, in memory or in a file that is moved away. */
export interface Incoming {
  message: MessageHeaders;
  payload?: Uint8Array | { file: string };
}

const CONTROL = 'control';
/** What was handed over is remembered for so long (milliseconds): a message is delivered again for days at most. */
const REMEMBER_MS = 31 * 24 * 60 * 60 * 1000;
const FORGET_EVERY_MS = 24 * 60 * 60 * 1000;

export class InFolder {
  readonly #root: string;
  #forgottenAt = -Infinity;

  /** `root` has the folders `in` and `temp`; they are made where they are not there. */
  constructor(root: string) {
    this.#root = resolve(root);
  }

  /** Hands a message over. `isNew` is false for one that was handed over before. Throws StorageError. */
  write({ message, payload }: Incoming): Promise<{ isNew: boolean }> {
    return onDisk(async () => {
      const folders = await clientFolders(this.#root);
      const name = safeId(message.messageId);
      const marks = join(folders.temp, 'in');
      await this.#forget(marks);
      const mark = join(marks, name);
      // Begun and not handed over has its control file in it; handed over has not.
      const isBegun = await isThere(mark);
      const isHandedOver = isBegun && !(await isThere(join(mark, CONTROL)));
      if (isHandedOver) return { isNew: false };
      if (payload !== undefined)
        await place(payload, join(folders.temp, `${name}.dat.part`), join(folders.in, `${name}.dat`));
      if (!isBegun) await begin(mark, writeControlFile(...controlOf(message)));
      await moveFile(join(mark, CONTROL), join(folders.in, `${name}.ctl`));
      return { isNew: true };
    });
  }

  async #forget(marks: string): Promise<void> {
    const now = Date.now();
    if (now - this.#forgottenAt < FORGET_EVERY_MS) return;
    this.#forgottenAt = now;
    for (const name of await folderNames(marks)) {
      // Gone meanwhile: a message that is handed over beside this one has its mark renamed.
      const found = await stat(join(marks, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
      if (found && found.mtimeMs < now - REMEMBER_MS) await removeFolder(join(marks, name));
    }
  }
}

/** The mark appears together with the control file in it. */
async function begin(mark: string, control: string): Promise<void> {
  const beginning = `${mark}.part`;
  await removeFolder(beginning);
  await mkdir(beginning, { recursive: true });
  await writeWhole(join(beginning, CONTROL), control);
  await moveFile(beginning, mark);
}

/** The whole payload under its name, or nothing. A file is moved; over the bounds of a file system, copied. */
async function place(payload: Uint8Array | { file: string }, temporary: string, target: string): Promise<void> {
  if (payload instanceof Uint8Array) {
    await writeWhole(temporary, payload);
  } else {
    await renameWithRetry(payload.file, temporary).catch(async (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
      await copyFile(payload.file, temporary);
    });
  }
  await moveFile(temporary, target);
}

/** The client's own order. What MESH does not say is there, and empty. */
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
    // Of a report: the message that failed, as it stands in the .ctl in `sent`.
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

/** MESH's ids are letters, digits and underscores. Never a path or a device, whatever was sent. */
function safeId(messageId: string): string {
  const id = basename(messageId)
    .replaceAll(/[^\w-]/g, '_')
    .slice(0, 100);
  return notADevice(id || '_');
}
