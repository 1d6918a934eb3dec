/** The way to MESH and back, on which everything can happen to a request and to its response. */
import type { MailboxConfig } from '../../lib/config';
import { IncomingBody } from '../../lib/client/incoming-body';
import {
  TransportFailure,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from '../../lib/client/transport';
import type { Faults, Kind } from './faults';
import { refused, type Mesh, type MeshRequest, type MeshResponse } from './mesh';
import type { SeededRandom } from './random';
import type { Life, Schedule } from './schedule';

/** What a network stands on. */
export interface NetworkParts {
  schedule: Schedule;
  faults: Faults;
  random: SeededRandom;
  mesh: Mesh;
  /** Called with what becomes of each request. */
  note: (line: string) => void;
  /** Called with a request that a fault has hit. */
  hit: (kind: Kind, request: MeshRequest) => void;
}

/** What becomes of one request. */
type Fate =
  | 'answered'
  | 'no connection'
  | 'request lost'
  | 'response lost'
  | 'response late'
  | 'response cut'
  | 'foreign response'
  | 'swapped response'
  | 'MESH busy'
  | 'MESH fault';

const FATES: ReadonlyArray<[Exclude<Fate, 'answered'>, number]> = [
  ['no connection', 0.03],
  ['request lost', 0.03],
  ['response lost', 0.04],
  ['response late', 0.01],
  ['response cut', 0.03],
  ['foreign response', 0.04],
  ['swapped response', 0.03],
  ['MESH busy', 0.03],
  ['MESH fault', 0.03],
];

/** Network of one world. */
export class Network {
  readonly #parts: NetworkParts;
  /** How often each status was given as a response. */
  readonly statuses = new Map<number, number>();
  /** Called when MESH, or somebody else, has acted on a request, and nothing of the response is here yet. */
  onHandled: () => void = () => undefined;
  /** The responses that a proxy has kept. */
  readonly #seen: Array<Pick<MeshRequest, 'method' | 'path'> & { response: MeshResponse }> = [];

  constructor(parts: NetworkParts) {
    this.#parts = parts;
  }

  /** The transport of one mailbox in one process (lib/client/transport.ts): one connection, one request at a time. */
  transport({ timeouts }: Pick<MailboxConfig, 'timeouts'>, life: Life): Transport {
    let before: Promise<unknown> = Promise.resolve();
    return {
      request: (request) => {
        const exchange = before.then(() => this.#exchange(request, timeouts, life));
        before = exchange.then(({ ended }) => ended).catch(() => undefined);
        return exchange.then(({ response }) => response);
      },
      close: async () => undefined,
    };
  }

  async #exchange(
    request: TransportRequest,
    timeouts: MailboxConfig['timeouts'],
    life: Life,
  ): Promise<{ response: TransportResponse; ended: Promise<unknown> }> {
    const { mesh, note, faults } = this.#parts;
    const { method, path, headersMs = timeouts.headersMs, signal } = request;
    const fate = this.#fate();
    const line = `${method} ${path.replace('/messageexchange/', '')}`;
    const fail = (code: string, wasSent: boolean): never => {
      note(`${line}: ${code} (${fate})`);
      throw new TransportFailure(Object.assign(new Error(code), { code }), wasSent);
    };
    const wait = (ms: number, wasSent: boolean): Promise<void> => this.#wait(ms, signal, wasSent, life);

    await wait(this.#latency(), false);
    if (fate === 'no connection') fail('ECONNREFUSED', false);
    const body = await this.#upload(request, life);
    const sent = { method, path, headers: request.headers, body };
    if (fate !== 'answered') this.#parts.hit(fate, sent);
    await wait(this.#latency(), true);
    if (fate === 'request lost') {
      await wait(faults.of(fate).chance(0.5) ? 1 : headersMs, true);
      fail('ECONNRESET', true);
    }
    const found = this.#respond(fate, sent, mesh);
    this.onHandled();
    if (fate === 'response lost') {
      await wait(faults.of(fate).chance(0.5) ? 1 : headersMs, true);
      fail('UND_ERR_SOCKET', true);
    }
    if (fate === 'response late') {
      await wait(headersMs, true);
      fail('UND_ERR_HEADERS_TIMEOUT', true);
    }
    await wait(this.#latency(), true);
    this.statuses.set(found.status, (this.statuses.get(found.status) ?? 0) + 1);
    note(`${line}: ${found.status}${fate === 'answered' ? '' : ` (${fate})`}`);
    return this.#answer(found, fate === 'response cut', method, signal, life);
  }

  #fate(): Fate {
    return FATES.find(([fate, probability]) => this.#parts.faults.strikes(fate, probability))?.[0] ?? 'answered';
  }

  /** Lets MESH respond, or somebody else. */
  #respond(fate: Fate, request: MeshRequest, mesh: Mesh): MeshResponse {
    const { faults } = this.#parts;
    if (fate === 'foreign response') {
      const response = foreign(faults.of(fate), request);
      // It may have passed the request on all the same; but then it does not say that it did not (RFC 9110, 503).
      if (!NOT_PROCESSED.includes(response.status) && faults.of(fate).chance(0.3)) mesh.handle(request);
      return response;
    }
    if (fate === 'MESH busy') {
      const status = faults.of(fate).pick(NOT_PROCESSED);
      return { ...refused(status, 'TooMany'), headers: { 'retry-after': String(faults.of(fate).between(1, 90)) } };
    }
    if (fate === 'MESH fault') {
      if (faults.of(fate).chance(0.5)) mesh.handle(request);
      return refused(faults.of(fate).pick([408, 421, 500, 502, 504]), 'Fault');
    }
    const response = mesh.handle(request);
    const { method, path } = request;
    const kept = this.#seen.filter((each) => each.method === method);
    this.#seen.push({ method, path, response });
    // A proxy that keeps responses gives one again; a POST it does pass on.
    if (fate !== 'swapped response' || method === 'POST' || kept.length === 0) return response;
    const ofSameMessage = kept.filter((each) => each.path !== path && each.path.startsWith(messagePath(path)));
    const isNear = ofSameMessage.length > 0 && faults.of(fate).chance(0.7);
    return faults.of(fate).pick(isNear ? ofSameMessage : faults.of(fate).chance(0.5) ? kept.slice(-4) : kept).response;
  }

  /** Reads the body of a request, as undici does while it sends it. @throws what the payload throws; TransportFailure */
  async #upload({ body, signal }: TransportRequest, life: Life): Promise<Buffer> {
    if (!body) return Buffer.alloc(0);
    if (body.whole) return Buffer.from(body.whole);
    const pieces: Buffer[] = [];
    for await (const piece of body.open()) {
      pieces.push(Buffer.from(piece));
      await this.#wait(this.#latency(), signal, false, life);
    }
    const all = Buffer.concat(pieces);
    if (all.length !== body.bytes) throw new TransportFailure(new Error('UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'), false);
    return all;
  }

  /** Passes a response on in pieces, each in a step of its own. */
  #answer(
    { status, headers, body }: MeshResponse,
    isCut: boolean,
    method: string,
    signal: AbortSignal | undefined,
    life: Life,
  ): { response: TransportResponse; ended: Promise<unknown> } {
    const { random, schedule } = this.#parts;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    let isOver = false;
    const over = (): void => {
      isOver = true;
      signal?.removeEventListener('abort', abort);
      end();
    };
    const response = new IncomingBody({ pause: () => undefined, resume: () => undefined, abort: over });
    const abort = (): void => {
      over();
      response.fail(new Error('aborted'));
    };
    signal?.addEventListener('abort', abort);
    const length = method === 'HEAD' ? 0 : body.length;
    const pieceBytes = random.pick([16_384, 65_536, 200_000]);
    const last = isCut ? random.between(0, length) : length;
    const pass = (at: number): void => {
      if (isOver) return;
      if (at < last) {
        response.push(Buffer.from(body.subarray(at, Math.min(last, at + pieceBytes))));
        schedule.in(random.between(0, 3), () => pass(at + pieceBytes), life);
        return;
      }
      over();
      if (isCut && last < length) response.fail(Object.assign(new Error('UND_ERR_SOCKET'), { code: 'UND_ERR_SOCKET' }));
      else response.end();
    };
    // A small body mostly comes with its headers.
    if (random.chance(0.7)) pass(0);
    else schedule.in(random.between(0, 20), () => pass(0), life);
    return { response: { status, headers, body: response }, ended };
  }

  /** @throws TransportFailure when the signal aborts meanwhile */
  #wait(ms: number, signal: AbortSignal | undefined, wasSent: boolean, life: Life): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => {
        cancel();
        reject(new TransportFailure(signal?.reason ?? new Error('aborted'), wasSent));
      };
      const cancel = this.#parts.schedule.in(
        ms,
        () => {
          signal?.removeEventListener('abort', aborted);
          resolve();
        },
        life,
      );
      if (signal?.aborted) aborted();
      else signal?.addEventListener('abort', aborted, { once: true });
    });
  }

  #latency(): number {
    return this.#parts.random.between(1, 40);
  }
}

/** Statuses with which anybody says that the request was not processed (docs/design.md, rule 1). */
const NOT_PROCESSED = [425, 429, 503];

/** The part of a path that all chunks of a message share. */
const messagePath = (path: string): string => path.split('/').slice(0, 5).join('/');

/** A response of something between us and MESH: a login page, a proxy's error, or MESH's own words from nowhere. */
function foreign(random: SeededRandom, { method }: MeshRequest): MeshResponse {
  const page = Buffer.from('<html><body>Log in to the hospital network</body></html>');
  const html = { 'content-type': 'text/html', 'content-length': String(page.length) };
  const error = Buffer.from('{"errorEvent":"SEND","errorCode":"20","errorDescription":"Message does not exist"}');
  const like = { 'content-type': 'application/json', 'content-length': String(error.length) };
  const answers: MeshResponse[] = [
    { status: 200, headers: html, body: page },
    { status: 200, headers: like, body: error },
    { status: 202, headers: html, body: page },
    { status: 204, headers: {}, body: Buffer.alloc(0) },
    { status: 302, headers: { ...html, location: 'https://login.example' }, body: page },
    { status: 304, headers: {}, body: Buffer.alloc(0) },
    ...[403, 404, 407, 408, 409, 410, 413, 421, 423, 425, 429, 500, 502, 503, 504].map((status) => ({
      status,
      headers: html,
      body: page,
    })),
  ];
  const answer = random.pick(answers);
  return method === 'HEAD' ? { ...answer, body: Buffer.alloc(0) } : answer;
}
