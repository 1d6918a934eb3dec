/** Reads a stored message for its consumer: as files of the flow's own, or as Buffers. */
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { PayloadError, StorageError, TooLargeError, UnreadableError } from '../../errors';
import { boundaryOf, MultipartParser, type PartHeaders } from '../../formats/multipart';
import { Digests } from '../../payload/digests';
import { fileSink, type FileSink } from '../../payload/file-sink';
import { safeFileName } from '../../payload/safe-file-name';
import { PieceMemory } from '../../payload/piece-memory';
import type { PayloadSource } from '../../payload/source';
import type { Spool } from '../../payload/spool';
import { openStored } from '../../payload/stored-payload';
import type { Incoming } from '../../store/store';
import type { MessageHeaders, ReceivedMessage, ReceivedPart } from '../../types';
import { removeWithRetry } from '../../payload/rename-with-retry';

export interface DeliveryTarget {
  /** Write the payload to a file in this folder; without it, into a Buffer. */
  folder: string | undefined;
  /** Return a payload of multipart/form-data as its parts. */
  unwrapMultipart: boolean;
  /** Maximum size of a Buffer. */
  maxBufferBytes: number;
  spool: Spool;
}

/**
 * Reads a message from the store, and checks the SHA-256 of what was read: disks can return wrong bytes.
 * @throws PayloadError when the payload is not there as it was stored (for good)
 * @throws TooLargeError when it is too large for a Buffer (for good)
 * @throws UnreadableError when it is to be unwrapped and is malformed (for good)
 * @throws StorageError when the folder cannot be written (for now)
 */
export async function readStoredMessage(row: Incoming, target: DeliveryTarget): Promise<ReceivedMessage> {
  const message = headersOf(row);
  if (row.messageType === 'REPORT') return { message, bytes: 0, sha256: row.sha256 };
  if (target.folder === undefined && row.size > target.maxBufferBytes) {
    throw new TooLargeError(
      `The message is larger than ${target.maxBufferBytes} bytes, too large to be held in memory.`,
      {
        messageId: row.messageId,
        advice: 'Save it to a folder instead of receiving it as a Buffer, or raise maxBufferBytes.',
      },
    );
  }
  try {
    if (row.payload === null) throw new PayloadError('There is no payload in its row.');
    const source = await openStored(row.payload, row.size, target.spool);
    const boundary = target.unwrapMultipart ? boundaryOf(message.contentType) : undefined;
    const to = await read(row, source, target.folder, boundary);
    return { message, ...to, bytes: row.size, sha256: row.sha256 };
  } catch (cause) {
    throw deliveryError(cause, row.messageId);
  }
}

/** Returns the headers as they were stored. */
export function headersOf(row: Pick<Incoming, 'headers'>): MessageHeaders {
  return row.headers as unknown as MessageHeaders;
}

function read(
  row: Incoming,
  source: PayloadSource,
  folder: string | undefined,
  boundary: string | undefined,
): Promise<Pick<ReceivedMessage, 'payload' | 'file' | 'parts'>> {
  if (folder !== undefined) {
    return boundary === undefined
      ? intoFolder(row, source, folder)
      : partsIntoFolder(row, source, { folder, boundary });
  }
  const whole = inMemory(row, source);
  return boundary === undefined ? whole : whole.then(({ payload }) => ({ parts: partsOf(payload, boundary) }));
}

async function inMemory(row: Incoming, source: PayloadSource): Promise<{ payload: Buffer }> {
  const payload = Buffer.allocUnsafeSlow(row.size);
  let bytes = source.bytes?.length ?? 0;
  if (source.bytes) source.bytes.copy(payload);
  else for await (const piece of source.open(0, row.size)) bytes += piece.copy(payload, bytes);
  check(row, bytes, hash('sha256', payload, 'hex'));
  return { payload };
}

/**
 * Size of the pieces in which a file is copied, three of them in memory. Each leaves about 9 KiB of promises, and if
 * nothing else allocates, V8 collects them only at 64 MiB: for 20 GiB in pieces of 2 MiB they took 44 MiB. Hashing one
 * piece takes about 6 ms.
 */
const COPY_PIECE_BYTES = 8 * 1024 * 1024;

/**
 * Copies the payload, never links it: the flow may write to its file or move it across a network, while the spool's
 * file is redelivered if the flow does not acknowledge.
 */
async function intoFolder(row: Incoming, source: PayloadSource, folder: string): Promise<{ file: string }> {
  const memory = new PieceMemory(COPY_PIECE_BYTES);
  const [file = ''] = await writeFiles(folder, async (open) => {
    const name = safeFileName(row.messageId, headersOf(row).fileName);
    const sink = await open(name, (piece) => memory.release(piece));
    for await (const piece of source.open(0, row.size, memory)) await sink.write(piece);
    const { bytes, sha256 } = sink.place;
    check(row, bytes, sha256);
  });
  return { file };
}

/** Opens the next file of a delivery, by its name in the folder. `onWritten`: see FileSinkOptions. */
type OpenFile = (name: string, onWritten?: (piece: Buffer) => void) => Promise<FileSink>;

/**
 * Writes the files of one delivery, one after the other, and returns their paths. They appear under their names when
 * `write` has ended: after a failure none of them is there, and those of an earlier delivery are as they were.
 * @param write writes the files and checks what it has read
 * @throws StorageError when a file cannot be written; what `write` throws
 */
async function writeFiles(folder: string, write: (open: OpenFile) => Promise<void>): Promise<string[]> {
  const sinks: FileSink[] = [];
  const files: string[] = [];
  try {
    await write(async (name, onWritten) => {
      // A message may have more parts than a process may have open files.
      await sinks.at(-1)?.complete();
      // A redelivery replaces the files of the delivery before it.
      const sink = await fileSink(join(folder, name), { replace: true, ...(onWritten && { onWritten }) });
      sinks.push(sink);
      return sink;
    });
    await sinks.at(-1)?.complete();
    for (const sink of sinks) files.push((await sink.finish()).file);
    return files;
  } catch (error) {
    for (const sink of sinks) await sink.discard();
    // The first error is the one that says what is wrong.
    for (const file of files) await removeWithRetry(file).catch(() => undefined);
    throw error;
  }
}

/** Returns the parts of a payload. */
function partsOf(payload: Buffer, boundary: string): ReceivedPart[] {
  const parser = new MultipartParser(boundary);
  const parts: ReceivedPart[] = [];
  let pieces: Buffer[] = [];
  let headers: PartHeaders | undefined;
  for (const event of parser.read(payload)) {
    if (event.kind === 'bytes') pieces.push(event.bytes);
    if (event.kind === 'begin') ({ headers } = event);
    if (event.kind !== 'end' || !headers) continue;
    // Of its own memory: a flow may change one part.
    const own = Buffer.concat(pieces);
    parts.push({ ...headers, payload: own, bytes: own.length });
    pieces = [];
  }
  parser.finish();
  return parts;
}

/** Writes each part to a file of its own as its bytes are read. */
async function partsIntoFolder(
  row: Incoming,
  source: PayloadSource,
  { folder, boundary }: { folder: string; boundary: string },
): Promise<{ parts: ReceivedPart[] }> {
  const parser = new MultipartParser(boundary);
  const digests = new Digests();
  const parts: Array<{ headers: PartHeaders; sink: FileSink }> = [];
  let bytes = 0;
  const files = await writeFiles(folder, async (open) => {
    for await (const piece of source.open(0, row.size)) {
      bytes += piece.length;
      digests.update(piece);
      for (const event of parser.read(piece)) {
        if (event.kind === 'bytes') await parts.at(-1)?.sink.write(event.bytes);
        if (event.kind !== 'begin') continue;
        const { headers } = event;
        const name = safeFileName(`${row.messageId}-${parts.length + 1}`, headers.fileName ?? headers.name);
        parts.push({ headers, sink: await open(name) });
      }
    }
    parser.finish();
    check(row, bytes, digests.hex());
  });
  return { parts: parts.map(({ headers, sink }, index) => partInFile(headers, sink.place.bytes, files[index])) };
}

const partInFile = (headers: PartHeaders, bytes: number, file: string | undefined): ReceivedPart => ({
  ...headers,
  ...(file !== undefined && { file }),
  bytes,
});

/** @throws PayloadError when size or SHA-256 differ from the row's */
function check({ size, sha256 }: Incoming, bytes: number, sum: string): void {
  if (bytes !== size || sum !== sha256) throw new PayloadError('Its SHA-256 is another one.');
}

/** Rewords payload and storage errors, which speak of sending and of MESH's inbox: here the message is in the store. */
function deliveryError(cause: unknown, messageId: string): unknown {
  if (cause instanceof PayloadError) {
    return new PayloadError(`The stored payload of message ${messageId} is missing or damaged. It is not delivered.`, {
      cause,
      messageId,
      advice: 'Check the disk of the storage folder, and ask the sender to send the message again.',
    });
  }
  if (cause instanceof UnreadableError) {
    const { message, advice } = cause;
    return new UnreadableError(`Message ${messageId}: ${message} It was parked.`, {
      cause,
      messageId,
      ...(advice === undefined ? {} : { advice }),
    });
  }
  if (cause instanceof StorageError) {
    return new StorageError(
      'The received file could not be written to its folder. The message is kept, and delivery is tried again.',
      { cause, messageId, ...(cause.advice === undefined ? {} : { advice: cause.advice }) },
    );
  }
  return cause;
}
