/** Where a payload goes while it is downloaded into the store: into memory as long as it is small, then into the spool. */
import { hash, randomUUID } from 'node:crypto';
import { NoSpaceError, type DiskSpace } from '../payload/disk-space';
import { fileSink, resumedFileSink, type FileSink } from '../payload/file-sink';
import type { PartialDownload, PartialFiles } from '../payload/partial-files';
import type { PayloadSink } from '../payload/sink';
import type { Spool } from '../payload/spool';
import { INLINE_BYTES } from '../payload/stored-payload';
import type { StoredPayload } from '../store/store';
import type { MessageHeaders } from '../types';

/** A payload that is safe now: whatever is in the spool is on the disk. */
export interface SpooledPayload {
  stored: StoredPayload;
  /** Bytes. */
  size: number;
  /** Hexadecimal. */
  sha256: string;
}

/** What a sink works with. */
export interface SpoolSinkParts {
  spool: Spool;
  partials: PartialFiles;
  room: DiskSpace;
  /** Headers of the first chunk. */
  message: MessageHeaders;
  /** One more digest: see Digests. */
  also: string | undefined;
}

/**
 * A sink for one message. `spooled` finishes it and says what the row is to hold. Writing throws StorageError. What is
 * discarded leaves nothing behind. What is suspended, or killed, is resumed from the chunks that were noted; without any
 * such note it is discarded, and what a kill leaves is no row's and goes at the next start.
 */
export class SpoolSink implements PayloadSink {
  readonly #parts: SpoolSinkParts;
  /** Names of its own for each download: a second one of the same message never writes into the first one's file. */
  readonly #id = randomUUID();
  #pieces: Buffer[] = [];
  #bytes = 0;
  #mark = 0;
  #file: FileSink | undefined;
  #due: Omit<PartialDownload, 'message' | 'data'> | undefined;
  #noting: Promise<void> | undefined;
  #hasNote = false;

  private constructor(parts: SpoolSinkParts) {
    this.#parts = parts;
  }

  /** For a message whose download begins; `atLeast` bytes will come. Throws NoSpaceError where the disk has not so many. */
  static async begin(parts: SpoolSinkParts, atLeast: number): Promise<SpoolSink> {
    const hasSpace = parts.room.has(atLeast);
    if (hasSpace !== true && !(await hasSpace)) throw new NoSpaceError(parts.message.messageId, true);
    return new SpoolSink(parts);
  }

  /** Goes on with what is left of an earlier download. Undefined if it is not there as it was left. */
  static async resume(parts: SpoolSinkParts, partial: PartialDownload): Promise<SpoolSink | undefined> {
    const { spool, partials, also } = parts;
    const sink = new SpoolSink(parts);
    // In use before the first moment in which somebody else could find it.
    spool.inUse.add(sink.#data);
    const options = { replace: false, also, temporary: sink.#data };
    const isMine = await partials.claim(partial, sink.#data);
    const file = isMine ? await resumedFileSink(spool.path(sink.#name), options, partial) : undefined;
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
    return `in-${this.#id}`;
  }

  get #data(): string {
    return `part-${this.#id}`;
  }

  beginChunk(): void {
    this.#mark = this.#bytes;
    this.#file?.beginChunk();
  }

  async restartChunk(): Promise<void> {
    if (this.#file) await this.#file.restartChunk();
    else this.#pieces = [Buffer.concat(this.#pieces).subarray(0, this.#mark)];
    this.#bytes = this.#mark;
  }

  async write(piece: Buffer): Promise<void> {
    this.#bytes += piece.length;
    if (this.#bytes <= INLINE_BYTES && !this.#file) {
      this.#pieces.push(piece);
      return;
    }
    const { room, message, spool } = this.#parts;
    spool.checkSize(this.#bytes, message.messageId);
    const hasSpace = room.has(piece.length);
    if (hasSpace !== true && !(await hasSpace)) throw new NoSpaceError(message.messageId, false);
    room.take(piece.length);
    this.#file ??= await this.#toFile();
    await this.#file.write(piece);
  }

  chunksDone(chunks: number): void {
    // Not after the last chunk: something has to be fetched to see that the message is still the same.
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
    const payload = Buffer.concat(this.#pieces);
    return { payload, bytes: payload.length, sha256: hash('sha256', payload, 'hex') };
  }

  /** Finishes: in the row what is small, else in the spool, fsynced with its folder. */
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
    this.#parts.spool.inUse.delete(this.#data);
  }

  async discard(): Promise<void> {
    this.#pieces = [];
    this.#due = undefined;
    await this.#noting;
    await this.#file?.discard();
    this.#parts.spool.inUse.delete(this.#data);
    if (this.#hasNote) await this.#parts.partials.remove(this.#parts.message.messageId);
    this.#hasNote = false;
  }

  /** In the background, one at a time. Without a note the chunks are only fetched again: its failure fails nothing. */
  #note(file: FileSink): void {
    const { partials, message } = this.#parts;
    const noteAll = async (): Promise<void> => {
      for (let due = this.#due; due; due = this.#due) {
        this.#due = undefined;
        await file.sync(due.bytes);
        await partials.save({ ...due, message, data: this.#data });
        this.#hasNote = true;
      }
    };
    this.#noting ??= noteAll()
      .catch(() => undefined)
      .finally(() => (this.#noting = undefined));
  }

  /** What is in memory goes first, with the same place to go back to. */
  async #toFile(): Promise<FileSink> {
    const { spool, also } = this.#parts;
    spool.inUse.add(this.#data);
    const file = await fileSink(spool.path(this.#name), { replace: false, also, temporary: this.#data });
    // Known before it is written to, so that it is discarded if that fails.
    this.#file = file;
    const before = Buffer.concat(this.#pieces);
    this.#pieces = [];
    await file.write(before.subarray(0, this.#mark));
    file.beginChunk();
    await file.write(before.subarray(this.#mark));
    return file;
  }
}
