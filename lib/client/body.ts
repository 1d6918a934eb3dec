/** Reads the small bodies of MESH's responses: JSON, or nothing. A body that drips or does not end is given up. */
import { after } from '../clock';
import type { IncomingBody } from './incoming-body';
import { TransportFailure } from './transport';

/** The largest JSON body (bytes). A page of 5,000 ids takes about 150 KiB; no JSON response of MESH comes near this. */
const MAX_JSON_BYTES = 8 * 1024 * 1024;

/** A small body: what it says, and whether it says anything. */
export interface SmallBody {
  isEmpty: boolean;
  /** Undefined if the body is empty, not JSON, or larger than 8 MiB. */
  json: unknown;
}

/**
 * Reads the body as JSON. The caller discards what was not read.
 * @throws TransportFailure when the body breaks off or is incomplete after `ms` (undici's own time-out restarts with
 * each byte): the response is then lost
 */
export async function readJson(body: IncomingBody, ms: number): Promise<SmallBody> {
  const all: Buffer[] = [];
  let bytes = 0;
  // A body that came with its headers needs no timer.
  const stopTimer = body.hasEnded ? undefined : after(ms, () => body.cancel(tooSlow()));
  try {
    for (let pieces = await body.read(); pieces; pieces = await body.read()) {
      for (const piece of pieces) bytes += piece.length;
      if (bytes > MAX_JSON_BYTES) return { isEmpty: false, json: undefined };
      all.push(...pieces);
    }
  } catch (cause) {
    throw new TransportFailure(cause, true);
  } finally {
    stopTimer?.();
  }
  return { isEmpty: bytes === 0, json: bytes === 0 ? undefined : parsed(all) };
}

function parsed(pieces: readonly Buffer[]): unknown {
  const [first] = pieces;
  try {
    return JSON.parse((pieces.length === 1 && first ? first : Buffer.concat(pieces)).toString('utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Reads and drops a body whose status says everything, so that the connection can be reused. Gives up, without an
 * error, on a body that is large or slow.
 */
export async function drain(body: IncomingBody, ms: number): Promise<void> {
  await readJson(body, ms).catch(() => undefined);
}

function tooSlow(): Error {
  return Object.assign(new Error('The response was too slow.'), { code: 'ETIMEDOUT' });
}
