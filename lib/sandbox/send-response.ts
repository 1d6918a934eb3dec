/** Writes a response to the connection, with a fault's effect on its body. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { SandboxResponse } from './response';
import type { SandboxFaultEffect } from './types';

/**
 * Reads and drops the rest of a request's body, so that the client has written all of it when the response arrives;
 * many clients report a broken connection otherwise. After `maxBytes` more, the response closes the connection instead.
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

/**
 * Opens the body before any header is sent.
 * @throws Refusal when it cannot be opened
 */
export async function openBody(raw: IncomingMessage, response: SandboxResponse): Promise<OpenResponse> {
  const { status, headers, body } = response;
  if (body === undefined || raw.method === 'HEAD') return { status, headers };
  return { status, headers, body: typeof body === 'function' ? await body() : body };
}

/** A response whose body is open. */
export type OpenResponse = Omit<SandboxResponse, 'body'> & { body?: Buffer | Readable };

/**
 * Sends the response.
 * @throws Error when the connection or the body breaks off
 */
export async function sendResponse(
  connection: ServerResponse,
  response: OpenResponse,
  effect: SandboxFaultEffect | undefined,
): Promise<void> {
  const { body } = response;
  connection.statusCode = response.status;
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) connection.setHeader(name, value);
  }
  if (effect?.kind === 'truncate') {
    await writeTruncated(connection, streamOf(body), effect);
  } else if (effect?.kind === 'corrupt') {
    await pipeline(streamOf(body), corrupter(), connection);
  } else if (body instanceof Readable) {
    await pipeline(body, connection);
  } else {
    await writeWhole(connection, body);
  }
}

function streamOf(body: Buffer | Readable | undefined): Readable {
  if (body instanceof Readable) return body;
  return Readable.from(body === undefined ? [] : [body], { objectMode: false });
}

async function writeWhole(response: ServerResponse, body: Buffer | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    response.once('close', resolve).once('error', reject);
    response.end(body);
  });
}

/** Sends the first bytes and breaks the connection. */
async function writeTruncated(response: ServerResponse, source: Readable, { bytes }: { bytes: number }): Promise<void> {
  let left = bytes;
  response.flushHeaders();
  for await (const slice of source as AsyncIterable<Buffer>) {
    const part = slice.subarray(0, left);
    left -= part.length;
    // Wait until the bytes have left the process: destroying the socket earlier would lose them.
    if (part.length > 0) await new Promise<void>((resolve) => response.write(part, () => resolve()));
    if (left <= 0) break;
  }
  response.socket?.end();
  response.destroy();
}

/** Flips the bits of one byte in the middle of a copy of every slice. */
function corrupter(): Transform {
  return new Transform({
    transform(slice: Buffer, _encoding, done): void {
      const copy = Buffer.from(slice);
      const middle = Math.floor(copy.length / 2);
      copy[middle] = (copy[middle] ?? 0) ^ 0xff;
      done(null, copy);
    },
  });
}
