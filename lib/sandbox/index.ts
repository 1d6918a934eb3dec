/**
 * A MESH server for demos and tests: strict where MESH is strict, in memory, on this machine. It knows the protocol
 * (lib/protocol) and nothing of the client. See docs/interoperation.md for where it differs from the NHS's own sandbox.
 */
export { DEFAULT_MAILBOXES, DEFAULT_WORKFLOWS, readMailboxFile, readWorkflowFile } from './mailboxes';
export { DEFAULT_SHARED_KEY, startSandbox } from './start';
export type {
  ClientCertificateOptions,
  PemPair,
  Sandbox,
  SandboxClockControl,
  SandboxFault,
  SandboxFaultEffect,
  SandboxMailbox,
  SandboxMessage,
  SandboxOperation,
  SandboxOptions,
  SandboxRequestRecord,
  SandboxWorkflow,
} from './types';
