/**
 * Partial downloads, which continue at the first missing chunk, after a kill too. Each has two files in the spool
 * folder, named after the message (spool-names.ts). One has the bytes; the other, the note, says how many of them are
 * on the disk, in whole chunks, and with which SHA-256. The note is written after those bytes were synced, and is
 * replaced as a whole.
 */
import { basename, join } from 'node:path';
import { constants, copyFile, readdir, readFile, stat } from '../files';
import { machineNow } from '../clock';
import type { MessageHeaders } from '../types';
import { isNoteName, isPartName, noteName, tagOf } from './spool-names';
import { writeWholeFile } from './whole-file';
import { removeWithRetry, renameWithRetry } from './rename-with-retry';

/** The part of a Spool that partial files need. */
interface Place {
  tag(mailbox: string, id: string): string;
  path(name: string): string;
  sync(): Promise<void>;
  remove(names: Iterable<string>): Promise<void>;
  readonly inUse: Set<string>;
  readonly isShared: boolean;
}

/** A download that can be resumed. */
export interface PartialDownload {
  /** The headers of the first chunk. */
  message: MessageHeaders;
  /** Name of the file with the bytes. */
  data: string;
  chunks: number;
  bytes: number;
  sha256: string;
}

/**
 * MESH keeps a message for five days (docs/mesh.md, Expiry and retention); the rest of an older one is useless.
 */
const KEPT_MS = 5 * 24 * 60 * 60 * 1000;

/** The partial downloads of one mailbox. */
export class PartialFiles {
  readonly #place: Place;
  readonly #mailbox: string;
  /** Message ids that have a note: read once, so that most messages need no disk access. */
  #ids: Promise<Set<string>> | undefined;

  /** `mailbox`: its key in the store. */
  constructor(place: Place, mailbox: string) {
    this.#place = place;
    this.#mailbox = mailbox;
  }

  /** Returns the tag of a message, which is in the names of its files. A message id never becomes a path. */
  tag(messageId: string): string {
    return this.#place.tag(this.#mailbox, messageId);
  }

  /** Returns the partial download of a message; undefined if there is none, or this process is writing to it. */
  async find(messageId: string): Promise<PartialDownload | undefined> {
    if (!(await this.#noted()).has(messageId)) return undefined;
    const found = await readNote(this.#place.path(this.#name(messageId)));
    return found && !this.#place.inUse.has(found.data) ? found : undefined;
  }

  /** Makes the note durable. The bytes must be durable already. */
  async save(partial: PartialDownload): Promise<void> {
    const path = this.#place.path(this.#name(partial.message.messageId));
    const note = JSON.stringify({ ...partial, mailbox: this.#mailbox });
    await writeWholeFile(path, note, { suffix: '.new', mode: 0o600 });
    await this.#place.sync();
    (await this.#noted()).add(partial.message.messageId);
  }

  /**
   * Takes the bytes over under another name. Of two that resume the same download only one succeeds; returns false to
   * the other.
   */
  async claim(partial: PartialDownload, data: string): Promise<boolean> {
    const from = this.#place.path(partial.data);
    const to = this.#place.path(data);
    try {
      if (this.#place.isShared) await takeCopy(from, to);
      else await renameWithRetry(from, to);
    } catch {
      return false;
    }
    await this.save({ ...partial, data });
    return true;
  }

  /** Forgets which notes there are: another process may have written some. */
  refresh(): void {
    this.#ids = undefined;
  }

  /** Deletes the note of a message, and its bytes unless they are in use. */
  async remove(messageId: string): Promise<void> {
    const name = this.#name(messageId);
    const found = await readNote(this.#place.path(name));
    await this.#place.remove(found && !this.#place.inUse.has(found.data) ? [name, found.data] : [name]);
    (await this.#noted()).delete(messageId);
  }

  /**
   * Deletes the partial downloads of messages that are no longer in the inbox: collected by another system, or expired.
   */
  async keepOnly(isListed: (messageId: string) => boolean): Promise<void> {
    for (const messageId of await this.#noted()) if (!isListed(messageId)) await this.remove(messageId);
  }

  #noted(): Promise<Set<string>> {
    this.#ids ??= this.#readIds().catch((error: unknown) => {
      // A disk that fails once must not end every later download.
      this.#ids = undefined;
      throw error;
    });
    return this.#ids;
  }

  async #readIds(): Promise<Set<string>> {
    const notes = await notesIn(this.#place.path(''));
    return new Set(notes.filter(({ mailbox }) => mailbox === this.#mailbox).map(({ message }) => message.messageId));
  }

  #name(messageId: string): string {
    return noteName(this.tag(messageId));
  }
}

/** Returns the files of a spool folder that a restart must keep: notes of the last five days, and their bytes. */
export async function partialNames(folder: string): Promise<Set<string>> {
  const notes = await notesIn(folder);
  return new Set(notes.flatMap(({ name, data }) => [name, data]));
}

/**
 * Copies the bytes. The process that wrote the file may only be paused, and go on writing later: it keeps its open
 * file, and the copy is ours alone. A copy-on-write file system shares the bytes. The rename decides between two that
 * want them.
 */
async function takeCopy(from: string, to: string): Promise<void> {
  const taken = `${to}.taken`;
  await renameWithRetry(from, taken);
  await copyFile(taken, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  await removeWithRetry(taken);
}

type Note = PartialDownload & { mailbox: string; name: string };

async function notesIn(folder: string): Promise<Note[]> {
  const names = (await readdir(folder)).filter(isNoteName);
  const notes = await Promise.all(names.map((name) => readNote(join(folder, name))));
  return notes.filter((note) => note !== undefined);
}

async function readNote(path: string): Promise<Note | undefined> {
  try {
    if (machineNow() - (await stat(path)).mtimeMs > KEPT_MS) return undefined;
    const note = { ...(JSON.parse(await readFile(path, 'utf8')) as Note), name: basename(path) };
    // A note names bytes of its own message only.
    const isOwn = isPartName(note.data) && tagOf(note.data) === tagOf(note.name);
    return isOwn && note.message.messageId.length > 0 ? note : undefined;
  } catch {
    // A note that is missing, or was cut off by a full disk, counts as missing.
    return undefined;
  }
}
