/** A minimal MESH client: the sandbox is tested over real connections, without our own client. */
import { randomUUID } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { createHmac } from 'node:crypto';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../lib/sandbox';

/** A complete response. */
export interface HttpResponse {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** The body as JSON. */
  json(): Record<string, unknown>;
}

export interface Call {
  method?: string;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
  /** 1 or 2 (default 2), for the Accept header, unless `headers` has one. */
  version?: 1 | 2;
  /** Sends a token of this mailbox. */
  as?: string;
  token?: TokenParts;
  tls?: { ca?: string | undefined; cert?: string; key?: string };
}

export interface TokenParts {
  password?: string;
  sharedKey?: string;
  nonce?: string;
  count?: number | string;
  time?: Date;
}

export const V2 = 'application/vnd.mesh.v2+json';
export const V1 = 'application/vnd.mesh.v1+json';

/** Makes a token from mesh-api.yaml, without lib/protocol: one mistake must not hide another. */
export function token(mailboxId: string, parts: TokenParts = {}): string {
  const { password = 'password', sharedKey = 'TestKey', nonce = randomUUID(), count = 1, time = new Date() } = parts;
  const timestamp = time.toISOString().replace(/[-:T]/g, '').slice(0, 12);
  const hash = createHmac('sha256', sharedKey)
    .update(`${mailboxId}:${nonce}:${count}:${password}:${timestamp}`)
    .digest('hex');
  return `NHSMESH ${mailboxId}:${nonce}:${count}:${timestamp}:${hash}`;
}

/** Makes one request on its own connection. Rejects if the connection breaks before the response is complete. */
export function call(sandbox: Sandbox, path: string, options: Call = {}): Promise<HttpResponse> {
  const headers: Record<string, string> = { Accept: options.version === 1 ? V1 : V2, ...options.headers };
  if (options.as !== undefined) {
    headers['Authorization'] ??= token(options.as, { time: sandbox.clock.now(), ...options.token });
  }
  if (options.body !== undefined) headers['Content-Length'] ??= String(Buffer.byteLength(options.body));
  return new Promise((resolve, reject) => {
    const make = sandbox.url.startsWith('https') ? httpsRequest : httpRequest;
    const tls = sandbox.url.startsWith('https') ? { ca: sandbox.ca, ...options.tls } : {};
    // The path is separate from the URL, whose parser would normalise a hostile one.
    const { hostname, port } = new URL(sandbox.url);
    const request = make({
      host: hostname,
      port,
      path,
      method: options.method ?? 'GET',
      headers,
      agent: false,
      ...tls,
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const slices: Buffer[] = [];
      response.on('data', (slice: Buffer) => slices.push(slice));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(slices);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body,
          json: () => JSON.parse(body.toString('utf8')) as Record<string, unknown>,
        });
      });
    });
    // With a string Node would write the headers in UTF-8, not in Latin-1.
    request.end(options.body === undefined ? undefined : Buffer.from(options.body));
  });
}

/** Sends raw bytes on a plain connection and returns the whole response. */
export function raw(sandbox: Sandbox, bytes: Uint8Array | string, { hangUp = false } = {}): Promise<string> {
  const { hostname, port } = new URL(sandbox.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      if (hangUp) socket.write(bytes, () => setTimeout(() => socket.destroy(), 20));
      else socket.write(bytes);
    });
    let received = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => (received += text));
    socket.on('error', reject);
    socket.on('close', () => resolve(received));
  });
}

export interface Sending {
  from?: string;
  to?: string;
  workflowId?: string;
  body?: Uint8Array | string;
  version?: 1 | 2;
  headers?: Record<string, string>;
}

/** send_message, by default from X26ABC1 to X26ABC2. */
export function post(sandbox: Sandbox, sending: Sending = {}): Promise<HttpResponse> {
  const { from = 'X26ABC1', to = 'X26ABC2', workflowId = 'TEST_WORKFLOW', body = 'hello', version = 2 } = sending;
  const headers = { 'Mex-To': to, 'Mex-WorkflowID': workflowId, ...sending.headers };
  return call(sandbox, `/messageexchange/${from}/outbox`, { method: 'POST', as: from, body, version, headers });
}

/** Sends a message like {@link post} and returns its id. */
export async function send(sandbox: Sandbox, sending: Sending = {}): Promise<string> {
  const response = await post(sandbox, { ...sending, version: 2 });
  if (response.status !== 202) throw new Error(`${response.status} ${response.body.toString()}`);
  return String(response.json()['message_id']);
}

/** send_chunk `chunk` of `total`. */
export function postChunk(
  sandbox: Sandbox,
  messageId: string,
  chunk: number,
  total: number,
  options: { body?: Uint8Array | string; from?: string; headers?: Record<string, string>; version?: 1 | 2 } = {},
): Promise<HttpResponse> {
  const { body = `chunk ${chunk}`, from = 'X26ABC1', version = 2 } = options;
  const headers = { 'Mex-Chunk-Range': `${chunk}:${total}`, ...options.headers };
  const path = `/messageexchange/${from}/outbox/${messageId}/${chunk}`;
  return call(sandbox, path, { method: 'POST', as: from, body, headers, version });
}

/** Returns the ids in an inbox. */
export async function inbox(sandbox: Sandbox, mailboxId = 'X26ABC2', query = ''): Promise<string[]> {
  const response = await call(sandbox, `/messageexchange/${mailboxId}/inbox${query}`, { as: mailboxId });
  return response.json()['messages'] as string[];
}

export function download(sandbox: Sandbox, messageId: string, options: Call = {}): Promise<HttpResponse> {
  return call(sandbox, `/messageexchange/X26ABC2/inbox/${messageId}`, { as: 'X26ABC2', ...options });
}

export function acknowledge(sandbox: Sandbox, messageId: string, options: Call = {}): Promise<HttpResponse> {
  const path = `/messageexchange/${options.as ?? 'X26ABC2'}/inbox/${messageId}/status/acknowledged`;
  return call(sandbox, path, { method: 'PUT', as: 'X26ABC2', ...options });
}

export function track(sandbox: Sandbox, messageId: string, options: Call = {}): Promise<HttpResponse> {
  const path = `/messageexchange/${options.as ?? 'X26ABC1'}/outbox/tracking?messageID=${messageId}`;
  return call(sandbox, path, { as: 'X26ABC1', ...options });
}

/** Returns the error of version 2: event, code, description. */
export function errorOf(response: HttpResponse): [string, string, string] {
  const [first] = response.json()['detail'] as Array<{ event: string; code: string; msg: string }>;
  if (!first) throw new Error('no detail');
  return [first.event, first.code, first.msg];
}

const started: Sandbox[] = [];

/** Starts a sandbox over plain HTTP, closed after the test. */
export async function sandboxFor(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox({ protocol: 'http', ...options });
  started.push(sandbox);
  return sandbox;
}

afterEach(async () => {
  for (const sandbox of started.splice(0)) await sandbox.close();
});
