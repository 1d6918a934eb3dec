/** A stored message as its consumer gets it: as a file of the flow's own, or as a Buffer. */
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { PayloadError, StorageError, TooLargeError } from '../errors';
import { fileSink } from '../payload/file-sink';
import { safeFileName } from '../payload/safe-file-name';
import { PieceMemory, type PayloadSource } from '../payload/source';
import type { Spool } from '../payload/spool';
import { openStored } from '../payload/stored-payload';
import type { Incoming } from '../store/store';
import type { MessageHeaders, ReceivedMessage } from '../types';

/** Where it goes. */
export interface DeliveryTarget {
  /** Into a file of this folder; else into a Buffer. */
  folder: string | undefined;
  /** Of a Buffer. */
  maxBufferBytes: number;
  spool: Spool;
}

/**
 * Reads a message out of the store. The SHA-256 of what is read is checked: a disk may lie. Throws PayloadError if the
 * payload is not there as it was stored, TooLargeError if it is too large for a Buffer (both for good), StorageError if the
 * folder cannot be written (for now).
 */
export async function storedDelivery(row: Incoming, target: DeliveryTarget): Promise<ReceivedMessage> {
  const message = headersOf(row);
  if (row.messageType === 'REPORT') return { message, bytes: 0, sha256: row.sha256 };
  if (target.folder === undefined && row.size > target.maxBufferBytes) {
    throw new TooLargeError(
      `The message is larger than ${target.maxBufferBytes} bytes, too large to be held in memory.`,
      {
        messageId: row.messageId,
        advice: 'Have it saved to a folder instead of delivered as a Buffer, or raise maxBufferBytes.',
      },
    );
  }
  try {
    if (row.payload === null) throw new PayloadError('There is no payload in its row.');
    const source = await openStored(row.payload, row.size, target.spool);
    const to = target.folder === undefined ? await inMemory(row, source) : await intoFolder(row, source, target.folder);
    return { message, ...to, bytes: row.size, sha256: row.sha256 };
  } catch (cause) {
    throw explained(cause, row.messageId);
  }
}

/** The headers as they were stored. */
export function headersOf(row: Pick<Incoming, 'headers'>): MessageHeaders {
  return row.headers as unknown as MessageHeaders;
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
 * A file is copied in pieces of so many bytes, three of them in memory. Each leaves about 9 KiB of promises, and where nothing else
 * asks for memory V8 collects them only when there are 64 MiB: of 20 GiB in pieces of 2 MiB they took 44 MiB. One piece is hashed
 * in about 6 ms.
 */
const COPIED_BYTES = 8 * 1024 * 1024;

/**
 * A copy and no hard link: the file is the flow's, which may write into it or move it over a network, while the spool's is
 * delivered again if the flow does not say that it is done.
 */
async function intoFolder(row: Incoming, source: PayloadSource, folder: string): Promise<{ file: string }> {
  const file = join(folder, safeFileName(row.messageId, headersOf(row).fileName));
  const memory = new PieceMemory(COPIED_BYTES);
  // The same message, delivered again, takes the place of its predecessor if that is still there.
  const sink = await fileSink(file, { replace: true, onWritten: (piece) => memory.give(piece) });
  try {
    for await (const piece of source.open(0, row.size, memory)) await sink.write(piece);
    const { bytes, sha256 } = sink.place;
    check(row, bytes, sha256);
    const written = await sink.finish();
    return { file: written.file ?? file };
  } finally {
    await sink.discard();
  }
}

/** Throws PayloadError. */
function check({ size, sha256 }: Incoming, bytes: number, sum: string): void {
  if (bytes !== size || sum !== sha256) throw new PayloadError('Its SHA-256 is another one.');
}

/** Both errors tell of sending and of MESH's inbox where they come from: here the message is in the store. */
function explained(cause: unknown, messageId: string): unknown {
  if (cause instanceof PayloadError) {
    return new PayloadError(`The stored payload of message ${messageId} is missing or damaged. It is not delivered.`, {
      cause,
      messageId,
      advice: 'Look at the disk of the state folder, and ask the sender to send it again.',
    });
  }
  if (cause instanceof StorageError) {
    return new StorageError('The received file could not be written into its folder. It is kept, and tried again.', {
      cause,
      messageId,
      ...(cause.advice === undefined ? {} : { advice: cause.advice }),
    });
  }
  return cause;
}
