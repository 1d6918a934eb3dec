/** The types of messages that users of the library send, receive and track. All are plain JSON, except for payloads. */

/** A payload to send. A file path is passed as `{ file }`, so that text is never mistaken for a path. */
export type Payload = Uint8Array | string | { file: string } | { json: unknown };

/**
 * Whether a payload is compressed for transfer (`Content-Encoding: gzip`). `auto` compresses samples of it, and sends a
 * payload uncompressed if it does not shrink by a tenth or has less than 12 KiB; `always` compresses, unless the
 * compressed payload would no longer fit one request; `never` sends the bytes as they are. The decision holds for the
 * whole message: MESH refuses a changed encoding.
 */
export type Compression = 'auto' | 'always' | 'never';

/**
 * Whether a message that does not fit one request may be sent in chunks. `never`: its recipients cannot receive chunks
 * (MESH UI and old MESH clients); such a message is not sent, and needs a decision.
 */
export type Chunking = 'allowed' | 'never';

/** A message to send. The limits are MESH's, in characters (mesh-api.yaml, send_message). */
export interface OutgoingMessage {
  /** Recipient's mailbox id, or a routing address of GP Connect and Transfer of Care. At most 100. `Mex-To` */
  to: string;
  /** Workflow id: the kind of message, agreed with the recipient. At most 300. `Mex-WorkflowID` */
  workflowId: string;
  /** The payload. Must not be empty: MESH refuses an empty one. */
  payload: Payload;
  /** The sender's own reference, at most 300; no patient data. Default: a unique generated one. `Mex-LocalID` */
  localId?: string;
  /** At most 500. `Mex-Subject` */
  subject?: string;
  /** At most 300. Default: the file's own name, if the payload is a file. `Mex-FileName` */
  fileName?: string;
  /** MIME type of the decoded payload. Default: by the kind of payload. `Content-Type` */
  contentType?: string;
  /**
   * `md5` or `sha256`: calculated over the payload before compression, in hexadecimal, which reads the payload once
   * more. `none`: no checksum. Any other text is the sender's own checksum and is sent as it is: letters, digits,
   * space, `:`, `-`, `/`; at most 100. Default: the mailbox's setting. `Mex-Content-Checksum`
   */
  checksum?: string;
  /** `Mex-PartnerID`, at most 500 (used by NEMS for subscription tags). */
  partnerId?: string;
  /** Default: the mailbox's setting. */
  compression?: Compression;
  /** Default: the mailbox's setting. */
  chunks?: Chunking;
  /** Size of a chunk, if the message needs chunks (bytes, uncompressed). Default: the mailbox's setting. */
  chunkBytes?: number;
  /** True if the application compressed the payload itself. Only informs the recipient. `Mex-Content-Compressed` */
  compressed?: boolean;
  /** True if the application encrypted the payload itself. Only informs the recipient. `Mex-Content-Encrypted` */
  encrypted?: boolean;
}

/** Progress of a transfer, passed to `onProgress` after each chunk. */
export interface Progress {
  /** Chunks transferred so far. */
  chunk: number;
  totalChunks: number;
  /** Payload bytes transferred so far, uncompressed. */
  bytes: number;
  /** All payload bytes, if known (always when sending). */
  totalBytes?: number;
}

/** A message that MESH has accepted. */
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

/** A message's headers at MESH (retrieve_message, head_message). */
export interface MessageHeaders {
  /** The mailbox that received it. */
  mailboxId: string;
  messageId: string;
  /** A REPORT has no payload: its `linkedMessageId` names the message that failed. */
  messageType: 'DATA' | 'REPORT';
  /** Sender's mailbox; empty for a REPORT. `Mex-From` */
  from: string;
  to: string;
  workflowId: string;
  localId?: string;
  subject?: string;
  /** As the sender wrote it. Hostile: never use it as a path. */
  fileName?: string;
  contentType?: string;
  partnerId?: string;
  checksum?: string;
  /** `Mex-Content-Compressed: Y`. Without a content encoding, the application compressed its file itself. */
  compressed?: boolean;
  encrypted?: boolean;
  /** `gzip` if MESH keeps the bytes compressed. The library decompresses the payloads that it delivers. */
  contentEncoding?: string;
  totalChunks: number;
  /** For a REPORT: the message that failed. `Mex-LinkedMsgID` */
  linkedMessageId?: string;
  /** `Mex-StatusCode`, e.g. `00` or `14`. */
  statusCode?: string;
  statusEvent?: string;
  statusDescription?: string;
  statusSuccess?: boolean;
  /** ISO 8601 UTC. */
  statusTimestamp?: string;
  /** For a REPORT: what the status code means and what to do. */
  advice?: string;
}

/** One part of a received multipart/form-data payload. Exactly one of `payload` and `file` is set. */
export interface ReceivedPart {
  /** The name of the field. */
  name: string;
  /** As the sender gave it: hostile, and never a path. */
  fileName?: string;
  contentType?: string;
  /** `base64` or `quoted-printable` if the part is in one, which is not decoded. */
  transferEncoding?: string;
  payload?: Buffer;
  /** Absolute path of the file that was written. */
  file?: string;
  bytes: number;
}

/**
 * A downloaded message. For DATA exactly one of `payload` and `file` is set, or `parts` if it was to be unwrapped and is
 * multipart/form-data; for a REPORT none.
 */
export interface ReceivedMessage {
  message: MessageHeaders;
  parts?: ReceivedPart[];
  payload?: Buffer;
  /** Absolute path of the file that was written. */
  file?: string;
  /** Payload bytes, decompressed. */
  bytes: number;
  /** SHA-256 of the decompressed payload, hexadecimal. */
  sha256: string;
}

/**
 * MESH's tracking of a sent message (mesh-api.yaml, tracking). Times are ISO 8601 UTC where MESH's own can be parsed.
 */
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
  /** Pass it to the next call as `continueFrom`; missing on the last page. */
  continueFrom?: string;
  /** An approximation, according to MESH. */
  approximateCount?: number;
}

/** A mailbox that endpoint lookup or workflow search found. */
export interface MailboxAddress {
  mailboxId: string;
  name: string;
}
