/** The public API of the MESH core. Usable without Node-RED. */
export { openMailbox, type CallOptions, type Mailbox } from './mailbox';
export { ENVIRONMENTS, type MailboxOptions, type ProxyOptions, type TlsOptions } from './config';
export { createInboxPoller } from './receive/inbox-poller';
export type { Delivery, InboxConsumer, InboxPoller, InboxPollerOptions, PollerState } from './receive/inbox-types';
export { workflowMatcher, workflowsMatcher, type WorkflowMatcher } from './protocol/workflow-filter';
export { ERROR_CODES, findErrorCode, type ErrorCode, type ErrorSource } from './protocol/error-codes';
export type { InboxQuery } from './client/client';
export type { ReceiveOptions } from './receive/receive-message';
export type { SendOptions } from './send/send-message';
export * from './types';
export * from './errors';
