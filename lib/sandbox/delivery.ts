/** A message that comes from within the sandbox: a service's answer, or what a test puts into an inbox. */
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { headerBytes } from '../protocol/header-text';
import type { StoredBody } from './bodies';
import type { SandboxClock } from './clock';
import { NO_DETAILS, type Message } from './message';
import { INBOX_EXPIRY_MS, type Messages } from './messages';
import type { SandboxDelivery } from './types';

const expand = promisify(gunzip);

/** Puts a message into the inbox of `to`, accepted. Returns it. */
export function deliver(
  { clock, messages }: { clock: SandboxClock; messages: Messages },
  { from, to, workflowId, subject = '', localId = '', fileName = '', contentType }: Omit<SandboxDelivery, 'body'>,
  body: StoredBody,
): Message {
  const now = clock.ms();
  const message: Message = {
    messageId: messages.newId(now),
    type: 'DATA',
    from,
    to,
    details: {
      ...NO_DETAILS,
      workflowId: headerBytes(workflowId),
      subject: headerBytes(subject),
      localId: headerBytes(localId),
      fileName: headerBytes(fileName),
      contentType: contentType ?? 'application/octet-stream',
    },
    totalChunks: 1,
    chunks: [body],
    events: [{ status: 'accepted', at: now }],
    uploadedAt: now,
    inboxExpiry: now + INBOX_EXPIRY_MS,
    position: 0,
    bytes: body.size,
  };
  messages.add(message);
  return message;
}

/** Returns the bytes of a message as they were uploaded. @throws Error when they were deleted */
export async function uploadedBytes(message: Message): Promise<Buffer> {
  const slices: Buffer[] = [];
  for (const chunk of message.chunks) for await (const slice of await chunk.open()) slices.push(slice as Buffer);
  return Buffer.concat(slices);
}

/** Returns the payload of a message. @throws Error when its bytes were deleted, or are not the gzip that they claim to be */
export async function expandedBytes(message: Message): Promise<Buffer> {
  const bytes = await uploadedBytes(message);
  return message.details.contentEncoding === 'gzip' ? expand(bytes) : bytes;
}

/** Returns a stream of bytes for {@link BodyStore.write}. */
export const streamOf = (bytes: Uint8Array | string): Readable =>
  Readable.from([Buffer.from(bytes as Uint8Array)], { objectMode: false });
