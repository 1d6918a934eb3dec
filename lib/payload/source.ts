/**
 * Payloads that can be opened again at any byte, wherever they come from: a retry or a resumed upload reads the same
 * bytes, and memory does not grow with the payload.
 */
import { basename } from 'node:path';
import type { FileHandle } from '../files';
import { InvalidMessageError, PayloadError } from '../errors';
import type { Payload } from '../types';
import { withoutPath } from './file-error';
import { PieceMemory } from './piece-memory';
import { isNotAFile, isSameState, openRegularFile, stampOf, type FileStamp } from './regular-file';

/** A payload with a known size. */
export interface PayloadSource {
  /** Bytes. */
  readonly size: number;
  /** MIME type for this kind of payload. */
  readonly contentType: string;
  /** The file's own name, if the payload is a file. */
  readonly fileName?: string;
  /** The file's state, if the payload is a file. */
  readonly stamp?: FileStamp;
  /** All bytes, if they are in memory. */
  readonly bytes?: Buffer;
  /**
   * Yields the bytes from `start` up to, but not including, `end`, in pieces. With `reuse` a piece's memory is reused
   * for a later piece, so the consumer must be done with it when it requests the next. A consumer that is done later
   * returns the piece to a PieceMemory.
   * @throws PayloadError when the bytes are not there any more
   */
  open(start: number, end: number, memory?: 'reuse' | PieceMemory): AsyncIterable<Buffer>;
}

/**
 * Size of the pieces (bytes): small enough for fairness (encrypting one takes less than a millisecond), large enough
 * for speed. Measured, uploading over TLS on loopback (MiB/s): 64 KiB 295, 256 KiB 450, 1 MiB 570, each in memory of
 * its own; 256 KiB in two buffers that are reused 630.
 */
const PIECE_BYTES = 512 * 1024;

/**
 * Returns the source of a caller's payload; a source is returned as it is.
 * @throws InvalidMessageError when the payload is empty or of no known kind; PayloadError when its file cannot be read
 */
export async function openPayload(payload: Payload | { source: PayloadSource }): Promise<PayloadSource> {
  const source = await payloadSource(payload);
  if (source.size === 0) {
    throw new InvalidMessageError('The payload is empty. Nothing was sent.', {
      advice: 'MESH refuses a message without data (code 02): check what the flow puts into the payload.',
    });
  }
  return source;
}

/**
 * Returns the source of a payload, also of an empty one.
 * @throws InvalidMessageError when it is of no known kind; PayloadError when its file cannot be read
 */
export async function payloadSource(payload: Payload | { source: PayloadSource }): Promise<PayloadSource> {
  if (payload instanceof Uint8Array) return bytesSource(payload);
  if (typeof payload === 'string') return bytesSource(Buffer.from(payload, 'utf8'), 'text/plain; charset=utf-8');
  if (typeof payload === 'object' && payload !== null) {
    if ('file' in payload && typeof payload.file === 'string') return fileSource(payload.file);
    if ('source' in payload && typeof payload.source?.open === 'function') return payload.source;
    if ('json' in payload) return bytesSource(jsonBytes(payload.json), 'application/json');
  }
  throw new InvalidMessageError('The payload is neither bytes, text, { file } nor { json }. Nothing was sent.', {
    advice: 'Pass a Buffer, a string, an object or a file path.',
  });
}

function jsonBytes(value: unknown): Buffer {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // Node's own error repeats names from the object, which may be patient data.
    throw new InvalidMessageError('The payload cannot be written as JSON. Nothing was sent.', {
      advice: 'Remove circular references and BigInt values.',
    });
  }
  return Buffer.from(text ?? '', 'utf8');
}

/** Returns the source of bytes in memory. */
export function bytesSource(bytes: Uint8Array, contentType = 'application/octet-stream'): PayloadSource {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    size: buffer.length,
    contentType,
    bytes: buffer,
    async *open(start, end) {
      for (let at = start; at < end; at += PIECE_BYTES) yield buffer.subarray(at, Math.min(at + PIECE_BYTES, end));
    },
  };
}

async function fileSource(path: string): Promise<PayloadSource> {
  return fileSourceAt(path, await statFile(path));
}

/**
 * Returns the source of a file. It is referenced, not copied: every opening checks that the file still has the stamp
 * `first`.
 * @param size how many of its bytes are the payload; default: all
 */
export function fileSourceAt(path: string, first: FileStamp, size = first.size): PayloadSource {
  return {
    size,
    contentType: 'application/octet-stream',
    fileName: basename(path),
    stamp: first,
    async *open(start, end, memory) {
      const { handle, stamp } = await openRegularFile(path).catch(unreadable);
      try {
        if (!isSameState(stamp, first)) throw changedFile();
        yield* slices(handle, first, start, end, memory);
      } finally {
        await handle.close();
      }
    },
  };
}

/** While one piece is used, the next is read. */
async function* slices(
  handle: FileHandle,
  first: FileStamp,
  start: number,
  end: number,
  memory: 'reuse' | PieceMemory | undefined,
): AsyncGenerator<Buffer> {
  const pool = memory === 'reuse' ? new PieceMemory(PIECE_BYTES) : memory;
  const bytes = Math.min(pool?.pieceBytes ?? PIECE_BYTES, end - start);
  const read = (at: number): Promise<Buffer> | undefined => {
    if (at >= end) return undefined;
    const buffer = pool?.take(bytes) ?? Buffer.allocUnsafeSlow(bytes);
    const reading = readPiece(handle, buffer, at, Math.min(buffer.length, end - at));
    // Nothing awaits it if the consumer stops early.
    reading.catch(() => undefined);
    return reading;
  };
  let at = start;
  let next = read(at);
  try {
    while (next) {
      const piece = await next;
      at += piece.length;
      next = read(at);
      // Checks once more before the last piece is yielded: an upload has then sent less than it announced, and fails
      // safely.
      if (!next) await checkUnchanged(handle, first);
      yield piece;
      if (memory === 'reuse') pool?.release(piece);
    }
  } finally {
    // The file must not be closed, nor the memory reused, while a read is in progress.
    await next?.catch(() => undefined);
  }
}

async function readPiece(handle: FileHandle, buffer: Buffer, at: number, length: number): Promise<Buffer> {
  const { bytesRead } = await handle.read(buffer, 0, length, at).catch(unreadable);
  if (bytesRead === 0) throw new PayloadError('The file became shorter while it was being sent.');
  return buffer.subarray(0, bytesRead);
}

async function checkUnchanged(handle: FileHandle, first: FileStamp): Promise<void> {
  const now = await handle.stat().catch(unreadable);
  if (!isSameState(now, first)) throw changedFile();
}

function changedFile(): PayloadError {
  return new PayloadError('The file was changed while it was being sent, so the part that was sent is useless.', {
    advice:
      'Send it again when it is complete. A program that writes such files should rename them when they are complete.',
  });
}

/**
 * Returns the file's stamp.
 * @throws PayloadError when it does not exist, or is not a file; a symbolic link is none
 */
export function statFile(path: string): Promise<FileStamp> {
  return stampOf(path).catch(unreadable);
}

/** @throws PayloadError without the path: file names contain patients' names */
function unreadable(error: unknown): never {
  const cause = withoutPath(error);
  const { code } = cause;
  if (isNotAFile(error)) {
    throw new PayloadError('The path given as payload is not a file. Nothing was sent.', {
      advice: 'Pass the path of a regular file. A symbolic link is not followed: pass the path of the file itself.',
    });
  }
  const advice =
    code === 'ENOENT'
      ? 'There is no such file: check the path as seen from this server.'
      : 'Check that the user who runs this process may read the file.';
  throw new PayloadError(`The file given as payload cannot be read (${code}).`, { cause, advice });
}
