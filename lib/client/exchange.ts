/**
 * One exchange with MESH, as every endpoint makes it: token, request, response, read; repeated by the policy in
 * retry.ts after a failure that is safe to repeat.
 */
import type { MailboxConfig } from '../config';
import { ACCEPT } from '../protocol/endpoints';
import { isMeshError } from '../protocol/responses';
import { readJson } from './body';
import {
  detailsOf,
  failureOfStatus,
  failureOfTransport,
  foreignResponse,
  isUnknownIssuer,
  unknownOutcome,
  type RequestContext,
} from './failures';
import { missingIssuer } from './missing-issuer';
import { asksForAnotherAttempt, NotFromMesh, requireRefusal } from './origin';
import { withRetry } from './retry';
import { TokenPool } from './token-pool';
import { TransportFailure, type Transport, type TransportRequest, type TransportResponse } from './transport';

/** A request, and the words for its failure. */
export interface Call extends Omit<TransportRequest, 'headers' | 'signal'> {
  /** The operation's name in mesh-api.yaml. */
  operation: string;
  /** What did not happen, a sentence without a full stop, e.g. `The inbox was not listed`. */
  purpose: string;
  messageId?: string;
  headers?: Record<string, string>;
  /** Default true; see {@link RequestContext}. */
  repeatable?: boolean;
  /**
   * This request completes the message at MESH: if it may have arrived, the last failure leaves the outcome unknown.
   */
  completes?: boolean;
  /** Maximum number of attempts, if lower than the mailbox's own. */
  attempts?: number;
  expected: readonly number[];
}

/** The exchanges of one mailbox. */
export class Exchange {
  readonly config: MailboxConfig;
  readonly #transport: Transport;
  readonly #tokens: TokenPool;

  constructor(config: MailboxConfig, transport: Transport) {
    this.config = config;
    this.#transport = transport;
    this.#tokens = new TokenPool(config);
  }

  /**
   * Time limit for the whole of a small body (milliseconds): twice the limit between two pieces, so that a body that
   * stops is reported as one that stopped.
   */
  get smallBodyMs(): number {
    return 2 * this.config.timeouts.bodyMs;
  }

  /** Makes a GET request whose response is small JSON. */
  get<T>(
    operation: string,
    purpose: string,
    path: string,
    read: (body: unknown) => T,
    signal: AbortSignal | undefined,
    messageId?: string,
  ): Promise<T> {
    const call: Call = {
      operation,
      purpose,
      method: 'GET',
      path,
      expected: [200],
      ...(messageId ? { messageId } : {}),
    };
    return this.run(call, signal, async (response) => {
      const { json } = await readJson(response.body, this.smallBodyMs);
      if (isMeshError(json)) throw new NotFromMesh('an error with the status of a success');
      try {
        return read(json);
      } catch (cause) {
        throw new NotFromMesh('the body is not this operation’s', { cause });
      }
    });
  }

  /**
   * Runs the call and returns what `read` makes of its response; `read` throws NotFromMesh if the response is not MESH's
   * (origin.ts). `alsoExpected` returns further statuses that count as success at that attempt.
   * @throws MeshError only
   */
  run<T>(
    call: Call,
    signal: AbortSignal | undefined,
    read: (response: TransportResponse) => Promise<T>,
    alsoExpected: (attempt: number) => readonly number[] = () => [],
  ): Promise<T> {
    const { retry } = this.config;
    const policy =
      call.attempts === undefined ? retry : { ...retry, attempts: Math.min(retry.attempts, call.attempts) };
    let mayHaveArrived = false;
    const result = withRetry(policy, signal, async (attempt) => {
      try {
        const response = await this.#transport.request({
          method: call.method,
          path: call.path,
          headers: {
            Accept: ACCEPT,
            'User-Agent': this.config.userAgent,
            ...call.headers,
            Authorization: this.#tokens.take(),
          },
          body: call.body,
          headersMs: call.headersMs,
          signal,
        });
        try {
          if (call.expected.includes(response.status) || alsoExpected(attempt).includes(response.status)) {
            const result = await read(response);
            this.#transport.confirm?.(response);
            return result;
          }
          throw await this.#refusal(call, signal, response);
        } catch (error) {
          if (error instanceof NotFromMesh) {
            mayHaveArrived = true;
            throw foreignResponse(this.contextOf(call, signal), response, error);
          }
          mayHaveArrived ||= isUncertain(response.status);
          throw error;
        } finally {
          discardBody(response);
        }
      } catch (error) {
        if (!(error instanceof TransportFailure)) throw error;
        mayHaveArrived ||= error.requestSent;
        throw failureOfTransport(this.contextOf(call, signal), error, await this.#issuerMissing(error));
      }
    });
    if (!call.completes) return result;
    return result.catch((error: unknown) => {
      // Also when the payload was changed or lost since: an earlier attempt may have sent it as it was.
      if (!mayHaveArrived) throw error;
      const context = this.contextOf(call, signal);
      throw unknownOutcome(context, 'the response to its last chunk was lost', { ...detailsOf(context), cause: error });
    });
  }

  /**
   * Returns the error for a status other than success.
   * @throws NotFromMesh when MESH did not send it; TransportFailure when its body broke off
   */
  async #refusal(call: Call, signal: AbortSignal | undefined, response: TransportResponse): Promise<Error> {
    const context = this.contextOf(call, signal);
    if (asksForAnotherAttempt(response.status)) {
      // If the body breaks off, the status is enough.
      const body = await readJson(response.body, this.smallBodyMs).catch(() => undefined);
      if (isMeshError(body?.json)) this.#transport.confirm?.(response);
      return failureOfStatus(context, response, body?.json);
    }
    const body = await readJson(response.body, this.smallBodyMs);
    requireRefusal(response, body, call);
    this.#transport.confirm?.(response);
    return failureOfStatus(context, response, body.json);
  }

  /** Returns the name of the missing CA, if an unknown issuer caused the failure. Not available through a proxy. */
  async #issuerMissing(failure: TransportFailure): Promise<string | undefined> {
    return isUnknownIssuer(failure) && !failure.means.proxy ? missingIssuer(this.config.url) : undefined;
  }

  /** Returns the request's context for an error. */
  contextOf(call: Call, signal: AbortSignal | undefined): RequestContext {
    return {
      operation: call.operation,
      purpose: call.purpose,
      mailboxId: this.config.mailboxId,
      repeatable: call.repeatable ?? true,
      host: this.config.url.host,
      ...(call.messageId ? { messageId: call.messageId } : {}),
      ...(signal ? { signal } : {}),
    };
  }
}

/** Returns whether MESH may have acted on the request: a fault after the effect looks like one before it. */
function isUncertain(status: number): boolean {
  return status < 300 || status === 500 || status === 502 || status === 504;
}

/** Cancels a body that was not read to its end, which would keep its connection busy for good. */
function discardBody(response: TransportResponse): void {
  if (!response.body.hasEnded) response.body.cancel(new Error('discarded'));
}
