/**
 * The shapes that the library's users meet: what is sent, what is received, what became of it. All of them are plain
 * JSON but for the payloads.
 */

/** What a flow hands over to be sent. A file path is given as `{ file }`, so that text is never mistaken for one. */
export type Payload = Uint8Array | string | { file: string } | { json: unknown };

/**
 * Whether a payload is compressed on the way (`Content-Encoding: gzip`). `auto` looks at samples of it and leaves alone what does
 * not shrink by a tenth, or has less than 12 KiB; `always` compresses all but what would then no longer fit one request;
 * `never` sends the bytes as they are. One decision for the whole message: MESH refuses a changed encoding.
 */
export type Compression = 'auto' | 'always' | 'never';

/**
 * Whether a message that does not fit one request may go in chunks. `never`: its receivers cannot take chunks (MESH UI and old
 * MESH clients); then it is not sent at all, and a person is told.
 */
export type Chunking = 'allowed' | 'never';

/** One message to be sent. The limits are MESH's own, in characters (mesh-api.yaml, send_message). */
export interface OutgoingMessage {
  /** Recipient's mailbox id, or a routing address of GP Connect and Transfer of Care. At most 100. `Mex-To` */
  to: string;
  /** What kind of message this is, agreed with the recipient. At most 300. `Mex-WorkflowID` */
  workflowId: string;
  /** The payload. May not be empty: MESH refuses it. */
  payload: Payload;
  /** Our own reference, at most 300; no patient data. A unique one is generated if none is given. `Mex-LocalID` */
  localId?: string;
  /** At most 500. `Mex-Subject` */
  subject?: string;
  /** At most 300; the file's own name where the payload is a file. `Mex-FileName` */
  fileName?: string;
  /** MIME type of the payload when decoded; guessed from the kind of payload if not given. `Content-Type` */
  contentType?: string;
  /**
   * `md5` or `sha256`: calculated over the payload before compression, in hexadecimal; the payload is read once more for it.
   * `none`: no checksum. Any other text is the sender's own and passed on as it is: letters, digits, space, `:`, `-`, `/`; at
   * most 100. Default: the mailbox's setting. `Mex-Content-Checksum`
   */
  checksum?: string;
  /** `Mex-PartnerID`, at most 500 (used by NEMS for subscription tags). */
  partnerId?: string;
  /** Default: the mailbox's setting. */
  compression?: Compression;
  /** Default: the mailbox's setting. */
  chunks?: Chunking;
  /** Size of a chunk, where it needs chunks (bytes, uncompressed). Default: the mailbox's setting. */
  chunkBytes?: number;
  /** True where the application compressed the payload itself. Only a mark for the receiver. `Mex-Content-Compressed` */
  compressed?: boolean;
  /** True where the application encrypted the payload itself. Only a mark for the receiver. `Mex-Content-Encrypted` */
  encrypted?: boolean;
}

/** How far a transfer is; given to `onProgress` after each chunk. */
export interface Progress {
  /** Chunks done so far. */
  chunk: number;
  totalChunks: number;
  /** Payload bytes (uncompressed) done so far. */
  bytes: number;
  /** Payload bytes in all, where known (always when sending). */
  totalBytes?: number;
}

/** What MESH answered to a message that it accepted. */
export interface SentMessage {
  /** MESH's id of the message: track it by this. */
  messageId: string;
  localId: string;
  to: string;
  workflowId: string;
  /** Payload bytes, uncompressed. */
  bytes: number;
  chunks: number;
  status: 'accepted';
}

/** What MESH says about a message by its headers (retrieve_message, head_message). */
export interface MessageHeaders {
  /** The mailbox that received it. */
  mailboxId: string;
  messageId: string;
  /** REPORT is no data: `linkedMessageId` names the message that failed. */
  messageType: 'DATA' | 'REPORT';
  /** Sender's mailbox; empty for a REPORT. `Mex-From` */
  from: string;
  to: string;
  workflowId: string;
  localId?: string;
  subject?: string;
  /** As the sender gave it. Hostile: never use it as a path. */
  fileName?: string;
  contentType?: string;
  partnerId?: string;
  checksum?: string;
  /** `Mex-Content-Compressed: Y`. Without a content encoding the application compressed its file itself. */
  compressed?: boolean;
  encrypted?: boolean;
  /** `gzip` if MESH holds the bytes compressed; the library has expanded what it delivers. */
  contentEncoding?: string;
  totalChunks: number;
  /** Of a REPORT: the message that failed. `Mex-LinkedMsgID` */
  linkedMessageId?: string;
  /** `Mex-StatusCode`, e.g. `00` or `14`. */
  statusCode?: string;
  statusEvent?: string;
  statusDescription?: string;
  statusSuccess?: boolean;
  /** ISO 8601 UTC. */
  statusTimestamp?: string;
  /** Of a REPORT: what the code means and what to do. */
  advice?: string;
}

/** A downloaded message. Exactly one of `payload` and `file` is set for DATA; neither for a REPORT. */
export interface ReceivedMessage {
  message: MessageHeaders;
  payload?: Buffer;
  /** Absolute path of the file that was written. */
  file?: string;
  /** Payload bytes, expanded. */
  bytes: number;
  /** SHA-256 of the expanded payload, hex. */
  sha256: string;
}

/** What becomes of a sent message (tracking, mesh-api.yaml). Times are ISO 8601 UTC where MESH's own can be read. */
export interface Tracking {
  messageId: string;
  /** Lower case, e.g. `accepted`, `acknowledged`, `uploading`, `error`, `undeliverable`. */
  status: string;
  localId?: string;
  workflowId?: string;
  fileName?: string;
  subject?: string;
  expiryTime?: string;
  uploadTimestamp?: string;
  downloadTimestamp?: string;
  recipient?: string;
  recipientName?: string;
  recipientOdsCode?: string;
  recipientOrgCode?: string;
  recipientOrgName?: string;
  statusSuccess?: boolean;
  statusEvent?: string;
  statusCode?: string;
  statusDescription?: string;
  statusTimestamp?: string;
  fileSize?: number;
  totalChunks?: number;
  linkedMessageId?: string;
  failureDiagnostic?: string;
}

/** One page of the inbox. */
export interface InboxPage {
  messageIds: string[];
  /** Give it to the next call's `continueFrom`; missing on the last page. */
  continueFrom?: string;
  /** Only an indication, says MESH. */
  approximateCount?: number;
}

/** A mailbox that endpoint lookup or workflow search found. */
export interface MailboxAddress {
  mailboxId: string;
  name: string;
}
