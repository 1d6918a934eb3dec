/**
 * A MESH-shaped server in a separate process: discards what it receives and serves prepared messages. It checks only
 * the client certificate, because it must cost less than the client under test. Responds as mesh-api.yaml v2 specifies.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:tls';
import type { Mark, ServerFigures } from '../harness/compare';
import { serve } from '../harness/serve';
import { makeCertificateAuthority } from '../../lib/sandbox/certificates';
import { serveConnection, type Exchange, type RequestHead, type ServerResponse } from './http';
import { Inbox, type Stored } from './inbox';
import { Uploads } from './uploads';

const NOTHING = Buffer.alloc(0);
const TYPE_JSON = 'Content-Type: application/vnd.mesh.v2+json\r\n';
const inbox = new Inbox();
const uploads = new Uploads();
let requests = 0;
let sent = 0;
/** Whether sent messages are put into the inbox, as MESH does. */
let isLooped = false;

const NONE: Mark = { count: 0, first: 0, last: 0 };
let times: ServerFigures['times'] = { send: NONE, download: NONE };

function note(kind: keyof typeof times): void {
  const now = performance.timeOrigin + performance.now();
  const { count, first } = times[kind];
  times[kind] = { count: count + 1, first: count === 0 ? now : first, last: now };
}

const json = (status: string, value: unknown): ServerResponse => ({
  head: `HTTP/1.1 ${status}\r\n${TYPE_JSON}`,
  body: Buffer.from(JSON.stringify(value)),
});
const NOT_FOUND = json('404 Not Found', { detail: [{ event: 'GET', code: '20', msg: 'Message does not exist' }] });

/** POST /messageexchange/{mailbox}/outbox[/{message}/{chunk}] */
function upload(head: RequestHead): Exchange {
  const id = /\/outbox\/([^/]+)\//.exec(head.path)?.[1] ?? `SENT_${(sent += 1)}`;
  const [chunk, of] = (head.header('mex-chunk-range') ?? '1:1').split(':').map(Number);
  const isGzip = head.header('content-encoding') === 'gzip';
  const isKept = isLooped || uploads.isVerifying;
  const pieces: Buffer[] = [];
  return {
    // Copied, because a slice of a TLS record keeps the whole record in memory.
    ...(isKept ? { piece: (piece: Buffer) => void pieces.push(Buffer.from(piece)) } : {}),
    respond(bytes) {
      note('send');
      const body = isKept ? Buffer.concat(pieces) : undefined;
      uploads.add(bytes, chunk === of, body, isGzip);
      if (isLooped && body) deliver(id, head, body, isGzip);
      return json('202 Accepted', { message_id: id });
    },
  };
}

function deliver(id: string, head: RequestHead, body: Buffer, isGzip: boolean): void {
  const before = inbox.find(id);
  if (before) {
    before.chunks.push(body);
    return;
  }
  inbox.add(id, {
    workflowId: head.header('mex-workflowid') ?? '',
    from: head.header('mex-from') ?? '',
    localId: head.header('mex-localid'),
    chunks: [body],
    encoding: isGzip ? 'gzip' : undefined,
  });
}

/** GET /messageexchange/{mailbox}/inbox */
function list(path: string): ServerResponse {
  const url = new URL(path, 'https://bench');
  const from = Number(url.searchParams.get('continue_from') ?? 0);
  const maximum = Number(url.searchParams.get('max_results') ?? 500);
  const { ids, next } = inbox.page(from, maximum);
  const self = url.pathname;
  const links = {
    self,
    ...(next === undefined ? {} : { next: `${self}?max_results=${maximum}&continue_from=${next}` }),
  };
  return json('200 OK', { messages: ids, links, approx_inbox_count: inbox.count });
}

/** GET or HEAD /messageexchange/{mailbox}/inbox/{message}[/{chunk}] */
function download(method: string, id: string, chunk: number): ServerResponse {
  note('download');
  const message = inbox.find(id);
  const body = message?.chunks[chunk - 1];
  if (!message || !body) return NOT_FOUND;
  const { workflowId, from, encoding, localId, chunks } = message;
  const status = chunk < chunks.length ? '206 Partial Content' : '200 OK';
  const head =
    `HTTP/1.1 ${status}\r\nContent-Type: application/octet-stream\r\nMex-MessageID: ${id}\r\nMex-MessageType: DATA\r\n` +
    `Mex-From: ${from}\r\nMex-To: X26ABC1\r\nMex-WorkflowID: ${workflowId}\r\n` +
    `Mex-Chunk-Range: ${chunk}:${chunks.length}\r\n` +
    (localId === undefined ? '' : `Mex-LocalID: ${localId}\r\n`) +
    (encoding ? `Content-Encoding: ${encoding}\r\n` : '');
  return { head, body: method === 'HEAD' ? NOTHING : body };
}

const MESSAGE_PATH = /\/inbox\/([^/?]+)(?:\/(\d+))?$/;
const ACKNOWLEDGE_PATH = /\/inbox\/([^/]+)\/status\/acknowledged$/;

function respond({ method, path }: RequestHead): ServerResponse {
  if (method === 'PUT') {
    const id = ACKNOWLEDGE_PATH.exec(path)?.[1];
    if (id !== undefined) inbox.acknowledge(id);
    return json('200 OK', { message_id: id });
  }
  const [, id, chunk] = MESSAGE_PATH.exec(path) ?? [];
  if (id !== undefined) return download(method, id, Number(chunk ?? 1));
  if (path.includes('/inbox')) return list(path);
  if (path.includes('/tracking')) {
    const messageId = new URL(path, 'https://bench').searchParams.get('messageID') ?? 'SENT_1';
    return json('200 OK', { message_id: messageId, status: 'accepted' });
  }
  return json('200 OK', {});
}

function begin(head: RequestHead): Exchange {
  requests += 1;
  if (head.method === 'POST' && head.path.includes('/outbox')) return upload(head);
  return { respond: () => respond(head) };
}

/** A message of the inbox, made of parts of files. Each file is read once. */
interface Prepared extends Pick<Stored, 'encoding'> {
  messageId: string;
  chunks: Array<{ file: string; start: number; end: number }>;
}

const files = new Map<string, Buffer>();
const bytesOf = (file: string): Buffer => {
  const bytes = files.get(file) ?? readFileSync(file);
  files.set(file, bytes);
  return bytes;
};

let cpu = process.cpuUsage();

serve({
  /** Listens, and returns the address with the certificates that a client needs. */
  async listen() {
    const authority = await makeCertificateAuthority('MESH bench CA');
    const [own, client] = await Promise.all([
      authority.serverCertificate('127.0.0.1'),
      authority.clientCertificate({}),
    ]);
    const server = createServer(
      { ...own, ca: authority.cert, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.2' },
      (socket) => serveConnection(socket, begin),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    return { url: `https://localhost:${port}`, ca: authority.cert, cert: client.cert, key: client.key };
  },
  /** Resets the counters. */
  reset({ verify = false, looped = false }: { verify?: boolean; looped?: boolean }) {
    requests = 0;
    times = { send: NONE, download: NONE };
    isLooped = looped;
    uploads.reset(verify);
    cpu = process.cpuUsage();
  },
  /** Returns what was received since the last reset, and the CPU time that it took. */
  figures() {
    const { user, system } = process.cpuUsage(cpu);
    const { messages, bytes, sha256 } = uploads;
    return { cpuSeconds: (user + system) / 1e6, requests, messages, bytes, sha256, inbox: inbox.count, times };
  },
  clearInbox() {
    inbox.clear();
    files.clear();
  },
  /** Puts small messages with the same payload into the inbox. */
  fill({ count, prefix, file, bytes }: { count: number; prefix: string; file: string; bytes: number }) {
    const body = Buffer.from(bytesOf(file).subarray(0, bytes));
    const message: Stored = { workflowId: 'BENCH', from: 'X26ABC2', chunks: [body], encoding: undefined };
    for (let i = 1; i <= count; i += 1) inbox.add(`${prefix}_${i}`, message);
  },
  /** Puts one large message into the inbox. */
  prepare({ messageId, chunks, encoding }: Prepared) {
    const parts = chunks.map(({ file, start, end }) => bytesOf(file).subarray(start, end));
    inbox.add(messageId, { workflowId: 'BENCH', from: 'X26ABC2', chunks: parts, encoding });
  },
});
