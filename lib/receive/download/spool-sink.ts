/** The sink of a payload that is downloaded into the store: in memory while it is small, then in the spool. */
import { hash } from 'node:crypto';
import { NoSpaceError, type DiskSpace } from '../../payload/disk-space';
import { fileSink, resumeFileSink, type FileSink } from '../../payload/file-sink';
import type { PartialDownload, PartialFiles } from '../../payload/partial-files';
import type { PayloadSink } from '../../payload/sink';
import type { Spool } from '../../payload/spool';
import { partName, receivedName } from '../../payload/spool-names';
import { INLINE_BYTES, ownCopy } from '../../payload/stored-payload';
import type { StoredPayload } from '../../store/store';
import { randomUUID } from '../../random';
import type { MessageHeaders } from '../../types';

/** A durable payload: what is in the spool has been fsynced. */
export interface SpooledPayload {
  stored: StoredPayload;
  /** Bytes. */
  size: number;
  /** Hexadecimal. */
  sha256: string;
}

interface SpoolSinkParts {
  spool: Spool;
  partials: PartialFiles;
  diskSpace: DiskSpace;
  /** Headers of the first chunk. */
  message: MessageHeaders;
  /** The algorithm of one more digest beside SHA-256: see Digests. */
  also: string | undefined;
}

/**
 * A sink for one message. `spooled` finishes it and returns what its row has to hold. A discarded sink leaves nothing
 * behind. A suspended one, or one whose process was killed, is resumed from the chunks of its last note; without a note
 * it is discarded, and the next start removes the file that a kill leaves, since no row names it.
 */
export class SpoolSink implements PayloadSink {
  readonly #parts: SpoolSinkParts;
  /** The names of its files; made when one is needed, since most messages are small and have none. */
  #names: { payload: string; part: string } | undefined;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #chunkStart = 0;
  #file: FileSink | undefined;
  #due: Omit<PartialDownload, 'message' | 'data'> | undefined;
  #noting: Promise<void> | undefined;
  #hasNote = false;

  private constructor(parts: SpoolSinkParts) {
    this.#parts = parts;
  }

  /**
   * Creates the sink of a new download of at least `minimumBytes`.
   * @throws NoSpaceError when the disk does not have that much space
   */
  static async begin(parts: SpoolSinkParts, minimumBytes: number): Promise<SpoolSink> {
    const hasSpace = parts.diskSpace.has(minimumBytes);
    if (hasSpace !== true && !(await hasSpace)) throw new NoSpaceError(parts.message.messageId, true);
    return new SpoolSink(parts);
  }

  /** Resumes an earlier download. Undefined if its file is not as the note describes it. */
  static async resume(parts: SpoolSinkParts, partial: PartialDownload): Promise<SpoolSink | undefined> {
    const { spool, partials, also } = parts;
    const sink = new SpoolSink(parts);
    // Marked before another process could find and remove it.
    spool.inUse.add(sink.#data);
    const options = { replace: false, also, temporary: sink.#data };
    const isMine = await partials.claim(partial, sink.#data);
    const file = isMine ? await resumeFileSink(spool.path(sink.#name), options, partial) : undefined;
    sink.#hasNote = isMine;
    if (!file) {
      await sink.discard();
      return undefined;
    }
    sink.#file = file;
    sink.#bytes = partial.bytes;
    return sink;
  }

  get #name(): string {
    return this.#fileNames.payload;
  }

  get #data(): string {
    return this.#fileNames.part;
  }

  get #fileNames(): { payload: string; part: string } {
    if (this.#names) return this.#names;
    const { partials, message } = this.#parts;
    const tag = partials.tag(message.messageId);
    // Unique for each download, so that two downloads of one message never write to the same file.
    const id = randomUUID();
    this.#names = { payload: receivedName(tag, id), part: partName(tag, id) };
    return this.#names;
  }

  beginChunk(): void {
    this.#chunkStart = this.#bytes;
    this.#file?.beginChunk();
  }

  async restartChunk(): Promise<void> {
    if (this.#file) await this.#file.restartChunk();
    else this.#pieces = [Buffer.concat(this.#pieces).subarray(0, this.#chunkStart)];
    this.#bytes = this.#chunkStart;
  }

  /** @throws StorageError when the disk is full or cannot be written, TooLargeError above the spool's limit */
  async write(piece: Buffer): Promise<void> {
    this.#bytes += piece.length;
    if (this.#bytes <= INLINE_BYTES && !this.#file) {
      this.#pieces.push(piece);
      return;
    }
    const { diskSpace, message, spool } = this.#parts;
    spool.checkSize(this.#bytes, message.messageId);
    const hasSpace = diskSpace.has(piece.length);
    if (hasSpace !== true && !(await hasSpace)) throw new NoSpaceError(message.messageId, false);
    diskSpace.take(piece.length);
    this.#file ??= await this.#toFile();
    await this.#file.write(piece);
  }

  chunksDone(chunks: number): void {
    // Not after the last chunk: at least one chunk has to be downloaded to see that the message is still the same.
    if (!this.#file || chunks >= this.#parts.message.totalChunks) return;
    this.#due = { chunks, ...this.#file.place };
    this.#note(this.#file);
  }

  digest(algorithm: string): string {
    if (this.#file) return this.#file.digest(algorithm);
    return hash(algorithm, Buffer.concat(this.#pieces), 'hex');
  }

  async finish(): Promise<{ bytes: number; sha256: string; payload?: Buffer; file?: string }> {
    if (this.#file) {
      this.#due = undefined;
      await this.#noting;
      return this.#file.finish();
    }
    const payload = ownCopy(...this.#pieces);
    return { payload, bytes: payload.length, sha256: hash('sha256', payload, 'hex') };
  }

  /** Finishes the payload: in the row if it is small, otherwise in the spool, fsynced with its folder. */
  async spooled(): Promise<SpooledPayload> {
    try {
      const { payload, bytes, sha256 } = await this.finish();
      if (!payload) await this.#parts.spool.keep(this.#name);
      const stored: StoredPayload = payload ? { kind: 'inline', bytes: payload } : { kind: 'spool', name: this.#name };
      return { stored, size: bytes, sha256 };
    } finally {
      await this.discard();
    }
  }

  async suspend(): Promise<void> {
    await this.#noting;
    if (!this.#hasNote) return this.discard();
    await this.#file?.leave();
    this.#release();
  }

  async discard(): Promise<void> {
    this.#pieces = [];
    this.#due = undefined;
    await this.#noting;
    await this.#file?.discard();
    this.#release();
    if (this.#hasNote) await this.#parts.partials.remove(this.#parts.message.messageId);
    this.#hasNote = false;
  }

  #release(): void {
    if (this.#names) this.#parts.spool.inUse.delete(this.#names.part);
  }

  /** Saves notes in the background, one at a time. A failure is ignored: the chunks are only downloaded again. */
  #note(file: FileSink): void {
    const { partials, message } = this.#parts;
    const saveNotes = async (): Promise<void> => {
      for (let due = this.#due; due; due = this.#due) {
        this.#due = undefined;
        await file.sync(due.bytes);
        await partials.save({ ...due, message, data: this.#data });
        this.#hasNote = true;
      }
    };
    this.#noting ??= saveNotes()
      .catch(() => undefined)
      .finally(() => (this.#noting = undefined));
  }

  /** Moves the payload from memory to a file, with the same start of the current chunk. */
  async #toFile(): Promise<FileSink> {
    const { spool, also } = this.#parts;
    spool.inUse.add(this.#data);
    const file = await fileSink(spool.path(this.#name), { replace: false, also, temporary: this.#data });
    // Set before the first write, so that a failed write discards it.
    this.#file = file;
    const before = Buffer.concat(this.#pieces);
    this.#pieces = [];
    await file.write(before.subarray(0, this.#chunkStart));
    file.beginChunk();
    await file.write(before.subarray(this.#chunkStart));
    return file;
  }
}
