/**
 * The body of a message or chunk, read ahead of its consumer: the socket is read while earlier bytes are expanded,
 * hashed and written. A body that breaks off is a `safe` DownloadError: the chunk is downloaded again.
 */
import { every } from '../clock';
import { DownloadError } from '../errors';
import { detailsOf, failureOfTransport, type RequestContext } from './failures';
import { TransportFailure, withoutContent, type TransportResponse } from './transport';

/**
 * The minimum rate of a body (bytes a second), measured over the time allowed between two pieces. A slower body is
 * given up: one that drips would occupy the mailbox's only connection for good. The slowest line fit for MESH is ten
 * times faster.
 */
const MINIMUM_RATE = 100;

/** A body that can be read once. Each step of the iteration returns the bytes since the last one, uncopied. */
export interface DownloadBody extends AsyncIterable<Buffer[]> {
  /** Fails the reader at once, not with the next bytes: they may never arrive. */
  cancel(error: Error): void;
}

/** Returns the body, with errors that name its message. `ms` is the time allowed between two of its pieces. */
export function downloadBody({ body }: TransportResponse, context: RequestContext, ms: number): DownloadBody {
  let cancelled: Error | undefined;
  const cancel = (error: Error): void => {
    cancelled ??= error;
    body.cancel(error);
  };
  /** A sender is not too slow while it waits for our consumer. */
  const isTooSlow = (): boolean => {
    const { bytes, waited } = body.takeProgress();
    return !waited && bytes < (ms / 1000) * MINIMUM_RATE;
  };
  // A small body has usually arrived with its headers.
  const stopTimer = body.hasEnded ? undefined : every(ms, checkRate);
  function checkRate(): void {
    if (body.hasEnded) stopTimer?.();
    else if (isTooSlow()) cancel(brokenOff(context, undefined, 'was too slow and was given up'));
  }
  return {
    cancel,
    async *[Symbol.asyncIterator]() {
      try {
        for (let pieces = await body.read(); pieces; pieces = await body.read()) yield pieces;
      } catch (cause) {
        throw cancelled ?? brokenOff(context, cause);
      } finally {
        stopTimer?.();
      }
    },
  };
}

function brokenOff(context: RequestContext, cause: unknown, how = 'broke off before its end'): Error {
  if (context.signal?.aborted) return failureOfTransport(context, new TransportFailure(cause, false));
  return new DownloadError(`The download ${how}. Message ${context.messageId}: ${context.purpose}.`, {
    ...detailsOf(context),
    cause: withoutContent(cause),
    advice: 'Nothing is lost: the message is still in the inbox and will be downloaded again.',
  });
}
