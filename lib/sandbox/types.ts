/** The shapes that users of the sandbox meet: its options, its faults and what {@link startSandbox} gives back. */

/** One mailbox of the sandbox. */
export interface SandboxMailbox {
  /** Taken in capitals, as MESH has it. */
  mailboxId: string;
  password: string;
  /** Default: empty. Endpoint lookup shows it. */
  name?: string;
  odsCode?: string;
  orgCode?: string;
  orgName?: string;
  billingEntity?: string;
  /** Default true. A mailbox that is not active gets 403 for everything; messages to it are taken and expire. */
  active?: boolean;
}

/** Who may send and who may receive a workflow. Both lists hold mailbox ids. */
export interface SandboxWorkflow {
  workflowId: string;
  senders: string[];
  receivers: string[];
}

/** Options of {@link startSandbox}. None is needed. */
export interface SandboxOptions {
  /** Address to listen on. Default `127.0.0.1`: reachable from this machine only. */
  host?: string;
  /** Default 0: any free one. */
  port?: number;
  /** Default `https`. */
  protocol?: 'https' | 'http';
  /** The server's certificate and key, PEM. Default: made at start under a throw-away CA. */
  tls?: { cert: string; key: string };
  /**
   * Default `optional`: verified against the sandbox's own CA where one is presented. `none`: not asked for. A client
   * certificate that is missing where `required`, expired, or of another CA gets 403 with the reason.
   */
  clientCertificate?: 'none' | 'optional' | 'required';
  /** The environment's shared key. Default `TestKey`, as in the sandbox of the NHS. */
  sharedKey?: string;
  /** Default: X26ABC1, X26ABC2 and X26ABC3, password `password`, as in the sandbox of the NHS. */
  mailboxes?: SandboxMailbox[];
  /** Default: the three workflows of the sandbox of the NHS. */
  workflows?: SandboxWorkflow[];
  /** Default false: any workflow between any mailboxes. True: 417 with code 16 or 17 where a workflow has no such pair. */
  restrictWorkflows?: boolean;
  /** Default false. True: the test endpoints (`/admin/…`) answer, without any authorization. */
  admin?: boolean;
  /** Bodies over 64 KiB are kept in a fresh folder below this one, removed on close. Default `os.tmpdir()`. */
  spoolDir?: string;
  /** How long tracking does not know a message after its upload began, in ms of sandbox time. Default 0. */
  trackingLagMs?: number;
  /** Largest body of one request in bytes; above it 413. Default 100,000,000 ("100MB", mesh-api.yaml, send_message). */
  maxRequestBytes?: number;
  /** How many finished messages are remembered before the oldest are forgotten. Default 100,000. */
  maxFinishedMessages?: number;
}

/** What a {@link SandboxFault} does to the request that it strikes. */
export type SandboxFaultEffect =
  /** Answers this status. `after`: the request took effect first (its real answer is lost). */
  | { kind: 'status'; status: number; headers?: Record<string, string>; body?: unknown; after?: boolean }
  /** Goes on after so many (real) milliseconds. */
  | { kind: 'delay'; ms: number }
  /** Destroys the connection before or after the request took effect. */
  | { kind: 'drop'; when: 'before' | 'after' }
  /** Sends only so many bytes of the answer's body and then breaks the connection. */
  | { kind: 'truncate'; bytes: number }
  /** Flips bytes in the answer's body. */
  | { kind: 'corrupt' };

/**
 * A fault on demand. Of several, the first that fits a request strikes it. Faults strike after authorization, so the
 * struck request has used up its token, and never the admin and health endpoints.
 */
export interface SandboxFault {
  /** An {@link SandboxOperation} such as `send_message`, or `*` for all of them. */
  operation: string;
  /** Only requests of this mailbox. Default: of any. */
  mailboxId?: string;
  /** How often it strikes; default 1; Infinity for always. */
  times?: number;
  /** 0 to 1; default 1. */
  probability?: number;
  /** Skip the first n requests that fit; default 0. */
  after?: number;
  effect: SandboxFaultEffect;
}

/** The operations of mesh-api.yaml by their short names (its operationId without the path). */
export type SandboxOperation =
  | 'handshake'
  | 'list_messages'
  | 'retrieve_message'
  | 'head_message'
  | 'acknowledge_message'
  | 'retrieve_chunk'
  | 'count_messages_in_inbox'
  | 'send_message'
  | 'send_chunk'
  | 'tracking_by_message_id'
  | 'tracking_by_local_id'
  /** get_receiving_mailbox_ids … endpointlookup */
  | 'endpoint_lookup'
  /** get_receiving_mailbox_ids … workflowsearch */
  | 'workflow_search';

/** One message as {@link Sandbox.messages} lists it. */
export interface SandboxMessage {
  messageId: string;
  /** Empty for a REPORT. */
  from: string;
  /** The mailbox in whose inbox it is or was. */
  to: string;
  workflowId: string;
  localId?: string;
  /** `uploading`, `accepted`, `acknowledged`, `undeliverable` or `error`. */
  status: string;
  messageType: 'DATA' | 'REPORT';
  totalChunks: number;
  /** As uploaded, that is compressed where a Content-Encoding was given. */
  bytes: number;
}

/** One request as {@link Sandbox.requests} lists it. */
export interface SandboxRequestRecord {
  /** A {@link SandboxOperation}, `admin`, `ping`, `rich_inbox`, `rich_outbox`, `update` or `unknown`. */
  operation: string;
  method: string;
  /** Path and query as they came. */
  path: string;
  /** 0 if no answer was sent: the connection broke, or a fault broke it. */
  status: number;
  mailboxId?: string;
}

/** A certificate and its private key, PEM. */
export interface PemPair {
  cert: string;
  key: string;
}

/** How a client certificate is to be made. */
export interface ClientCertificateOptions {
  /** Default `sandbox.X26.api.mesh-client.nhs.uk` (mesh-api.yaml, "Get a TLS certificate"). */
  commonName?: string;
  /** Default in one year. A time in the past makes an expired certificate. */
  notAfter?: Date;
}

/** The sandbox's clock: goes on like the real one, from wherever it was set. */
export interface SandboxClockControl {
  now(): Date;
  /** Messages that expire by this are dealt with at once. */
  set(time: Date): void;
  /** Milliseconds, also negative ones. */
  advance(ms: number): void;
}

/** A running sandbox. */
export interface Sandbox {
  /** E.g. `https://127.0.0.1:40123`, without a slash at the end. */
  readonly url: string;
  /** Different for every sandbox that was ever started. */
  readonly instance: string;
  readonly sharedKey: string;
  /** PEM of the CA that signed the server's certificate; undefined on http and where `tls` was given. */
  readonly ca: string | undefined;
  readonly mailboxes: SandboxMailbox[];
  /** A client certificate signed by the sandbox's CA. Throws ConfigurationError on http. */
  clientCertificate(options?: ClientCertificateOptions): Promise<PemPair>;
  readonly clock: SandboxClockControl;
  /** Arms a fault. Throws ConfigurationError if it makes no sense. */
  fault(fault: SandboxFault): void;
  clearFaults(): void;
  /** Every message accepted or uploading that is still remembered, oldest first. */
  messages(): SandboxMessage[];
  /** Every request that was answered or broken off, newest last; the last 10,000. */
  requests(): SandboxRequestRecord[];
  /** Adds a mailbox, or replaces the settings of the one with the same id. Throws ConfigurationError. */
  addMailbox(mailbox: SandboxMailbox): void;
  /** Throws ConfigurationError if there is no such mailbox. */
  setMailboxActive(mailboxId: string, active: boolean): void;
  /** Forgets all messages, or those of one mailbox. Mailboxes, faults, clock and used tokens stay. */
  reset(mailboxId?: string): Promise<void>;
  /** Lets the process end although the sandbox is running. */
  unref(): void;
  /** Ends all connections and removes the spool. Harmless when repeated. */
  close(): Promise<void>;
}
