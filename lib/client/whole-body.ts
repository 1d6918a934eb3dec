/**
 * The body of a message or chunk, read ahead of who uses it: so the socket goes on while earlier bytes are expanded, hashed and
 * written. Its break is a `safe` DownloadError: the chunk is fetched again.
 */
import { DownloadError } from '../errors';
import { detailsOf, failureOfTransport, type RequestContext } from './failures';
import { TransportFailure, withoutContent, type TransportResponse } from './transport';

/** A body to be read once. */
export interface Body extends AsyncIterable<Buffer[]> {
  /** Ends the reading with this error, at once and not with the next bytes: they may never come. */
  cancel(error: Error): void;
}

/** The body, with errors that name its message. It gives what has come since it was last asked, uncopied. */
export function wholeBody({ body }: TransportResponse, context: RequestContext): Body {
  let cancelled: Error | undefined;
  return {
    cancel(error) {
      cancelled ??= error;
      body.cancel(error);
    },
    async *[Symbol.asyncIterator]() {
      try {
        for (let pieces = await body.read(); pieces; pieces = await body.read()) yield pieces;
      } catch (cause) {
        throw cancelled ?? brokenOff(context, cause);
      }
    },
  };
}

function brokenOff(context: RequestContext, cause: unknown): Error {
  if (context.signal?.aborted) return failureOfTransport(context, new TransportFailure(cause, false));
  return new DownloadError(`The download broke off before its end. Message ${context.messageId}: ${context.purpose}.`, {
    ...detailsOf(context),
    cause: withoutContent(cause),
    advice: 'Nothing is lost: it is still in the inbox and will be fetched again.',
  });
}
