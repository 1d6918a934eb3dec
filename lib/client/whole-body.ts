/**
 * The body of an answer, read ahead of who uses it: so the socket goes on while earlier bytes are expanded, hashed and
 * written. Its break is a `safe` DownloadError: the chunk is fetched again.
 */
import { DownloadError } from '../errors';
import { detailsOf, failureOfTransport, type RequestContext } from './failures';
import { TransportFailure, withoutContent, type TransportResponse } from './transport';

/** Bytes that are read before anybody takes them; beyond, the socket waits. */
const AHEAD_BYTES = 2 * 1024 * 1024;

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

/** Starts to read the body; `ms` is what may pass between two of its pieces. It gives what has come since it was last asked, in the pieces of the wire, uncopied. */
export function wholeBody(response: TransportResponse, context: RequestContext, ms: number): Body {
  const { body } = response;
  let pieces: Buffer[] = [];
  let bytes = 0;
  let ended = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  let waking = false;
  // Of the time since the last look.
  let came = 0;
  let waited = false;

  const wakeNow = (): void => {
    wake?.();
    wake = undefined;
  };
  /** Where nobody took what came the sender is not to blame. */
  const isTooSlow = (): boolean => {
    const slow = !waited && !body.isPaused() && came < (ms / 1000) * LEAST_RATE;
    came = 0;
    waited = body.isPaused();
    return slow;
  };
  const cancel = (error: Error): void => {
    failure ??= error;
    body.destroy();
    wakeNow();
  };
  const looks = setInterval(() => {
    if (isTooSlow()) {
      cancel(brokenOff(context, undefined, 'came too slowly to go on with'));
    }
  }, ms);
  body
    .on('data', (piece: Buffer) => {
      pieces.push(piece);
      bytes += piece.length;
      came += piece.length;
      if (bytes >= AHEAD_BYTES) body.pause();
      if (waking || !wake) return;
      // A TLS record has 16 KiB at most, and several come in one read of the socket: they are handed on together.
      waking = true;
      setImmediate(() => {
        waking = false;
        wakeNow();
      });
    })
    .once('end', () => {
      ended = true;
      wakeNow();
    })
    .once('error', (cause: unknown) => {
      failure ??= brokenOff(context, cause);
      wakeNow();
    })
    .once('close', () => {
      clearInterval(looks);
      if (!ended) failure ??= brokenOff(context, undefined);
      wakeNow();
    });

  return {
    cancel,
    async *[Symbol.asyncIterator]() {
      for (;;) {
        if (failure) throw failure;
        if (bytes > 0) {
          const taken = pieces;
          pieces = [];
          bytes = 0;
          if (body.isPaused()) {
            waited = true;
            body.resume();
          }
          yield taken;
        } else if (ended) {
          return;
        } else {
          await new Promise<void>((resolve) => (wake = resolve));
        }
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
