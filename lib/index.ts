/** The public API of the MESH core. Usable without Node-RED. */
export {
  openMailbox,
  type CallOptions,
  type DurableMailbox,
  type DurableOptions,
  type InboxOptions,
  type Mailbox,
} from './mailbox';
export { forgottenMailboxes, type ForgottenMailbox } from './forgotten-mailboxes';
export { openState, type State, type StateOptions } from './state';
export { ENVIRONMENTS, type MailboxOptions, type ProxyOptions, type TlsOptions } from './config';
export type {
  Delivery,
  InboxConsumer,
  InboxPoller,
  InboxRules,
  ParkedMessage,
  PollerState,
} from './receive/inbox-types';
export { workflowMatcher, workflowsMatcher, type WorkflowMatcher } from './protocol/workflow-filter';
export { ERROR_CODES, findErrorCode, type ErrorCode, type ErrorSource } from './protocol/error-codes';
export type { InboxQuery } from './client/client';
export type { ReceiveOptions } from './receive/receive-message';
export type { SendOptions } from './send/send-message';
export type { Outbox } from './send/outbox';
export { ledgerHead, ledgerLine, type LedgerFormat } from './send/ledger-export';
export type {
  EnqueueOptions,
  OutboxEvent,
  OutboxLimits,
  OutboxMessage,
  OutboxState,
  Overdue,
} from './send/outbox-types';
export type { Deadlines, WorkflowDeadlines } from './send/deadlines';
export type { Answer } from './store/settle-outcome';
export type { LedgerEntry, Outcome, OutgoingState, Retention, StoredError } from './store/store';
export type { Clock } from './clock';
export * from './types';
export * from './errors';
export * from './mllp/index';
