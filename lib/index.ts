/** The public API of the MESH core. It does not need Node-RED. */

// A mailbox and its configuration
export {
  openMailbox,
  type CallOptions,
  type DurableMailbox,
  type DurableOptions,
  type InboxOptions,
  type Mailbox,
} from './mailbox';
export { namedVariable, readVariable } from './variables';
export {
  DEFAULT_EXPANSION_RATIO,
  ENVIRONMENTS,
  environmentKind,
  isSandbox,
  type MailboxOptions,
  type ProxyOptions,
  type TlsFiles,
  type TlsOptions,
} from './config';
export { CertificateFiles, readCertificatesAgain } from './client/certificate-files';
export type { ClientCertificate } from './client/client-certificate';
export type { InboxQuery } from './client/client';
export type { ReceiveOptions } from './receive/download/receive-message';
export type { SendOptions } from './send/send-message';
export * from './types';
export * from './errors';
export { openingMayPass } from './store/rules/opening';
export { ERROR_CODES, findErrorCode, type ErrorCode } from './protocol/error-codes';

// Durable storage
export { openStorage, type Storage, type StorageOptions } from './storage';
export {
  ATTENTION_AT_ONCE,
  ATTENTION_UNACCEPTED,
  MAY_NEED_DECISION,
  MAY_STILL_BE_ACCEPTED,
  OUTGOING_STATES,
  SENT_STATES,
  UNACCEPTED_STATUSES,
  WAITING_TO_SEND,
  type OutgoingState,
} from './message-states';
export { SHOWN_STATES } from './operator/message-list';
export type { LedgerEntry, Outcome, OutgoingCounts, Retention, StoredError } from './store/store';

// Sending: the outbox, deadlines, workflow profiles
export type { Outbox } from './send/outbox';
export type {
  EnqueueOptions,
  OutboxEvent,
  OutboxLimits,
  OutboxMessage,
  OutboxState,
  Overdue,
} from './send/outbox-types';
export { setOwnHolidays } from './send/working-days';
export { mayHaveArrived } from './send/resend';
export type { Deadlines, WorkflowDeadlines } from './send/deadlines';
export type { DraftMessage, PreparedMessage } from './send/by-profile';
export { loadProfiles, SHIPPED_PROFILES, type WorkflowProfile, type WorkflowProfiles } from './acks/profiles';
export { ledgerHead, ledgerLine, type LedgerFormat } from './send/ledger-export';

// Letters
export { buildLetter, type BuiltLetter, type GpConnectSubject, type LetterSender } from './letters/build-letter';
export { letterFromHl7, type FromHl7Options, type LetterCodes } from './letters/from-hl7';
export { HEADING_NAMES, LETTER_KINDS, type Heading, type LetterKind } from './letters/headings';
export { mergeLetters, readLetterFields, type Letter } from './letters/letter';
export { readLetter, type ReceivedLetter } from './letters/read-letter';
export { letterToMdm, type MdmOptions } from './letters/to-hl7';
export { NEXT_STEPS, nextStep, type NextStep, type NextStepName } from './letters/next-step';
export {
  BIRTH_DATE_ORDERS,
  gpProviderAddress,
  type BirthDateOrder,
  type PatientTrace,
} from './letters/practice-address';

// Maps between HL7 v2 and FHIR
export * from './mapping';

// Receiving: the durable inbox
export type {
  DeliveredAcknowledgement,
  DeliveredReply,
  Delivery,
  InboxConsumer,
  InboxPoller,
  InboxRules,
  InboxState,
  ParkedMessage,
  PollerState,
} from './receive/inbox-types';

// Business acknowledgements: sending, reading and building them
export type { AcknowledgementRequest, NoAcknowledgement } from './acks/compose';
export type { SentAcknowledgement } from './send/acknowledgement-sender';
export { parseAcknowledgement, type ParsedPayload } from './acks/parse-acknowledgement';
export { ACK_FORMS, type AckForm, type AckLevel, type AckResult, type ReceivedAck } from './acks/types';
export { ITK3_CODES, type Itk3Code } from './acks/itk3/codes';
export { buildItk3Response, type Itk3ResponseOptions } from './acks/itk3/build';
export { readItk3Request, readItk3Response, type Itk3Request } from './acks/itk3/read';
export { buildNhsAck, readNhsAck, NHSACK_STATUSES, type NhsAckOptions, type NhsAckStatus } from './acks/nhsack/nhsack';
export { readHl7Ack } from './acks/hl7v2/read';

// Message formats
export { CHARSETS, type Charset, type DeclaredCharset } from './formats/charset';
export { repairPem } from './pem';
export { requireUsableCertificates } from './client/usable-certificates';
export type { Tolerated } from './formats/tolerated';
export { CHARSET_RULES, type CharsetRule } from './formats/hl7/charset';
export { readableEnvelope, splitHl7, type Hl7Batch } from './formats/hl7/batch';
export { splitEdifact } from './formats/edifact/split';
export { readHl7, writeHl7, type Hl7Message, type Hl7Options } from './formats/hl7/message';
export { acknowledgeHl7, ACK_CODES, buildHl7Ack, type AckCode, type Hl7AckOptions } from './formats/hl7/acknowledge';
export { readHl7Header, readMsa, withoutMessageTime, type Hl7Header, type Msa } from './formats/hl7/header';
export { readEdifact, writeEdifact, type EdifactMessage, type Interchange } from './formats/edifact/interchange';
export { FHIR_RELEASES, type FhirRelease } from './formats/fhir/definitions';
export { fhirXmlToJson, fhirXmlToObject, type FhirOptions } from './formats/fhir/from-xml';
export { fhirJsonToXml } from './formats/fhir/to-xml';
export type { ValidationIssue } from './formats/fhir/validate/types';
export type { ValidationOutcome, ValidationRequest } from './formats/fhir/profiles/validate-payload';
export { fileTypeOf } from './formats/hl7/file-types';
export { MAX_CONVERTED_BYTES } from './formats/limits';
export { fieldsOf, isNamed } from './formats/message-fields';
export { endWorkers, runInWorker } from './workers/pool';
export {
  unwrapItk2,
  type Itk2Envelope,
  type Itk2Item,
  type Itk2Payload,
  type UnwrappedItk2,
} from './formats/itk2/envelope';
export {
  checkCsv,
  parseCsvRows,
  readCsvRange,
  readCsvSchema,
  splitCsv,
  wholeOf,
  writeCsvHeader,
  writeCsvRows,
  type CsvCheck,
  type CsvFinding,
  type CsvForm,
  type CsvPart,
  type CsvSchema,
  type CsvSource,
  type CsvValues,
} from './formats/csv/index';
export {
  readCodeRows,
  readCodes,
  readTypedRows,
  tableOfRows,
  UnknownCodes,
  type CodeCsvOptions,
  type CodeLookup,
  type CodeTable,
  type CodeTarget,
  type ReadCodes,
  type TypedCodeRow,
} from './mapping/codes/index';
export { ARCHIVE_LIMITS, openTarGz, writeTarGz, type ArchivedFile, type ArchiveLimits } from './formats/archive/tar-gz';
export { convertByRelease, statedRelease, type AnyFhirRelease, type Converted } from './formats/fhir/release';

// HL7 over TCP
export * from './mllp/index';

// The MESH Client's folders
export { InFolder, type InFolderMessage } from './folders/in-folder';
export { OutFolder, type FolderProblem, type OutgoingPair, type Scan, type ScanOptions } from './folders/out-folder';
export { messageOfControl } from './folders/pair-message';
export type { PairOutcome } from './folders/claims';
export type { ControlFields, StatusRecord } from './folders/control-file';
export { avoidDeviceName } from './payload/safe-file-name';
export { payloadSource } from './payload/source';
export { writeWholeFile } from './payload/whole-file';

// The operator view
export type {
  MessagePage,
  MessageQuery,
  MessageView,
  OperatorView,
  PrivateFields,
  ViewedPayload,
} from './operator/mailbox-view';
export type { Activity, Attention } from './store/store';

// Monitoring: health, conditions, traffic, the connection check
export type { ClockSkew, MailboxHealth, RecurringTask } from './monitor/health';
export {
  certificateAndClockSeverity,
  DEFAULT_LIMITS,
  FAIL_HEALTH_WHEN,
  findAlerts,
  findConditions,
  personMustAct,
  worstSeverity,
} from './monitor/conditions';
export type {
  Alert,
  Condition,
  ConditionKind,
  ConditionLimits,
  FailHealthWhen,
  Observation,
  Severity,
} from './monitor/conditions';
export { LATENCY_BOUNDS, type Traffic } from './monitor/traffic';
export { AlertError, AlertQueue, type AlertEvents, type Receiver } from './alerts/alert-queue';
export {
  describeAlert,
  describeUse,
  type AlertContent,
  type AuditedUse,
  type OutgoingAlert,
} from './alerts/outgoing-alert';
export { openHeartbeat, type Heartbeat } from './alerts/heartbeat';
export { openSyslog } from './alerts/syslog';
export { alertLine } from './alerts/syslog-message';
export { openEmail, type EmailOptions } from './alerts/email';
export { openWebhook, type OpenReceiver, type WebhookOptions } from './alerts/webhook';
export { findForgottenMailboxes, type ForgottenMailbox } from './monitor/forgotten-mailboxes';
export { checkConnection, type CheckOptions } from './check/check-connection';
export { CHECK_STEPS, type CheckOutcome, type CheckStep, type CheckStepName } from './check/steps';

// Time and order, shared with the nodes
export { ClockSteps, type ClockStep } from './clock-steps';
export { momentAfter, systemClock, wallTimeOf, type Clock, type Moment } from './clock';
export { SerialQueue } from './store/serial-queue';
