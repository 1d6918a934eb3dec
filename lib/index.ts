/** The public API of the MESH core. Usable without Node-RED. */
export {
  openMailbox,
  type CallOptions,
  type DurableMailbox,
  type DurableOptions,
  type InboxOptions,
  type Mailbox,
} from './mailbox';
export { openState, type State, type StateOptions } from './state';
export { ENVIRONMENTS, type MailboxOptions, type ProxyOptions, type TlsOptions } from './config';
export type { Delivery, InboxConsumer, InboxPoller, InboxRules, PollerState } from './receive/inbox-types';
export { workflowMatcher, workflowsMatcher, type WorkflowMatcher } from './protocol/workflow-filter';
export { ERROR_CODES, findErrorCode, type ErrorCode, type ErrorSource } from './protocol/error-codes';
export type { InboxQuery } from './client/client';
export type { ReceiveOptions } from './receive/receive-message';
export type { SendOptions } from './send/send-message';
export type { Outbox } from './send/outbox';
export { ledgerHead, ledgerLine, type LedgerFormat } from './send/ledger-export';
export type { EnqueueOptions, OutboxEvent, OutboxLimits, OutboxMessage, OutboxState } from './send/outbox-types';
export type { LedgerEntry, Outcome, OutgoingState, Retention, StoredError } from './store/store';
export type { Clock } from './clock';
export { InFolder, type Incoming } from './folders/in-folder';
export { OutFolder, type FolderProblem, type OutgoingPair, type Scan, type ScanOptions } from './folders/out-folder';
export type { PairOutcome } from './folders/claims';
export type { ControlFields, StatusRecord } from './folders/control-file';
export * from './types';
export * from './errors';
