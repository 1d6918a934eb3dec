/** Creates messages of every kind in a server by raw requests, so that each comparison starts from the same state. */
import { authorizationToken } from '../../../lib/protocol/authorization';
import type { RawResponse, RawRequest } from './raw-request';
import { PASSWORD, SHARED_KEY, type Server } from './servers';

export const BOB = 'X26ABC1';
export const ALICE = 'X26ABC2';
export const CAROL = 'X26ABC3';
export const WORKFLOW = 'TEST_WORKFLOW';

export type Version = 1 | 2;
const ACCEPT: Record<Version, string> = { 1: 'application/json', 2: 'application/vnd.mesh.v2+json' };

/** Builds and sends requests to one server, in one version. Bob sends to Alice. */
export class Scene {
  readonly #server: Server;
  readonly #version: Version;

  constructor(server: Server, version: Version) {
    this.#server = server;
    this.#version = version;
  }

  /** Returns a request of a mailbox with a token. The path continues `/messageexchange/<mailbox>`. */
  as(mailboxId: string, method: string, path: string, more: Partial<RawRequest> = {}): RawRequest {
    return {
      method,
      path: `/messageexchange/${mailboxId}${path}`,
      ...more,
      headers: { Accept: ACCEPT[this.#version], ...more.headers },
      as: { mailboxId, password: PASSWORD, sharedKey: SHARED_KEY },
    };
  }

  /** Returns a request without a token. */
  anonymous(method: string, path: string, headers: Record<string, string> = {}): RawRequest {
    return { method, path, headers: { Accept: ACCEPT[this.#version], ...headers } };
  }

  /** Returns a POST to Bob's outbox. Headers that are undefined are left out. */
  sending(headers: Record<string, string | undefined> = {}, body = 'x'): RawRequest {
    const all = { 'Mex-To': ALICE, 'Mex-WorkflowID': WORKFLOW, ...headers };
    const defined = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return this.as(BOB, 'POST', '/outbox', { headers: Object.fromEntries(defined), body });
  }

  /** Returns a POST of a chunk by Bob. */
  chunk(messageId: string, number: number | string, range: string | undefined, body = 'y'): RawRequest {
    const headers: Record<string, string> = range === undefined ? {} : { 'Mex-Chunk-Range': range };
    return this.as(BOB, 'POST', `/outbox/${messageId}/${number}`, { headers, body });
  }

  /** Sends a request. */
  do(request: RawRequest): Promise<RawResponse> {
    return this.#server.raw(request);
  }

  /** Sends a message from Bob to Alice, and returns its id. */
  async message(headers: Record<string, string> = {}): Promise<string> {
    return idOf(await this.do(this.sending(headers)));
  }

  /** Sends one of three chunks. */
  uploading(headers: Record<string, string> = {}): Promise<string> {
    return this.message({ 'Mex-Chunk-Range': '1:3', ...headers });
  }

  /** Sends three of three chunks. */
  async chunked(): Promise<string> {
    const id = await this.uploading();
    await this.do(this.chunk(id, 2, '2:3'));
    await this.do(this.chunk(id, 3, '3:3'));
    return id;
  }

  /** Sends a message that Alice acknowledges. */
  async acknowledged(): Promise<string> {
    const id = await this.message();
    await this.do(this.as(ALICE, 'PUT', `/inbox/${id}/status/acknowledged`));
    return id;
  }

  /** Sends a message that the admin endpoint makes undeliverable. */
  async undeliverable(): Promise<string> {
    const id = await this.message();
    await this.admin('POST', `/message/${id}/event`, { status: 'undeliverable', code: '14', event: 'SEND' });
    return id;
  }

  /** Creates a REPORT in Bob's inbox. */
  async report(more: Record<string, string> = {}): Promise<string> {
    const body = { mailbox_id: BOB, code: '14', description: 'why', workflow_id: WORKFLOW, ...more };
    return idOf(await this.admin('POST', '/report', body));
  }

  /** Sends a request to an admin endpoint. */
  admin(method: string, path: string, body?: unknown): Promise<RawResponse> {
    return this.do({
      method,
      path: `/messageexchange/admin${path}`,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    });
  }
}

/** Returns a token of Bob's, which a test may use more than once. */
export function tokenOfBob(change: { now?: Date } = {}): string {
  return authorizationToken({ mailboxId: BOB, password: PASSWORD, sharedKey: SHARED_KEY }, change);
}

export const HANDSHAKE = { 'mex-ClientVersion': 'interop==1', 'mex-OSName': 'Linux', 'mex-OSVersion': '6' };

function idOf({ status, json }: RawResponse): string {
  const { message_id: version2, messageID: version1 } = (json ?? {}) as { message_id?: string; messageID?: string };
  const id = version2 ?? version1;
  if (id === undefined) throw new Error(`No message id in a response with status ${status}`);
  return id;
}

/** Values that differ in every run, and their placeholders. */
const VARYING: ReadonlyArray<[RegExp, string]> = [
  [/\b([0-9A-Fa-f]{32}|\d{20}_[0-9A-F]{6})\b/g, '<id>'],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:[\d.]+Z?/g, '<time>'],
  [/\b20\d{12}\b/g, '<time>'],
  [/\b0\.\d{6,}\b/g, '<random>'],
  [/\b(start_time|continue_from)=[^&]+/g, '$1=<value>'],
];

/** Replaces ids, times and random numbers in a value by placeholders. */
export function steady(value: string): string {
  return VARYING.reduce((text, [pattern, word]) => text.replace(pattern, word), value);
}

/**
 * Returns every field of a JSON value by name, with its steady value: nested fields with a dot, fields of list elements
 * with []. An empty list is included.
 */
export function fieldsOf(value: unknown, at = ''): Record<string, string> {
  const fields: Record<string, string> = {};
  const add = (below: Record<string, string>): void => {
    for (const [name, text] of Object.entries(below)) {
      fields[name] = fields[name] === undefined || fields[name] === text ? text : `${fields[name]}, ${text}`;
    }
  };
  if (Array.isArray(value)) {
    if (value.length === 0) return { [at]: '[]' };
    for (const element of value) add(fieldsOf(element, `${at}[]`));
    return fields;
  }
  if (value === undefined) return {};
  if (typeof value === 'string') return { [at]: steady(value) };
  if (value === null || typeof value !== 'object') return { [at]: JSON.stringify(value) };
  for (const [name, field] of Object.entries(value)) add(fieldsOf(field, at === '' ? name : `${at}.${name}`));
  return fields;
}
