/**
 * MESH as far as the durable lines see it: mailboxes, messages in chunks, tracking, reports, acknowledgement. In memory,
 * always right, and never lost: what goes wrong on the way is the network's part (network.ts).
 */

/** A request as it arrives at MESH. */
export interface MeshRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer;
}

/** A response. */
export interface MeshResponse {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** A message at MESH. */
export interface MeshMessage {
  messageId: string;
  type: 'DATA' | 'REPORT';
  from: string;
  to: string;
  workflowId: string;
  localId: string;
  contentType: string;
  totalChunks: number;
  chunks: Buffer[];
  state: 'uploading' | 'accepted' | 'acknowledged' | 'undeliverable';
  uploadedAt: number;
  /** How often the recipient has acknowledged it. */
  acknowledgements: number;
  linkedMessageId?: string;
}

/** A page of the inbox. */
const PAGE = 500;
/** Tracking by local id knows a message only after this time (milliseconds). */
const TRACKING_LAG_MS = 90_000;
const MEDIA_TYPE = 'application/vnd.mesh.v2+json';

export class Mesh {
  readonly messages: MeshMessage[] = [];
  /** MESH's own clock (milliseconds since 1970). */
  readonly #now: () => number;
  /** Called with each message that MESH has accepted, in the order of acceptance. */
  onAccepted: (message: MeshMessage) => void = () => undefined;
  /** Called with each message that its sender looks for by the local id, and that MESH has. */
  onFound: (message: MeshMessage) => void = () => undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Puts a message into a mailbox, as another organisation's system does. */
  post(message: Pick<MeshMessage, 'from' | 'to' | 'workflowId' | 'localId' | 'chunks'>): MeshMessage {
    return this.#add({ ...message, type: 'DATA', contentType: 'text/plain', totalChunks: message.chunks.length });
  }

  /** Returns the complete messages from one mailbox to another. */
  sent(from: string): MeshMessage[] {
    return this.messages.filter((message) => message.from === from && message.state !== 'uploading');
  }

  /** The recipient acknowledges a message. */
  acknowledge(message: MeshMessage): void {
    message.acknowledgements += 1;
    if (message.state === 'accepted') message.state = 'acknowledged';
  }

  /** Gives up a message that its recipient does not collect. Returns the report to its sender. */
  giveUp(message: MeshMessage): MeshMessage | undefined {
    if (message.state !== 'accepted') return undefined;
    message.state = 'undeliverable';
    const report = { from: '', to: message.from, workflowId: message.workflowId, localId: message.localId };
    return this.#add({
      ...report,
      type: 'REPORT',
      contentType: '',
      totalChunks: 1,
      chunks: [],
      linkedMessageId: message.messageId,
    });
  }

  /** The service desk puts a message back into its recipient's inbox. Returns false if it is there. */
  offerAgain(message: MeshMessage): boolean {
    if (message.state !== 'acknowledged') return false;
    message.state = 'accepted';
    return true;
  }

  handle({ method, path, headers, body }: MeshRequest): MeshResponse {
    const [, , mailbox = '', box, id = '', more, last] = (path.split('?')[0] ?? '').split('/');
    if (box === undefined) return empty(200);
    if (box === 'inbox' && id === '') return this.#list(mailbox);
    if (box === 'inbox' && method === 'PUT' && last === 'acknowledged') return this.#acknowledged(mailbox, id);
    if (box === 'inbox') return this.#retrieve(mailbox, id, more === undefined ? 1 : Number(more), method === 'HEAD');
    if (box === 'outbox' && id === 'tracking') {
      const wanted = new URLSearchParams(path.split('?')[1]).get('messageID');
      return this.#track(
        mailbox,
        wanted === null ? { localId: decodeURIComponent(more ?? '') } : { messageId: wanted },
      );
    }
    if (box === 'outbox' && id === '') return this.#send(mailbox, headers, body);
    if (box === 'outbox') return this.#sendChunk(mailbox, id, Number(more), headers, body);
    return refused(404, '20');
  }

  #list(mailbox: string): MeshResponse {
    const messages = this.#waiting(mailbox)
      .slice(0, PAGE)
      .map(({ messageId }) => messageId);
    return json(200, {
      messages,
      links: { self: `/messageexchange/${mailbox}/inbox` },
      approx_inbox_count: messages.length,
    });
  }

  #waiting(mailbox: string): MeshMessage[] {
    return this.messages.filter(({ to, state }) => to === mailbox && state === 'accepted');
  }

  #retrieve(mailbox: string, id: string, chunk: number, isHead: boolean): MeshResponse {
    const message = this.messages.find(({ messageId, to }) => messageId === id && to === mailbox);
    if (!message) return refused(404, '20', id);
    if (message.state !== 'accepted') return refused(410, 'Message already accepted', id);
    const body = message.chunks[chunk - 1] ?? Buffer.alloc(0);
    if (message.type === 'DATA' && chunk > message.totalChunks) return refused(404, '20', id);
    const headers = { ...headersOf(message, chunk), 'content-type': isHead ? MEDIA_TYPE : 'application/octet-stream' };
    if (isHead) return { status: 200, headers, body: Buffer.alloc(0) };
    const status = chunk < message.totalChunks ? 206 : 200;
    return { status, headers: { ...headers, 'content-length': String(body.length) }, body };
  }

  #acknowledged(mailbox: string, id: string): MeshResponse {
    const message = this.messages.find(({ messageId, to }) => messageId === id && to === mailbox);
    if (!message) return refused(404, '20', id);
    this.acknowledge(message);
    return empty(200);
  }

  #send(mailbox: string, headers: Record<string, string>, body: Buffer): MeshResponse {
    const range = headers['Mex-Chunk-Range'] ?? '1:1';
    const totalChunks = Number(range.split(':')[1]);
    if (!range.startsWith('1:')) return refused(417, 'InvalidHeaderChunks');
    if (body.length === 0) return refused(417, '02');
    const { messageId } = this.#add({
      type: 'DATA',
      from: mailbox,
      to: headers['Mex-To'] ?? '',
      workflowId: headers['Mex-WorkflowID'] ?? '',
      localId: headers['Mex-LocalID'] ?? '',
      contentType: headers['Mex-Content-Type'] ?? '',
      totalChunks,
      chunks: [body],
    });
    return json(202, { message_id: messageId });
  }

  #sendChunk(mailbox: string, id: string, chunk: number, headers: Record<string, string>, body: Buffer): MeshResponse {
    const message = this.messages.find(({ messageId, from }) => messageId === id && from === mailbox);
    if (!message) return refused(404, '20', id);
    if (message.state !== 'uploading') return refused(423, 'Message finalised', id);
    if (chunk > message.chunks.length + 1 || headers['Mex-Chunk-Range'] !== `${chunk}:${message.totalChunks}`) {
      return refused(417, 'InvalidHeaderChunks', id);
    }
    message.chunks[chunk - 1] = body;
    if (message.chunks.length === message.totalChunks) this.#accept(message);
    return json(202, { message_id: id });
  }

  #track(mailbox: string, by: { messageId: string } | { localId: string }): MeshResponse {
    const [name, value] = Object.entries(by)[0] as ['messageId' | 'localId', string];
    const found = this.messages.filter(
      (message) =>
        message.from === mailbox &&
        message[name] === value &&
        (name === 'messageId' || this.#now() >= message.uploadedAt + TRACKING_LAG_MS),
    );
    const [message] = found;
    if (!message) return refused(404, '20');
    if (found.length > 1) return refused(300, 'Multiple');
    if (name === 'localId') this.onFound(message);
    const isBad = message.state === 'undeliverable';
    return json(200, {
      message_id: message.messageId,
      local_id: message.localId,
      workflow_id: message.workflowId,
      upload_timestamp: new Date(message.uploadedAt).toISOString(),
      recipient: message.to,
      status_success: !isBad,
      status: message.state,
      status_event: isBad ? 'SEND' : 'TRANSFER',
      status_code: isBad ? '14' : '00',
      status_timestamp: new Date(this.#now()).toISOString(),
    });
  }

  #add(message: Omit<MeshMessage, 'messageId' | 'state' | 'uploadedAt' | 'acknowledgements'>): MeshMessage {
    const number = String(this.messages.length + 1).padStart(6, '0');
    const messageId = `20270113090000000${number}_SIM${number}`;
    const added: MeshMessage = {
      ...message,
      messageId,
      state: 'uploading',
      uploadedAt: this.#now(),
      acknowledgements: 0,
    };
    this.messages.push(added);
    if (added.chunks.length >= added.totalChunks || added.type === 'REPORT') this.#accept(added);
    return added;
  }

  #accept(message: MeshMessage): void {
    message.state = 'accepted';
    this.onAccepted(message);
  }
}

function headersOf(message: MeshMessage, chunk: number): Record<string, string> {
  const isReport = message.type === 'REPORT';
  return {
    'mex-messageid': message.messageId,
    'mex-messagetype': message.type,
    'mex-to': message.to,
    'mex-workflowid': message.workflowId,
    'mex-localid': message.localId,
    'mex-version': '1.0',
    ...(message.from === '' ? {} : { 'mex-from': message.from }),
    ...(message.contentType === '' ? {} : { 'mex-content-type': message.contentType }),
    ...(isReport ? {} : { 'mex-chunk-range': `${chunk}:${message.totalChunks}` }),
    ...(isReport ? {} : { 'mex-total-chunks': String(message.totalChunks) }),
    ...(message.linkedMessageId === undefined ? {} : { 'mex-linkedmsgid': message.linkedMessageId }),
    'mex-statuscode': isReport ? '14' : '00',
    'mex-statusevent': isReport ? 'SEND' : 'TRANSFER',
    'mex-statussuccess': isReport ? 'ERROR' : 'SUCCESS',
  };
}

function json(status: number, body: object): MeshResponse {
  const bytes = Buffer.from(JSON.stringify(body));
  return { status, headers: { 'content-type': MEDIA_TYPE, 'content-length': String(bytes.length) }, body: bytes };
}

function empty(status: number): MeshResponse {
  return { status, headers: { 'content-length': '0' }, body: Buffer.alloc(0) };
}

/** A refusal in MESH's form. */
export function refused(status: number, code: string, messageId?: string): MeshResponse {
  return json(status, {
    message_id: messageId,
    internal_id: 'simulated',
    detail: [{ event: 'SEND', code, msg: 'refused' }],
  });
}
