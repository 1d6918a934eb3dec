/**
 * A MESH server for demos and tests: as strict as MESH, in memory, on this machine. It knows the protocol
 * (lib/protocol) but not the client. docs/interoperation.md lists its differences from the NHS's own sandbox.
 */
export { DEFAULT_MAILBOXES, DEFAULT_WORKFLOWS, readMailboxFile, readWorkflowFile } from './mailboxes';
export type { ServiceName, ServiceNote, ServiceSettings, Stage } from './responders/responder';
export { BUILT_IN_SANDBOX, processWide } from './process-wide';
export { DEFAULT_SHARED_KEY, startSandbox } from './start';
export type {
  ClientCertificateOptions,
  PemPair,
  Sandbox,
  SandboxArrival,
  SandboxClockControl,
  SandboxDelivery,
  SandboxFault,
  SandboxFaultEffect,
  SandboxMailbox,
  SandboxMessage,
  SandboxOperation,
  SandboxOptions,
  SandboxRequestRecord,
  SandboxWorkflow,
} from './types';
