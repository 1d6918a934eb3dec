/** Reads the small bodies of MESH's answers: JSON, or nothing. What drips or does not end is given up. */
import type { TransportResponse } from './transport';
import { TransportFailure } from './transport';

/** A page of 5,000 ids takes about 150 KiB; nothing that MESH answers as JSON comes near this (bytes). */
const MAX_JSON_BYTES = 8 * 1024 * 1024;

/**
 * The body as JSON; undefined if it is empty, is no JSON (MESH answers some faults in XML), or is larger than 8 MiB. Throws
 * TransportFailure if it breaks off, or is not whole in `ms` (undici's own time-out begins anew with each byte): then the
 * answer is lost. Leaves what was not read to the caller.
 */
export async function readJson(body: TransportResponse['body'], ms: number): Promise<unknown> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve, reject) => {
    // By events: an async iterator of the stream costs as much as the rest of a small exchange.
    body
      .on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes <= MAX_JSON_BYTES) pieces.push(piece);
        else resolve();
      })
      .once('end', resolve)
      .once('error', (cause) => reject(new TransportFailure(cause, true)))
      .once('close', () => {
        // Each answer ends so: an error is made only for one that did not end before.
        if (!body.readableEnded) reject(new TransportFailure(new Error('The answer broke off.'), true));
      });
    timer = setTimeout(() => reject(new TransportFailure(tooSlow(), true)), ms);
  }).finally(() => clearTimeout(timer));
  if (bytes === 0 || bytes > MAX_JSON_BYTES) return undefined;
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Where the status is the whole answer: what comes after it is read while it is little and quick, so that the connection can stay. */
export async function drain(body: TransportResponse['body'], ms: number): Promise<void> {
  await readJson(body, ms).catch(() => undefined);
}

function tooSlow(): Error {
  return Object.assign(new Error('The answer was too slow.'), { code: 'ETIMEDOUT' });
}
