/**
 * One exchange with MESH: token, request, answer, read; done again by the policy in retry.ts where it failed safely. What every
 * endpoint has in common.
 */
import type { MailboxConfig } from '../config';
import { PayloadError, ProtocolError } from '../errors';
import { ACCEPT } from '../protocol/endpoints';
import { readJson } from './body';
import {
  detailsOf,
  failureOfStatus,
  failureOfTransport,
  isUnknownIssuer,
  unknownOutcome,
  type RequestContext,
} from './failures';
import { missingIssuer } from './missing-issuer';
import { withRetry } from './retry';
import { TokensAhead } from './tokens-ahead';
import { TransportFailure, type Transport, type TransportRequest, type TransportResponse } from './transport';

/** A request, and what its failure is called. */
export interface Call extends Omit<TransportRequest, 'headers' | 'signal'> {
  operation: string;
  purpose: string;
  messageId?: string;
  headers?: Record<string, string>;
  repeatable?: boolean;
  /** With this request MESH has the whole message: if it may have arrived, giving up is no proof that it was not sent. */
  completes?: boolean;
  /** At most so many attempts, whatever the mailbox's retry policy. */
  attempts?: number;
  expected: readonly number[];
}

/** The exchanges of one mailbox. */
export class Exchange {
  readonly config: MailboxConfig;
  readonly #transport: Transport;
  readonly #tokens: TokensAhead;

  constructor(config: MailboxConfig, transport: Transport) {
    this.config = config;
    this.#transport = transport;
    this.#tokens = new TokensAhead(config);
  }

  /**
   * How long the small body of an answer may take as a whole (milliseconds): twice what may pass between two of its pieces,
   * so that a body that stops is told as that.
   */
  get answerMs(): number {
    return 2 * this.config.timeouts.bodyMs;
  }

  /** A GET whose answer is small JSON. */
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
      const body = await readJson(response.body, this.answerMs);
      try {
        return read(body);
      } catch (cause) {
        throw new ProtocolError(`The answer to ${operation} is not what MESH answers. ${purpose}.`, {
          ...detailsOf(this.contextOf(call, signal)),
          cause,
          advice: 'Check the address of the environment: this may be another server, or a proxy’s page.',
        });
      }
    });
  }

  /** Throws the errors of errors.ts and nothing else. `alsoExpected` are statuses that are a success in a later attempt. */
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
    const done = withRetry(policy, signal, async (attempt) => {
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
        if (call.expected.includes(response.status) || alsoExpected(attempt).includes(response.status)) {
          try {
            return await read(response);
          } finally {
            discardBody(response);
          }
        }
        mayHaveArrived ||= isUncertain(response.status);
        // The status says enough if the body breaks off.
        const body = await readJson(response.body, this.answerMs).catch(() => undefined);
        discardBody(response);
        throw failureOfStatus(this.contextOf(call, signal), response, body);
      } catch (error) {
        if (!(error instanceof TransportFailure)) throw error;
        mayHaveArrived ||= error.requestSent;
        throw failureOfTransport(this.contextOf(call, signal), error, await this.#issuerMissing(error));
      }
    });
    if (!call.completes) return done;
    return done.catch((error: unknown) => {
      if (!mayHaveArrived || error instanceof PayloadError) throw error;
      const context = this.contextOf(call, signal);
      throw unknownOutcome(context, 'the answer to its last chunk was lost', { ...detailsOf(context), cause: error });
    });
  }

  /** Which CA is missing, if that is what failed. A proxy's tunnel cannot be asked. */
  async #issuerMissing(failure: TransportFailure): Promise<string | undefined> {
    return isUnknownIssuer(failure) && !this.config.proxy ? missingIssuer(this.config.url) : undefined;
  }

  /** What the request is about, for an error. */
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

/** MESH may have done what it was asked: a fault after the effect looks like one before it. */
function isUncertain(status: number): boolean {
  return status < 300 || status === 500 || status === 502 || status === 504;
}

/** What was not read to its end would keep its connection busy for good. Harmless for what was. */
function discardBody(response: TransportResponse): void {
  if (!response.body.hasEnded) response.body.cancel(new Error('not wanted'));
}
