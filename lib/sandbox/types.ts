/** The public types of the sandbox: its options, its faults and what {@link startSandbox} returns. */
import type { ServiceName, ServiceNote, ServiceSettings } from './responders/responder';

/** One mailbox of the sandbox. */
export interface SandboxMailbox {
  /** Converted to capitals, as at MESH. */
  mailboxId: string;
  password: string;
  /** The name in lookups. Default: empty. */
  name?: string;
  odsCode?: string;
  orgCode?: string;
  orgName?: string;
  billingEntity?: string;
  /** Default true. An inactive mailbox gets 403 for every request; messages to it are accepted and expire. */
  active?: boolean;
}

/** The mailboxes that may send and receive a workflow, by id. */
export interface SandboxWorkflow {
  workflowId: string;
  senders: string[];
  receivers: string[];
}

/** Options of {@link startSandbox}, all optional. */
export interface SandboxOptions {
  /** Address to listen on. Default `127.0.0.1`: reachable from this machine only. */
  host?: string;
  /** Default 0: any free port. */
  port?: number;
  /** Default `https`. */
  protocol?: 'https' | 'http';
  /** The server's certificate and key, PEM. Default: made at start under a throw-away CA. */
  tls?: { cert: string; key: string };
  /**
   * Default `optional`: clients are asked for a certificate and may have none. `none`: they are not asked. A certificate
   * that is missing although `required`, or that `clientCa` does not accept, gets 403 with the reason.
   */
  clientCertificate?: 'none' | 'optional' | 'required';
  /**
   * What a client certificate is checked against. Default `own`: the sandbox's CA, which
   * {@link Sandbox.clientCertificate} issues from. `any`: every certificate is accepted unchecked, as in the NHS's
   * sandbox. Otherwise the certificates of one or more CAs, PEM.
   */
  clientCa?: 'own' | 'any' | { pem: string };
  /** The environment's shared key. Default `TestKey`, as in the NHS's sandbox. */
  sharedKey?: string;
  /** Default: X26ABC1, X26ABC2 and X26ABC3 with the password `password`, as in the NHS's sandbox. */
  mailboxes?: SandboxMailbox[];
  /** Default: the three workflows of the NHS's sandbox. */
  workflows?: SandboxWorkflow[];
  /**
   * Default false: any workflow between any mailboxes. True: 417 with code 16 or 17 for a pair that a workflow does not
   * list.
   */
  restrictWorkflows?: boolean;
  /**
   * As strict as MESH: a message needs a workflow id of {@link workflows} or one added by `registerWorkflows` (417, code
   * 17, otherwise), and the recipient's id in capitals (417, code 12). Any mailbox may send and receive each. Default:
   * false.
   */
  strict?: boolean;
  /**
   * Default false. True adds the national services that answer files (docs/sandbox-services.md): each has its mailboxes,
   * collects what is sent to them and answers. Their workflows are registered.
   */
  nationalServices?: boolean;
  /** Default false. True enables the test endpoints (`/admin/…`), without any authorization. */
  admin?: boolean;
  /** Bodies over 64 KiB are kept in a new folder below this one, removed on close. Default `os.tmpdir()`. */
  spoolDir?: string;
  /** How long after the start of its upload tracking does not know a message (ms of sandbox time). Default 0. */
  trackingLagMs?: number;
  /** The largest body of one request (bytes); a larger one gets 413. Default 100,000,000 ("100MB", mesh-api.yaml). */
  maxRequestBytes?: number;
  /** The number of finished messages to remember; the oldest are forgotten. Default 100,000. */
  maxFinishedMessages?: number;
}

/** What a {@link SandboxFault} does to a request. */
export type SandboxFaultEffect =
  /** Responds with this status. `after`: the request takes effect first, and its real response is lost. */
  | { kind: 'status'; status: number; headers?: Record<string, string>; body?: unknown; after?: boolean }
  /** Continues after so many (real) milliseconds. */
  | { kind: 'delay'; ms: number }
  /** Breaks the connection before or after the request takes effect. */
  | { kind: 'drop'; when: 'before' | 'after' }
  /** Sends only so many bytes of the response's body and then breaks the connection. */
  | { kind: 'truncate'; bytes: number }
  /** Flips bytes in the response's body. */
  | { kind: 'corrupt' };

/**
 * A fault on demand. The first fault that matches a request applies. Faults apply after authorization, so the request's
 * token is used up, and never to the admin and health endpoints.
 */
export interface SandboxFault {
  /** An {@link SandboxOperation} such as `send_message`, or `*` for all of them. */
  operation: string;
  /** Only for requests of this mailbox. Default: any. */
  mailboxId?: string;
  /** How often it applies; default 1; Infinity for always. */
  times?: number;
  /** The probability that it applies, 0 to 1; default 1. */
  probability?: number;
  /** Skips the first n matching requests; default 0. */
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
  /** The mailbox whose inbox has or had it. */
  to: string;
  workflowId: string;
  localId?: string;
  /** `uploading`, `accepted`, `acknowledged`, `undeliverable` or `error`. */
  status: string;
  messageType: 'DATA' | 'REPORT';
  totalChunks: number;
  /** Size as uploaded, so compressed if it had a Content-Encoding. */
  bytes: number;
}

/** A message that {@link Sandbox.deliver} puts into an inbox. */
export interface SandboxDelivery {
  /** The sender's mailbox id; it need not exist here. */
  from: string;
  to: string;
  workflowId: string;
  subject?: string | undefined;
  localId?: string | undefined;
  fileName?: string | undefined;
  /** Default `application/octet-stream`. */
  contentType?: string | undefined;
  body: Uint8Array;
}

/** A message that a client has sent, as {@link Sandbox.onMessage} tells of it. */
export interface SandboxArrival extends Omit<SandboxMessage, 'localId'> {
  subject: string;
  localId: string;
  fileName: string;
  contentType: string;
  partnerId: string;
  /** Resolves with the payload, expanded; rejects when it was deleted meanwhile. */
  payload: Promise<Buffer>;
}

/** One request as {@link Sandbox.requests} lists it. */
export interface SandboxRequestRecord {
  /** A {@link SandboxOperation}, `admin`, `ping`, `rich_inbox`, `rich_outbox`, `update` or `unknown`. */
  operation: string;
  method: string;
  /** Path and query as received. */
  path: string;
  /** 0 if no response was sent: the connection broke, or a fault broke it. */
  status: number;
  mailboxId?: string;
}

/** A certificate and its private key, PEM. */
export interface PemPair {
  cert: string;
  key: string;
}

/** Options of a client certificate. */
export interface ClientCertificateOptions {
  /** Default `sandbox.X26.api.mesh-client.nhs.uk` (mesh-api.yaml, "Get a TLS certificate"). */
  commonName?: string;
  /** Default: in one year. A past time makes an expired certificate. */
  notAfter?: Date;
}

/** The sandbox's clock: it runs like the real one from the time it was set to. */
export interface SandboxClockControl {
  now(): Date;
  /** Sets the time; messages that expire by it are handled at once. */
  set(time: Date): void;
  /** Moves the clock by so many milliseconds; negative moves it back. */
  advance(ms: number): void;
  /**
   * Lets so many milliseconds pass for what the sandbox has, then goes back to the time before: clients whose clock has
   * not moved can go on.
   */
  pass(ms: number): void;
}

/** A running sandbox. */
export interface Sandbox {
  /** E.g. `https://127.0.0.1:40123`, without a trailing slash. */
  readonly url: string;
  /** Unique for every sandbox ever started. */
  readonly instance: string;
  readonly sharedKey: string;
  /** PEM of the CA that signed the server's certificate; undefined on http and with the option `tls`. */
  readonly ca: string | undefined;
  readonly mailboxes: SandboxMailbox[];
  /**
   * Issues a client certificate signed by the sandbox's CA.
   * @throws ConfigurationError on http
   */
  clientCertificate(options?: ClientCertificateOptions): Promise<PemPair>;
  readonly clock: SandboxClockControl;
  /**
   * Arms a fault.
   * @throws ConfigurationError when it is not valid
   */
  fault(fault: SandboxFault): void;
  clearFaults(): void;
  /** Returns every message that is still remembered, oldest first. */
  messages(): SandboxMessage[];
  /**
   * Puts a message into an inbox, as if another organisation had sent it. Returns its id.
   * @throws ConfigurationError for an unknown mailbox
   */
  deliver(message: SandboxDelivery): Promise<string>;
  /** Calls back with each message that a client sends, once it is whole. Returns what ends that. */
  onMessage(listener: (message: SandboxArrival) => void): () => void;
  /** Returns the last 10,000 requests, newest last, including those without a response. */
  requests(): SandboxRequestRecord[];
  /**
   * Adds a mailbox, or replaces the one with the same id.
   * @throws ConfigurationError for a malformed id or an empty password
   */
  /** Registers workflows for every mailbox; `*` registers whatever is sent. */
  registerWorkflows(workflowIds: Iterable<string>): void;
  addMailbox(mailbox: SandboxMailbox): void;
  /** @throws ConfigurationError for an unknown mailbox */
  setMailboxActive(mailboxId: string, active: boolean): void;
  /**
   * Says how a national service answers from now on; what is not said is as by default.
   * @throws ConfigurationError for an unknown service or a wrong setting
   */
  setService(service: ServiceName, settings: ServiceSettings): void;
  /** Ends the national service behind a mailbox, whose user plays it by hand; {@link addMailbox} does so too. */
  endService(mailboxId: string): void;
  /** Returns what the national services made of the last 1,000 requests, oldest first, and where they guessed. */
  serviceNotes(): ServiceNote[];
  /** Forgets all messages, or those of one mailbox. Mailboxes, faults, clock and used tokens stay. */
  reset(mailboxId?: string): Promise<void>;
  /** Lets the process end while the sandbox is running. */
  unref(): void;
  /** Ends all connections and removes the spool. May be repeated. */
  close(): Promise<void>;
}
