/** One method for each endpoint of mesh-api.yaml, on one mailbox. Each is implemented in the file of its group. */
import type { MailboxConfig } from '../config';
import type { InboxPage, MailboxAddress, MessageHeaders, Tracking } from '../types';
import { lookup, searchWorkflow } from './directory';
import { Exchange } from './exchange';
import { handshake } from './handshake';
import { acknowledge, download, head, listInbox, type Download, type InboxQuery } from './inbox';
import { sendChunk, sendMessage, type Upload } from './outbox';
import { track, trackByLocalId } from './tracking';
import type { Transport } from './transport';

export type { Download, InboxQuery } from './inbox';
export type { Upload } from './outbox';

/**
 * The client of one mailbox.
 * @throws MeshError from every method, and nothing else
 */
export class MeshClient {
  readonly #exchange: Exchange;

  constructor(config: MailboxConfig, transport: Transport) {
    this.#exchange = new Exchange(config, transport);
  }

  /** handshake: shows MESH that the mailbox is in use, and checks our credentials. Once every 24 hours. */
  handshake(signal?: AbortSignal): Promise<void> {
    return handshake(this.#exchange, signal);
  }

  /** list_messages: one page of message ids, oldest first. */
  listInbox(query: InboxQuery = {}, signal?: AbortSignal): Promise<InboxPage> {
    return listInbox(this.#exchange, query, signal);
  }

  /** head_message: the headers of a message without its body. */
  head(messageId: string, signal?: AbortSignal): Promise<MessageHeaders> {
    return head(this.#exchange, messageId, signal);
  }

  /**
   * retrieve_message (chunk 1) and retrieve_chunk. `consume` reads the body to its end; if the body breaks off or
   * `consume` throws a `safe` error, the chunk is requested and consumed again from its start.
   */
  download<T>(
    messageId: string,
    chunk: number,
    consume: (download: Download) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    return download(this.#exchange, messageId, chunk, consume, signal);
  }

  /** acknowledge_message: the message leaves the inbox. Safe to repeat. */
  acknowledge(messageId: string, signal?: AbortSignal): Promise<void> {
    return acknowledge(this.#exchange, messageId, signal);
  }

  /**
   * send_message: sends a whole message, or the first chunk of several, and returns MESH's id. A whole message that
   * MESH may already have is never sent again.
   * @throws UnknownOutcomeError when MESH may already have the whole message
   */
  sendMessage(headers: Record<string, string>, upload: Upload, signal?: AbortSignal): Promise<string> {
    return sendMessage(this.#exchange, headers, upload, signal);
  }

  /**
   * send_chunk: sends chunk 2 or later. A 423 for the last chunk, after an attempt whose response was lost, means that
   * the chunk had arrived: MESH reports the message as complete (docs/design.md, rule 1).
   * @throws UnknownOutcomeError when the response to the last chunk stays lost
   */
  sendChunk(messageId: string, upload: Upload, signal?: AbortSignal): Promise<void> {
    return sendChunk(this.#exchange, messageId, upload, signal);
  }

  /** tracking_by_message_id. MESH asks not to do this often. */
  track(messageId: string, signal?: AbortSignal): Promise<Tracking> {
    return track(this.#exchange, messageId, signal);
  }

  /**
   * tracking_by_local_id (deprecated by MESH).
   * @throws LocalIdNotUniqueError when several messages have the id
   */
  trackByLocalId(localId: string, signal?: AbortSignal): Promise<Tracking> {
    return trackByLocalId(this.#exchange, localId, signal);
  }

  /** endpointlookup: the mailboxes of an organisation for a workflow. */
  lookup(odsCode: string, workflowId: string, signal?: AbortSignal): Promise<MailboxAddress[]> {
    return lookup(this.#exchange, odsCode, workflowId, signal);
  }

  /** workflowsearch: the mailboxes that receive a workflow. */
  searchWorkflow(workflowId: string, signal?: AbortSignal): Promise<MailboxAddress[]> {
    return searchWorkflow(this.#exchange, workflowId, signal);
  }
}
