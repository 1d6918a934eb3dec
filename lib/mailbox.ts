/** openMailbox(options): the only place where the parts are wired together. */
import { MeshClient, type InboxQuery } from './client/client';
import { createTransport } from './client/transport';
import { readMailboxOptions, type MailboxOptions } from './config';
import { receiveMessage, type ReceiveOptions } from './receive/receive-message';
import { sendMessage, type SendOptions } from './send/send-message';
import type { InboxPage, MailboxAddress, MessageHeaders, OutgoingMessage, ReceivedMessage } from './types';
import type { SentMessage, Tracking } from './types';

/** Every call can be ended; it then throws AbortedError, or UnknownOutcomeError where MESH may already have acted. */
export interface CallOptions {
  signal?: AbortSignal;
}

/** One MESH mailbox. All methods throw the errors of this library only, and may be called side by side. */
export interface Mailbox {
  /** In upper case. */
  readonly mailboxId: string;
  /** Of the environment, without a slash at its end. */
  readonly url: string;
  /** Tells MESH that this mailbox is alive, and whether the credentials fit. Once at start and every 24 hours. */
  handshake(options?: CallOptions): Promise<void>;
  /** One page of message ids, oldest first. List at most every five minutes unless there are more. */
  listInbox(options?: CallOptions & InboxQuery): Promise<InboxPage>;
  /** All message ids in the inbox, page after page. */
  inboxMessageIds(options?: CallOptions & Omit<InboxQuery, 'continueFrom'>): AsyncGenerator<string>;
  /** A message's headers without its payload. */
  head(messageId: string, options?: CallOptions): Promise<MessageHeaders>;
  /** A message with its payload, checked to be whole. Acknowledge it when it is safe where it belongs. */
  receive(messageId: string, options?: CallOptions & ReceiveOptions): Promise<ReceivedMessage>;
  /** Takes the message out of the inbox. MESH then tells the sender that it was collected. */
  acknowledge(messageId: string, options?: CallOptions): Promise<void>;
  /** Sends a message and resolves when MESH has accepted it, which is not yet its delivery: track it. */
  send(message: OutgoingMessage, options?: CallOptions & SendOptions): Promise<SentMessage>;
  /** What became of a sent message. MESH asks not to do this often: hours are normal. */
  track(messageId: string, options?: CallOptions): Promise<Tracking>;
  /** The same by our own reference. Deprecated by MESH; throws LocalIdNotUniqueError where it names several. */
  trackByLocalId(localId: string, options?: CallOptions): Promise<Tracking>;
  /** The mailboxes of an organisation (ODS code) that take a workflow. */
  lookup(odsCode: string, workflowId: string, options?: CallOptions): Promise<MailboxAddress[]>;
  /** All mailboxes that take a workflow. */
  searchWorkflow(workflowId: string, options?: CallOptions): Promise<MailboxAddress[]>;
  /** Ends what is under way and closes all connections. Repeatable. */
  close(): Promise<void>;
}

/** Opens a mailbox; connects only when something is asked of it. Throws ConfigurationError for options that cannot work. */
export function openMailbox(options: MailboxOptions): Mailbox {
  const config = readMailboxOptions(options);
  const transport = createTransport(config);
  const client = new MeshClient(config, transport);
  const closing = new AbortController();
  const signalOf = (call?: CallOptions): AbortSignal =>
    call?.signal ? AbortSignal.any([call.signal, closing.signal]) : closing.signal;

  return {
    mailboxId: config.mailboxId,
    url: config.url.href.replace(/\/+$/, ''),
    handshake: (call) => client.handshake(signalOf(call)),
    listInbox: (query) => client.listInbox(query, signalOf(query)),
    async *inboxMessageIds(query = {}) {
      let page: InboxPage | undefined;
      do {
        const from = page?.continueFrom;
        page = await client.listInbox({ ...query, ...(from ? { continueFrom: from } : {}) }, signalOf(query));
        yield* page.messageIds;
        // A server that gives the same place again would have us here for ever.
        if (page.continueFrom === from) return;
      } while (page.continueFrom !== undefined);
    },
    head: (messageId, call) => client.head(messageId, signalOf(call)),
    receive: (messageId, call) => receiveMessage(client, config, messageId, { ...call, signal: signalOf(call) }),
    acknowledge: (messageId, call) => client.acknowledge(messageId, signalOf(call)),
    send: (message, call) => sendMessage(client, config, message, { ...call, signal: signalOf(call) }),
    track: (messageId, call) => client.track(messageId, signalOf(call)),
    trackByLocalId: (localId, call) => client.trackByLocalId(localId, signalOf(call)),
    lookup: (odsCode, workflowId, call) => client.lookup(odsCode, workflowId, signalOf(call)),
    searchWorkflow: (workflowId, call) => client.searchWorkflow(workflowId, signalOf(call)),
    async close() {
      closing.abort();
      await transport.close();
    },
  };
}
