/** The public API of the MESH core. Usable without Node-RED. */
export {
  openMailbox,
  type CallOptions,
  type DurableMailbox,
  type DurableOptions,
  type InboxOptions,
  type Mailbox,
} from './mailbox';
export { forgottenMailboxes, type ForgottenMailbox } from './monitor/forgotten-mailboxes';
export type {
  OperatorView,
  MessageView,
  MessagePage,
  ViewedPayload,
  MessageQuery,
  PrivateFields,
} from './operator/mailbox-view';
export { COUNTED_TO } from './operator/mailbox-view';
export type { Activity, Attention } from './store/overview';
export type { ClockSkew, MailboxHealth, RecurringTask } from './monitor/health';
export { LATENCY_BOUNDS, type Traffic } from './monitor/traffic';
export { alertsBetween, conditionsOf, levelsOf, severityOf } from './monitor/conditions';
export type { Alert, Condition, ConditionKind, Observed, Severity, ConditionLimits } from './monitor/conditions';
export type { ClientCertificate } from './client/client-certificate';
export { checkConnection, type CheckOptions } from './check/check-connection';
export { CHECK_STEPS, type CheckOutcome, type CheckStep, type CheckStepName } from './check/steps';
export { openStorage, type Storage, type StorageOptions } from './storage';
export { ENVIRONMENTS, type MailboxOptions, type ProxyOptions, type TlsOptions } from './config';
export type {
  Delivery,
  InboxConsumer,
  InboxPoller,
  InboxRules,
  InboxState,
  MeshAnswer,
  ParkedMessage,
  PollerState,
} from './receive/inbox-types';
export { workflowMatcher, workflowsMatcher, type WorkflowMatcher } from './protocol/workflow-filter';
export { ERROR_CODES, findErrorCode, type ErrorCode, type ErrorSource } from './protocol/error-codes';
export type { InboxQuery } from './client/client';
export type { ReceiveOptions } from './receive/receive-message';
export type { SendOptions } from './send/send-message';
export type { Outbox } from './send/outbox';
export { mayHaveArrived } from './send/resend';
export { notADevice } from './payload/safe-file-name';
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
export type { AcknowledgementRequest, NoAcknowledgement } from './acks/compose';
export type { SentAcknowledgement } from './send/acknowledgement-sender';
export { parseAcknowledgement, type ParsedPayload } from './acks/parse-acknowledgement';
export { gpProviderAddress, type PatientTrace, type PreparedMessage } from './send/by-profile';
export { loadProfiles, SHIPPED_PROFILES, type WorkflowProfile, type WorkflowProfiles } from './acks/profiles';
export { ACK_FORMS, type AckForm, type AckLevel, type AckResult, type ReceivedAck } from './acks/types';
export { ITK3_CODES, type Itk3Code } from './acks/itk3/codes';
export { buildItk3Response, type Itk3ResponseOptions } from './acks/itk3/build';
export { readItk3Request, readItk3Response, type Itk3Request } from './acks/itk3/read';
export { buildNhsAck, readNhsAck, NHSACK_STATUSES, type NhsAckOptions, type NhsAckStatus } from './acks/nhsack/nhsack';
export { readHl7Ack } from './acks/hl7v2/read';
export type { LedgerEntry, Outcome, OutgoingCounts, OutgoingState, Retention, StoredError } from './store/store';
export type { Clock } from './clock';
export { CHARSETS, type Charset } from './formats/charset';
export { readHl7, writeHl7, type Hl7Message, type Hl7Options } from './formats/hl7/message';
export { acknowledgeHl7, ACK_CODES, type AckCode, type Hl7AckOptions } from './formats/hl7/acknowledge';
export { readEdifact, writeEdifact, type EdifactMessage, type Interchange } from './formats/edifact/interchange';
export { FHIR_RELEASES, type FhirRelease } from './formats/fhir/definitions';
export { fhirXmlToJson, fhirXmlToObject, type FhirOptions } from './formats/fhir/from-xml';
export { fhirJsonToXml } from './formats/fhir/to-xml';
export { InFolder, type Incoming } from './folders/in-folder';
export { OutFolder, type FolderProblem, type OutgoingPair, type Scan, type ScanOptions } from './folders/out-folder';
export type { PairOutcome } from './folders/claims';
export type { ControlFields, StatusRecord } from './folders/control-file';
export * from './types';
export * from './errors';
export * from './mllp/index';
