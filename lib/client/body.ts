/** Reads the small bodies of MESH's answers: JSON, or nothing. What drips or does not end is given up. */
import type { IncomingBody } from './incoming-body';
import { TransportFailure } from './transport';

/** A page of 5,000 ids takes about 150 KiB; nothing that MESH answers as JSON comes near this (bytes). */
const MAX_JSON_BYTES = 8 * 1024 * 1024;

/**
 * The body as JSON; undefined if it is empty, is no JSON (MESH answers some faults in XML), or is larger than 8 MiB. Throws
 * TransportFailure if it breaks off, or is not whole in `ms` (undici's own time-out begins anew with each byte): then the
 * answer is lost. Leaves what was not read to the caller.
 */
export async function readJson(body: IncomingBody, ms: number): Promise<unknown> {
  const all: Buffer[] = [];
  let bytes = 0;
  // What came with its headers needs none.
  const timer = body.hasEnded ? undefined : setTimeout(() => body.cancel(tooSlow()), ms);
  try {
    for (let pieces = await body.read(); pieces; pieces = await body.read()) {
      for (const piece of pieces) bytes += piece.length;
      if (bytes > MAX_JSON_BYTES) return undefined;
      all.push(...pieces);
    }
  } catch (cause) {
    throw new TransportFailure(cause, true);
  } finally {
    clearTimeout(timer);
  }
  if (bytes === 0) return undefined;
  try {
    const [first] = all;
    return JSON.parse((all.length === 1 && first ? first : Buffer.concat(all)).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Where the status is the whole answer: what comes after it is read while it is little and quick, so that the connection can stay. */
export async function drain(body: IncomingBody, ms: number): Promise<void> {
  await readJson(body, ms).catch(() => undefined);
}

function tooSlow(): Error {
  return Object.assign(new Error('The answer was too slow.'), { code: 'ETIMEDOUT' });
}
