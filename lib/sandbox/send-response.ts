/** Writes an answer to the connection, with what a fault does to its body. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Answer } from './response';
import type { SandboxFaultEffect } from './types';

/**
 * Reads what is left of a request's body and drops it, so that the client has written all of it when the answer comes;
 * many report a broken connection otherwise. After `maxBytes` more the connection is closed after the answer instead.
 */
export async function discard(raw: IncomingMessage, maxBytes: number, response: ServerResponse): Promise<void> {
  if (raw.readableEnded || raw.destroyed) return;
  let left = maxBytes;
  for await (const slice of raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    left -= slice.length;
    if (left >= 0) continue;
    response.setHeader('Connection', 'close');
    return;
  }
}

/** Opens the body, for what has to be known before any header is sent: whether it can be. Rejects with a refusal. */
export async function openBody(raw: IncomingMessage, answer: Answer): Promise<ReadyAcknowledgement> {
  const { status, headers, body } = answer;
  if (body === undefined || raw.method === 'HEAD') return { status, headers };
  return { status, headers, body: typeof body === 'function' ? await body() : body };
}

/** An answer whose body is open. */
export type ReadyAcknowledgement = Omit<Answer, 'body'> & { body?: Buffer | Readable };

/** Sends the answer; rejects if the connection, or the body that is sent, breaks. */
export async function sendAnswer(
  response: ServerResponse,
  answer: ReadyAcknowledgement,
  effect: SandboxFaultEffect | undefined,
): Promise<void> {
  const { body } = answer;
  response.statusCode = answer.status;
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value !== undefined) response.setHeader(name, value);
  }
  if (effect?.kind === 'truncate') {
    await truncated(response, streamOf(body), effect);
  } else if (effect?.kind === 'corrupt') {
    await pipeline(streamOf(body), flipper(), response);
  } else if (body instanceof Readable) {
    await pipeline(body, response);
  } else {
    await whole(response, body);
  }
}

function streamOf(body: Buffer | Readable | undefined): Readable {
  if (body instanceof Readable) return body;
  return Readable.from(body === undefined ? [] : [body], { objectMode: false });
}

async function whole(response: ServerResponse, body: Buffer | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    response.once('close', resolve).once('error', reject);
    response.end(body);
  });
}

/** Sends so many bytes and breaks the connection. */
async function truncated(response: ServerResponse, source: Readable, { bytes }: { bytes: number }): Promise<void> {
  let left = bytes;
  response.flushHeaders();
  for await (const slice of source as AsyncIterable<Buffer>) {
    const part = slice.subarray(0, left);
    left -= part.length;
    // The callback says that it has left the process: destroying before would lose what is to arrive.
    if (part.length > 0) await new Promise<void>((resolve) => response.write(part, () => resolve()));
    if (left <= 0) break;
  }
  response.socket?.end();
  response.destroy();
}

/** Flips the bits of one byte in the middle of every slice, on a copy. */
function flipper(): Transform {
  return new Transform({
    transform(slice: Buffer, _encoding, done): void {
      const copy = Buffer.from(slice);
      const middle = Math.floor(copy.length / 2);
      copy[middle] = (copy[middle] ?? 0) ^ 0xff;
      done(null, copy);
    },
  });
}
