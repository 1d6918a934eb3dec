/** What is received: list_messages, head_message, retrieve_message, retrieve_chunk and acknowledge_message. */
import { DownloadError } from '../errors';
import { readInbox } from '../protocol/responses';
import { endpoints } from '../protocol/endpoints';
import { readMessageHeaders } from '../protocol/message-headers';
import type { InboxPage, MessageHeaders } from '../types';
import { drain } from './body';
import type { Call, Exchange } from './exchange';
import type { TransportResponse } from './transport';
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

/** list_messages: one page of message ids, oldest first. */
export function listInbox(exchange: Exchange, query: InboxQuery = {}, signal?: AbortSignal): Promise<InboxPage> {
  const search = new URLSearchParams();
  if (query.maxResults !== undefined) search.set('max_results', String(query.maxResults));
  if (query.continueFrom !== undefined) search.set('continue_from', query.continueFrom);
  if (query.workflowFilter !== undefined) search.set('workflow_filter', query.workflowFilter);
  return exchange.get(
    'list_messages',
    'The inbox was not listed',
    endpoints.inbox(exchange.config.mailboxId, search),
    readInbox,
    signal,
  );
}

/** head_message: a message's headers without its body. */
export function head(exchange: Exchange, messageId: string, signal?: AbortSignal): Promise<MessageHeaders> {
  const call: Call = {
    operation: 'head_message',
    purpose: 'Its headers were not fetched',
    messageId,
    method: 'HEAD',
    path: endpoints.message(exchange.config.mailboxId, messageId),
    expected: [200],
  };
  return exchange.run(call, signal, async (response) => {
    await drain(response.body, exchange.answerMs);
    return headersOf(exchange, response, messageId);
  });
}

/**
 * retrieve_message (chunk 1) and retrieve_chunk. `consume` reads the body to its end; if the body breaks, or `consume`
 * throws a `safe` error, chunk and `consume` are tried again from the start of this chunk.
 */
export function download<T>(
  exchange: Exchange,
  messageId: string,
  chunk: number,
  consume: (download: Download) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const { mailboxId } = exchange.config;
  const call: Call = {
    operation: chunk === 1 ? 'retrieve_message' : 'retrieve_chunk',
    purpose: 'It was not downloaded, and not acknowledged',
    messageId,
    method: 'GET',
    path: chunk === 1 ? endpoints.message(mailboxId, messageId) : endpoints.messageChunk(mailboxId, messageId, chunk),
    headers: { 'Accept-Encoding': 'gzip' },
    expected: [200, 206],
  };
  const context = exchange.contextOf(call, signal);
  return exchange.run(call, signal, (response) => {
    const message = headersOf(exchange, response, messageId);
    const header = (name: string): string | undefined => {
      const value = response.headers[name];
      return (Array.isArray(value) ? value.join(', ') : value) || undefined;
    };
    return consume({
      status: response.status as 200 | 206,
      message,
      chunkRange: header('mex-chunk-range'),
      header,
      body: wholeBody(response, context, exchange.config.timeouts.bodyMs),
    });
  });
}

/** acknowledge_message: the message leaves the inbox. Safe to repeat. */
export function acknowledge(exchange: Exchange, messageId: string, signal?: AbortSignal): Promise<void> {
  const call: Call = {
    operation: 'acknowledge_message',
    purpose: 'It was not acknowledged',
    messageId,
    method: 'PUT',
    path: endpoints.acknowledge(exchange.config.mailboxId, messageId),
    expected: [200],
  };
  return exchange.run(call, signal, (response) => drain(response.body, exchange.answerMs));
}

/** The headers, if they are those of the message that was asked for: another one's must never be acknowledged for it. */
function headersOf(exchange: Exchange, response: TransportResponse, messageId: string): MessageHeaders {
  const named = response.headers['mex-messageid'];
  if (typeof named === 'string' && named.toUpperCase() !== messageId.toUpperCase()) {
    throw new DownloadError(`Message ${messageId} was asked for, and another one came. It was not acknowledged.`, {
      messageId,
      mailboxId: exchange.config.mailboxId,
      advice: 'Look for a proxy that keeps answers; the message is still in the inbox.',
    });
  }
  return readMessageHeaders(response.headers, exchange.config.mailboxId, messageId);
}
