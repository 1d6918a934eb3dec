/**
 * A payload that can be opened again at any byte, whatever it came from: so a retry or a resumed upload reads the same
 * bytes, and memory does not grow with size.
 */
import { open, stat, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { InvalidMessageError, PayloadError } from '../errors';
import type { Payload } from '../types';
import { withoutPath } from './file-error';

/** Bytes with a known size. */
export interface PayloadSource {
  /** Bytes. */
  readonly size: number;
  /** MIME type that goes with the kind of payload. */
  readonly contentType: string;
  /** The file's own name, where there is a file. */
  readonly fileName?: string;
  /** All bytes, where they are in memory. */
  readonly bytes?: Buffer;
  /**
   * The bytes from `start` up to, not including, `end`, in pieces. Throws PayloadError if they are not there any more. With
   * `reuse` a piece's memory is used again for a later one: only for who is done with it when asking for the next. Who is done
   * with it later gives it back to a PieceMemory.
   */
  open(start: number, end: number, memory?: 'reuse' | PieceMemory): AsyncIterable<Buffer>;
}

/**
 * Pieces in which bodies are handed on (bytes): small enough for fairness (encrypting one takes less than a millisecond),
 * large enough for speed. Measured, uploading over TLS on loopback (MiB/s): 64 KiB 295, 256 KiB 450, 1 MiB 570, each in
 * memory of its own; 256 KiB in two buffers that are used again 630.
 */
const PIECE_BYTES = 512 * 1024;

/** Memory that goes round between who reads pieces and who is done with them, so that they leave no garbage, however many they are. */
export class PieceMemory {
  /** Of each piece but the last (bytes). */
  readonly pieceBytes: number;
  readonly #own = new Set<ArrayBufferLike>();
  readonly #free: Buffer[] = [];

  constructor(pieceBytes = PIECE_BYTES) {
    this.pieceBytes = pieceBytes;
  }

  /** As large as that at least, if it is always asked for the same (bytes). */
  take(bytes: number): Buffer {
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(bytes);
    this.#own.add(buffer.buffer);
    return buffer;
  }

  /** Nobody needs this piece any more. Without effect for what is not from here. */
  give({ buffer }: Buffer): void {
    if (this.#own.delete(buffer)) this.#free.push(Buffer.from(buffer));
  }
}

/** Opens what a caller gave, or gives what is open already. Throws InvalidMessageError for what cannot be a payload, PayloadError for a file that is not readable. */
export async function openPayload(payload: Payload | { source: PayloadSource }): Promise<PayloadSource> {
  const source = await sourceOf(payload);
  if (source.size === 0) {
    throw new InvalidMessageError('The payload is empty. Nothing was sent.', {
      advice: 'MESH refuses a message without data (code 02): check what the flow puts into the payload.',
    });
  }
  return source;
}

async function sourceOf(payload: Payload | { source: PayloadSource }): Promise<PayloadSource> {
  if (payload instanceof Uint8Array) return bytesSource(payload);
  if (typeof payload === 'string') return bytesSource(Buffer.from(payload, 'utf8'), 'text/plain; charset=utf-8');
  if (typeof payload === 'object' && payload !== null) {
    if ('file' in payload && typeof payload.file === 'string') return fileSource(payload.file);
    if ('source' in payload && typeof payload.source?.open === 'function') return payload.source;
    if ('json' in payload) return bytesSource(jsonBytes(payload.json), 'application/json');
  }
  throw new InvalidMessageError('The payload is neither bytes, text, { file } nor { json }. Nothing was sent.', {
    advice: 'Give a Buffer, a string, an object or a file path.',
  });
}

function jsonBytes(value: unknown): Buffer {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // Node's own error repeats names out of the object: they may be patient data.
    throw new InvalidMessageError('The payload cannot be written as JSON. Nothing was sent.', {
      advice: 'Remove what refers back to itself, and BigInt values.',
    });
  }
  return Buffer.from(text ?? '', 'utf8');
}

/** Bytes in memory. */
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

/** What tells one state of a file from another. */
export interface FileStamp {
  /** Bytes. */
  size: number;
  mtimeMs: number;
  ino: number;
}

async function fileSource(path: string): Promise<PayloadSource> {
  return fileSourceAt(path, await statFile(path));
}

/** A file is referenced, not copied: so it is checked at every opening that it is still the one that was stamped. */
export function fileSourceAt(path: string, first: FileStamp): PayloadSource {
  return {
    size: first.size,
    contentType: 'application/octet-stream',
    fileName: basename(path),
    async *open(start, end, memory) {
      const handle = await open(path).catch((cause: unknown) => {
        throw unreadable(cause);
      });
      try {
        await checkUnchanged(handle, first);
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
  const pool = memory === 'reuse' ? new PieceMemory() : memory;
  const bytes = Math.min(pool?.pieceBytes ?? PIECE_BYTES, end - start);
  const read = (at: number): Promise<Buffer> | undefined => {
    if (at >= end) return undefined;
    const buffer = pool?.take(bytes) ?? Buffer.allocUnsafeSlow(bytes);
    const reading = readPiece(handle, buffer, at, Math.min(buffer.length, end - at));
    // Nobody awaits it if the consumer has enough.
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
      // Once more before the last piece is given away: whoever uploads it has then sent less than was announced.
      if (!next) await checkUnchanged(handle, first);
      yield piece;
      if (memory === 'reuse') pool?.give(piece);
    }
  } finally {
    // The file is closed, and the memory let go, when nothing is read any more.
    await next?.catch(() => undefined);
  }
}

async function readPiece(handle: FileHandle, buffer: Buffer, at: number, length: number): Promise<Buffer> {
  const { bytesRead } = await handle.read(buffer, 0, length, at).catch((cause: unknown) => {
    throw unreadable(cause);
  });
  if (bytesRead === 0) throw new PayloadError('The file became shorter while it was being sent.');
  return buffer.subarray(0, bytesRead);
}

async function checkUnchanged(handle: FileHandle, first: FileStamp): Promise<void> {
  const now = await handle.stat().catch((cause: unknown) => {
    throw unreadable(cause);
  });
  if (now.size === first.size && now.mtimeMs === first.mtimeMs && now.ino === first.ino) return;
  throw new PayloadError('The file was changed while it was being sent, so what was sent so far is of no use.', {
    advice: 'Send it again when whoever writes it has finished; write to another name first and rename.',
  });
}

/** The file's stamp. Throws PayloadError if it is not there, or is no file. */
export async function statFile(path: string): Promise<FileStamp> {
  try {
    const found = await stat(path);
    if (found.isFile()) return { size: found.size, mtimeMs: found.mtimeMs, ino: found.ino };
  } catch (cause) {
    throw unreadable(cause);
  }
  throw new PayloadError('The path given as payload is not a file. Nothing was sent.', {
    advice: 'Give the path of a file.',
  });
}

/** The path itself is left out of the text: file names carry patients' names. */
function unreadable(error: unknown): PayloadError {
  const cause = withoutPath(error);
  const { code } = cause;
  const advice =
    code === 'ENOENT'
      ? 'There is no such file: check the path, as this server sees it.'
      : 'Check that the user who runs this process may read the file.';
  return new PayloadError(`The file given as payload cannot be read (${code}).`, { cause, advice });
}
