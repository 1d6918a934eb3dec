/** The inbox: list_messages, head_message, retrieve_message, retrieve_chunk and acknowledge_message. */
import { readInbox } from '../protocol/responses';
import { endpoints } from '../protocol/endpoints';
import { readMessageHeaders } from '../protocol/message-headers';
import type { InboxPage, MessageHeaders } from '../types';
import { drain, readJson } from './body';
import type { Call, Exchange } from './exchange';
import type { TransportResponse } from './transport';
import { downloadBody, type DownloadBody } from './download-body';
import { requireEmptyOrNaming, requireMessage } from './origin';

/** The parameters of one page of the inbox. */
export interface InboxQuery {
  /** 10 to 5000; MESH's default is 500. */
  maxResults?: number;
  /** The previous page's {@link InboxPage.continueFrom}. */
  continueFrom?: string;
  /** One pattern in MESH's own form, e.g. `!*_ACK*`. */
  workflowFilter?: string;
}

/** A message or chunk that is being downloaded: its headers, and a body that can be read once. */
export interface Download {
  status: 200 | 206;
  message: MessageHeaders;
  /** The `Mex-Chunk-Range` header, unparsed; undefined if it is missing. */
  chunkRange: string | undefined;
  /** Returns any header by its lower-case name; undefined if it is missing. */
  header: (name: string) => string | undefined;
  /** The bytes on the wire, encoded as in `message.contentEncoding`; read ahead. */
  body: DownloadBody;
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

/** head_message: the headers of a message without its body. */
export function head(exchange: Exchange, messageId: string, signal?: AbortSignal): Promise<MessageHeaders> {
  const call: Call = {
    operation: 'head_message',
    purpose: 'The headers were not fetched',
    messageId,
    method: 'HEAD',
    path: endpoints.message(exchange.config.mailboxId, messageId),
    expected: [200],
  };
  return exchange.run(call, signal, async (response) => {
    await drain(response.body, exchange.smallBodyMs);
    return headersOf(exchange, response, messageId);
  });
}

/**
 * retrieve_message (chunk 1) and retrieve_chunk. `consume` reads the body to its end; if the body breaks off or
 * `consume` throws a `safe` error, the chunk is requested and consumed again from its start.
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
    purpose: 'It was neither downloaded nor acknowledged',
    messageId,
    method: 'GET',
    path: chunk === 1 ? endpoints.message(mailboxId, messageId) : endpoints.messageChunk(mailboxId, messageId, chunk),
    headers: { 'Accept-Encoding': 'gzip' },
    expected: [200, 206],
  };
  const context = exchange.contextOf(call, signal);
  return exchange.run(call, signal, async (response) => {
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
      body: downloadBody(response, context, exchange.config.timeouts.bodyMs),
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
  return exchange.run(call, signal, async (response) => {
    const body = await readJson(response.body, exchange.smallBodyMs);
    requireEmptyOrNaming(body, 'messageId', messageId);
  });
}

/**
 * Parses the headers of the requested message.
 * @throws NotFromMesh when they are not its headers
 */
function headersOf(exchange: Exchange, response: TransportResponse, messageId: string): MessageHeaders {
  requireMessage(response, messageId);
  return readMessageHeaders(response.headers, exchange.config.mailboxId, messageId);
}
