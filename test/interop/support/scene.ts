/** Puts messages of every kind into a server, by raw requests, so that each comparison starts from the same state. */
import { authorizationToken } from '../../../lib/protocol/authorization';
import type { RawAnswer, RawRequest } from './raw-request';
import { PASSWORD, SHARED_KEY, type Server } from './servers';

export const BOB = 'X26ABC1';
export const ALICE = 'X26ABC2';
export const CAROL = 'X26ABC3';
export const WORKFLOW = 'TEST_WORKFLOW';

export type Version = 1 | 2;
export const ACCEPT: Record<Version, string> = { 1: 'application/json', 2: 'application/vnd.mesh.v2+json' };

/** One server with what is needed to ask it something. Bob sends to Alice. */
export class Scene {
  readonly #server: Server;
  readonly #version: Version;

  constructor(server: Server, version: Version) {
    this.#server = server;
    this.#version = version;
  }

  /** A request of a mailbox, in the scene's version. The path goes on from `/messageexchange/<mailbox>`. */
  ask(mailboxId: string, method: string, path: string, more: Partial<RawRequest> = {}): RawRequest {
    return {
      method,
      path: `/messageexchange/${mailboxId}${path}`,
      ...more,
      headers: { Accept: ACCEPT[this.#version], ...more.headers },
      as: { mailboxId, password: PASSWORD, sharedKey: SHARED_KEY },
    };
  }

  /** The same without a token. */
  anonymous(method: string, path: string, headers: Record<string, string> = {}): RawRequest {
    return { method, path, headers: { Accept: ACCEPT[this.#version], ...headers } };
  }

  /** A POST to Bob's outbox; headers given as undefined are left out. */
  sending(headers: Record<string, string | undefined> = {}, body = 'x'): RawRequest {
    const all = { 'Mex-To': ALICE, 'Mex-WorkflowID': WORKFLOW, ...headers };
    const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return this.ask(BOB, 'POST', '/outbox', { headers: Object.fromEntries(given), body });
  }

  /** A POST of a chunk by Bob. */
  chunk(messageId: string, number: number | string, range: string | undefined, body = 'y'): RawRequest {
    const headers: Record<string, string> = range === undefined ? {} : { 'Mex-Chunk-Range': range };
    return this.ask(BOB, 'POST', `/outbox/${messageId}/${number}`, { headers, body });
  }

  do(request: RawRequest): Promise<RawAnswer> {
    return this.#server.raw(request);
  }

  /** An accepted message from Bob to Alice. */
  async message(headers: Record<string, string> = {}): Promise<string> {
    return idOf(await this.do(this.sending(headers)));
  }

  /** One of three chunks is there. */
  uploading(headers: Record<string, string> = {}): Promise<string> {
    return this.message({ 'Mex-Chunk-Range': '1:3', ...headers });
  }

  /** All of three chunks are there. */
  async chunked(): Promise<string> {
    const id = await this.uploading();
    await this.do(this.chunk(id, 2, '2:3'));
    await this.do(this.chunk(id, 3, '3:3'));
    return id;
  }

  async acknowledged(): Promise<string> {
    const id = await this.message();
    await this.do(this.ask(ALICE, 'PUT', `/inbox/${id}/status/acknowledged`));
    return id;
  }

  async undeliverable(): Promise<string> {
    const id = await this.message();
    await this.admin('POST', `/message/${id}/event`, { status: 'undeliverable', code: '14', event: 'SEND' });
    return id;
  }

  /** A REPORT in Bob's inbox. */
  async report(more: Record<string, string> = {}): Promise<string> {
    const body = { mailbox_id: BOB, code: '14', description: 'why', workflow_id: WORKFLOW, ...more };
    return idOf(await this.admin('POST', '/report', body));
  }

  admin(method: string, path: string, body?: unknown): Promise<RawAnswer> {
    return this.do({
      method,
      path: `/messageexchange/admin${path}`,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    });
  }
}

/** A token of Bob's, made once and used as often as wanted. */
export function tokenOfBob(change: { now?: Date } = {}): string {
  return authorizationToken({ mailboxId: BOB, password: PASSWORD, sharedKey: SHARED_KEY }, change);
}

export const HANDSHAKE = { 'mex-ClientVersion': 'interop==1', 'mex-OSName': 'Linux', 'mex-OSVersion': '6' };

function idOf({ status, json }: RawAnswer): string {
  const answer = (json ?? {}) as { message_id?: string; messageID?: string };
  const id = answer.message_id ?? answer.messageID;
  if (id === undefined) throw new Error(`No message id in an answer of ${status}`);
  return id;
}

/** Ids and times are other ones every time. The words of a person-readable text are nobody's contract. */
const VARYING: ReadonlyArray<[RegExp, string]> = [
  [/\b([0-9A-Fa-f]{32}|\d{20}_[0-9A-F]{6})\b/g, '<id>'],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:[\d.]+Z?/g, '<time>'],
  [/\b20\d{12}\b/g, '<time>'],
  [/\b0\.\d{6,}\b/g, '<random>'],
  [/\b(start_time|continue_from)=[^&]+/g, '$1=<value>'],
];

/** A value with what is bound to vary taken out. */
export function steady(value: string): string {
  return VARYING.reduce((text, [pattern, word]) => text.replace(pattern, word), value);
}

/**
 * Every field of an answer by its name, nested ones with a dot, those of list elements with [], with its steady value. A
 * list that is empty is there, too.
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
