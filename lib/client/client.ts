/**
 * One method per endpoint of mesh-api.yaml, on one mailbox. Each method is one exchange: token, request, answer, read; and
 * an exchange that failed safely is done again by the policy in retry.ts.
 */
import { arch, release, type, version } from 'node:os';
import type { MailboxConfig } from '../config';
import { AuthenticationError, DownloadError, PayloadError, ProtocolError } from '../errors';
import { readError, readInbox, readMailboxes, readMessageId, readTracking } from '../protocol/answers';
import { authorizationToken } from '../protocol/authorization';
import { formatChunkRange, type ChunkRange } from '../protocol/chunk-range';
import { ACCEPT, endpoints } from '../protocol/endpoints';
import { adviceFor } from '../protocol/error-codes';
import { readMessageHeaders } from '../protocol/message-headers';
import type { InboxPage, MailboxAddress, MessageHeaders, Tracking } from '../types';
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
import {
  TransportFailure,
  type RequestBody,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from './transport';
import { wholeBody, type Body } from './whole-body';

/** What can be asked of a page of the inbox. */
export interface InboxQuery {
  /** 10 to 5000; MESH's default is 500. */
  maxResults?: number;
  /** From the page before. */
  continueFrom?: string;
  /** One pattern in MESH's own form, e.g. `!*_ACK*`. */
  workflowFilter?: string;
}

/** A message or chunk under way to us: its headers, and the body to be read once. */
export interface Download {
  status: 200 | 206;
  message: MessageHeaders;
  /** As MESH gave it; undefined where the header is missing. */
  chunkRange: string | undefined;
  /** Any header, by its name in lower case; undefined where it is missing. */
  header: (name: string) => string | undefined;
  /** Bytes on the wire, encoded as `message.contentEncoding` says; read ahead. */
  body: Body;
}

/** A chunk, or a whole message as its only chunk. */
export interface Upload {
  range: ChunkRange;
  body: RequestBody;
  /** `gzip` if the body is compressed. May not change within a message. */
  contentEncoding: 'gzip' | undefined;
}

interface Call extends Omit<TransportRequest, 'headers' | 'signal'> {
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

/** The client of one mailbox. Every method throws the errors of errors.ts and nothing else. */
export class MeshClient {
  readonly #config: MailboxConfig;
  readonly #transport: Transport;

  constructor(config: MailboxConfig, transport: Transport) {
    this.#config = config;
    this.#transport = transport;
  }

  /** Tells MESH that the mailbox is alive, and finds out whether it lets us in. handshake: once every 24 hours. */
  async handshake(signal?: AbortSignal): Promise<void> {
    const call: Call = {
      operation: 'handshake',
      purpose: 'The handshake did not succeed',
      method: 'POST',
      path: endpoints.handshake(this.#config.mailboxId),
      headers: {
        'Mex-ClientVersion': this.#config.clientVersion,
        'Mex-OSName': type(),
        'Mex-OSVersion': `${release()} ${version()}`.slice(0, 200),
        'Mex-OSArchitecture': arch(),
      },
      // It waits in the way of everything else, and is repeated by whoever wants it.
      attempts: 2,
      headersMs: Math.min(30_000, this.#config.timeouts.headersMs),
      expected: [200],
    };
    await this.#exchange(call, signal, async (response) => {
      // A 200 with an errorCode in its body has been seen (DOMAIN.md 1.3).
      const answer = readError(await readJson(response.body));
      if (answer.code === undefined) return;
      throw new AuthenticationError(`MESH answered the handshake with its error code ${answer.code}.`, {
        ...detailsOf(this.#context(call, signal)),
        meshCode: answer.code,
        ...(answer.event ? { event: answer.event } : {}),
        ...(answer.description ? { description: answer.description } : {}),
        advice: adviceFor('api', answer.event, answer.code),
      });
    });
  }

  /** list_messages: one page of message ids, oldest first. */
  listInbox(query: InboxQuery = {}, signal?: AbortSignal): Promise<InboxPage> {
    const search = new URLSearchParams();
    if (query.maxResults !== undefined) search.set('max_results', String(query.maxResults));
    if (query.continueFrom !== undefined) search.set('continue_from', query.continueFrom);
    if (query.workflowFilter !== undefined) search.set('workflow_filter', query.workflowFilter);
    return this.#get(
      'list_messages',
      'The inbox was not listed',
      endpoints.inbox(this.#config.mailboxId, search),
      readInbox,
      signal,
    );
  }

  /** head_message: a message's headers without its body. */
  head(messageId: string, signal?: AbortSignal): Promise<MessageHeaders> {
    const call: Call = {
      operation: 'head_message',
      purpose: 'Its headers were not fetched',
      messageId,
      method: 'HEAD',
      path: endpoints.message(this.#config.mailboxId, messageId),
      expected: [200],
    };
    return this.#exchange(call, signal, async (response) => {
      await response.body.dump();
      return this.#headersOf(response, messageId);
    });
  }

  /**
   * retrieve_message (chunk 1) and retrieve_chunk. `consume` reads the body to its end; if the body breaks, or `consume`
   * throws a `safe` error, chunk and `consume` are tried again from the start of this chunk.
   */
  download<T>(
    messageId: string,
    chunk: number,
    consume: (download: Download) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const { mailboxId } = this.#config;
    const call: Call = {
      operation: chunk === 1 ? 'retrieve_message' : 'retrieve_chunk',
      purpose: 'It was not downloaded, and not acknowledged',
      messageId,
      method: 'GET',
      path: chunk === 1 ? endpoints.message(mailboxId, messageId) : endpoints.messageChunk(mailboxId, messageId, chunk),
      headers: { 'Accept-Encoding': 'gzip' },
      expected: [200, 206],
    };
    const context = this.#context(call, signal);
    return this.#exchange(call, signal, (response) => {
      const message = this.#headersOf(response, messageId);
      const header = (name: string): string | undefined =>
        [response.headers[name] ?? []].flat().join(', ') || undefined;
      return consume({
        status: response.status as 200 | 206,
        message,
        chunkRange: header('mex-chunk-range'),
        header,
        body: wholeBody(response, context),
      });
    });
  }

  /** acknowledge_message: the message leaves the inbox. Safe to repeat. */
  acknowledge(messageId: string, signal?: AbortSignal): Promise<void> {
    const call: Call = {
      operation: 'acknowledge_message',
      purpose: 'It was not acknowledged',
      messageId,
      method: 'PUT',
      path: endpoints.acknowledge(this.#config.mailboxId, messageId),
      expected: [200],
    };
    return this.#exchange(call, signal, (response) => response.body.dump());
  }

  /**
   * send_message: a whole message, or the first chunk of several. Gives MESH's id. A whole message is never sent again where
   * MESH may have it already: then this throws UnknownOutcomeError.
   */
  sendMessage(headers: Record<string, string>, upload: Upload, signal?: AbortSignal): Promise<string> {
    const single = upload.range.totalChunks === 1;
    const call: Call = {
      operation: 'send_message',
      purpose: 'The message was not sent',
      method: 'POST',
      path: endpoints.outbox(this.#config.mailboxId),
      headers: { ...headers, ...uploadHeaders(upload) },
      body: upload.body,
      // The first chunk of several may be repeated: MESH waits for the others, and the orphan is never delivered.
      repeatable: !single,
      expected: [200, 202],
    };
    return this.#exchange(call, signal, async (response) => {
      const messageId = readMessageId(await readJson(response.body));
      if (messageId !== undefined) return messageId;
      const context = this.#context(call, signal);
      throw single
        ? unknownOutcome(context, 'MESH accepted it, but its answer has no message id', detailsOf(context))
        : new ProtocolError('MESH accepted the first chunk, but its answer has no message id.', detailsOf(context));
    });
  }

  /**
   * send_chunk: chunk 2 or later. A 423 for the last chunk, when an earlier attempt's answer was lost, means that it had
   * arrived: MESH says that the message is complete (DESIGN.md, rule 1). Where its answer stays lost: UnknownOutcomeError.
   */
  sendChunk(messageId: string, upload: Upload, signal?: AbortSignal): Promise<void> {
    const { chunk, totalChunks } = upload.range;
    const call: Call = {
      operation: 'send_chunk',
      purpose: `Chunk ${chunk} of ${totalChunks} was not sent`,
      messageId,
      method: 'POST',
      path: endpoints.outboxChunk(this.#config.mailboxId, messageId, chunk),
      headers: { 'Content-Type': 'application/octet-stream', ...uploadHeaders(upload) },
      body: upload.body,
      completes: chunk === totalChunks,
      expected: [200, 202],
    };
    return this.#exchange(
      call,
      signal,
      (response) => response.body.dump(),
      (attempt) => (chunk === totalChunks && attempt > 1 ? [423] : []),
    );
  }

  /** tracking_by_message_id. MESH asks not to do this often. */
  track(messageId: string, signal?: AbortSignal): Promise<Tracking> {
    const path = endpoints.tracking(this.#config.mailboxId, messageId);
    return this.#get('tracking_by_message_id', 'It was not tracked', path, readTracking, signal, messageId);
  }

  /** tracking_by_local_id (deprecated by MESH). Throws LocalIdNotUniqueError where several messages carry the id. */
  trackByLocalId(localId: string, signal?: AbortSignal): Promise<Tracking> {
    const path = endpoints.trackingByLocalId(this.#config.mailboxId, localId);
    return this.#get('tracking_by_local_id', 'The message was not tracked', path, readTracking, signal);
  }

  /** endpointlookup: the mailboxes of an organisation for a workflow. */
  lookup(odsCode: string, workflowId: string, signal?: AbortSignal): Promise<MailboxAddress[]> {
    const path = endpoints.endpointLookup(odsCode, workflowId);
    return this.#get('endpointlookup', 'No mailbox was looked up', path, readMailboxes, signal);
  }

  /** workflowsearch: the mailboxes that take a workflow. */
  searchWorkflow(workflowId: string, signal?: AbortSignal): Promise<MailboxAddress[]> {
    const path = endpoints.workflowSearch(workflowId);
    return this.#get('workflowsearch', 'No mailbox was looked up', path, readMailboxes, signal);
  }

  /** The headers, if they are those of the message that was asked for: another one's must never be acknowledged for it. */
  #headersOf(response: TransportResponse, messageId: string): MessageHeaders {
    const named = response.headers['mex-messageid'];
    if (typeof named === 'string' && named.toUpperCase() !== messageId.toUpperCase()) {
      throw new DownloadError(`Message ${messageId} was asked for, and another one came. It was not acknowledged.`, {
        messageId,
        mailboxId: this.#config.mailboxId,
        advice: 'Look for a proxy that keeps answers; the message is still in the inbox.',
      });
    }
    return readMessageHeaders(response.headers, this.#config.mailboxId, messageId);
  }

  /** A GET whose answer is small JSON. */
  #get<T>(
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
    return this.#exchange(call, signal, async (response) => {
      const body = await readJson(response.body);
      try {
        return read(body);
      } catch (cause) {
        throw new ProtocolError(`The answer to ${operation} is not what MESH answers. ${purpose}.`, {
          ...detailsOf(this.#context(call, signal)),
          cause,
          advice: 'Check the address of the environment: this may be another server, or a proxy’s page.',
        });
      }
    });
  }

  #exchange<T>(
    call: Call,
    signal: AbortSignal | undefined,
    read: (response: TransportResponse) => Promise<T>,
    alsoExpected: (attempt: number) => readonly number[] = () => [],
  ): Promise<T> {
    const context = this.#context(call, signal);
    const { retry } = this.#config;
    const policy = { ...retry, attempts: Math.min(retry.attempts, call.attempts ?? Infinity) };
    let mayHaveArrived = false;
    return withRetry(policy, signal, async (attempt) => {
      try {
        const response = await this.#transport.request({
          method: call.method,
          path: call.path,
          headers: {
            Accept: ACCEPT,
            'User-Agent': this.#config.userAgent,
            ...call.headers,
            Authorization: authorizationToken(this.#config),
          },
          ...(call.body ? { body: call.body } : {}),
          ...(call.headersMs === undefined ? {} : { headersMs: call.headersMs }),
          ...(signal ? { signal } : {}),
        });
        if (call.expected.includes(response.status) || alsoExpected(attempt).includes(response.status)) {
          return await read(response).finally(() => letGo(response));
        }
        mayHaveArrived ||= isUncertain(response.status);
        // The status says enough if the body breaks off.
        throw failureOfStatus(context, response, await readJson(response.body).catch(() => undefined));
      } catch (error) {
        if (!(error instanceof TransportFailure)) throw error;
        mayHaveArrived ||= error.requestSent;
        throw failureOfTransport(context, error, await this.#issuerMissing(error));
      }
    }).catch((error: unknown) => {
      if (!call.completes || !mayHaveArrived || error instanceof PayloadError) throw error;
      throw unknownOutcome(context, 'the answer to its last chunk was lost', { ...detailsOf(context), cause: error });
    });
  }

  /** Which CA is missing, if that is what failed. A proxy's tunnel cannot be asked. */
  async #issuerMissing(failure: TransportFailure): Promise<string | undefined> {
    return isUnknownIssuer(failure) && !this.#config.proxy ? missingIssuer(this.#config.url) : undefined;
  }

  #context(call: Call, signal: AbortSignal | undefined): RequestContext {
    return {
      operation: call.operation,
      purpose: call.purpose,
      mailboxId: this.#config.mailboxId,
      repeatable: call.repeatable ?? true,
      host: this.#config.url.host,
      ...(call.messageId ? { messageId: call.messageId } : {}),
      ...(signal ? { signal } : {}),
    };
  }
}

/** MESH may have done what it was asked: a fault after the effect looks like one before it. */
function isUncertain(status: number): boolean {
  return status < 300 || status === 500 || status === 502 || status === 504;
}

function uploadHeaders(upload: Upload): Record<string, string> {
  return {
    ...(upload.range.totalChunks > 1 ? { 'Mex-Chunk-Range': formatChunkRange(upload.range) } : {}),
    ...(upload.contentEncoding ? { 'Content-Encoding': upload.contentEncoding } : {}),
  };
}

/** What was not read to its end would keep its connection busy for good. Harmless for what was. */
function letGo(response: TransportResponse): void {
  response.body.on('error', () => undefined).destroy();
}
