/**
 * The body of a message or chunk, read ahead of who uses it: so the socket goes on while earlier bytes are expanded, hashed and
 * written. Its break is a `safe` DownloadError: the chunk is fetched again.
 */
import { DownloadError } from '../errors';
import { detailsOf, failureOfTransport, type RequestContext } from './failures';
import { TransportFailure, withoutContent, type TransportResponse } from './transport';

/**
 * A body that comes slower than this (bytes a second) all through the time that may pass between two of its pieces is given up:
 * one that drips would hold the mailbox's one connection for good. The slowest line that carries MESH at all has ten times that.
 */
const LEAST_RATE = 100;

/** A body to be read once. */
export interface Body extends AsyncIterable<Buffer[]> {
  /** Ends the reading with this error, at once and not with the next bytes: they may never come. */
  cancel(error: Error): void;
}

/**
 * The body, with errors that name its message; `ms` is what may pass between two of its pieces. It gives what has come since it was
 * last asked, uncopied.
 */
export function wholeBody({ body }: TransportResponse, context: RequestContext, ms: number): Body {
  let cancelled: Error | undefined;
  const cancel = (error: Error): void => {
    cancelled ??= error;
    body.cancel(error);
  };
  /** Where nobody took what came the sender is not to blame. */
  const isTooSlow = (): boolean => {
    const { bytes, waited } = body.look();
    return !waited && bytes < (ms / 1000) * LEAST_RATE;
  };
  // A small one is mostly here with its headers.
  const looks = body.hasEnded ? undefined : setInterval(look, ms).unref();
  function look(): void {
    if (body.hasEnded) clearInterval(looks);
    else if (isTooSlow()) cancel(brokenOff(context, undefined, 'came too slowly to go on with'));
  }
  return {
    cancel,
    async *[Symbol.asyncIterator]() {
      try {
        for (let pieces = await body.read(); pieces; pieces = await body.read()) yield pieces;
      } catch (cause) {
        throw cancelled ?? brokenOff(context, cause);
      } finally {
        clearInterval(looks);
      }
    },
  };
}

function brokenOff(context: RequestContext, cause: unknown, how = 'broke off before its end'): Error {
  if (context.signal?.aborted) return failureOfTransport(context, new TransportFailure(cause, false));
  return new DownloadError(`The download ${how}. Message ${context.messageId}: ${context.purpose}.`, {
    ...detailsOf(context),
    cause: withoutContent(cause),
    advice: 'Nothing is lost: it is still in the inbox and will be fetched again.',
  });
}
