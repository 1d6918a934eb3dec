/** Handles every request: finds its endpoint, checks certificate and token, applies a fault, acts, and responds. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorResponse, json, type SandboxResponse } from './response';
import { authorise } from './authorization';
import { clientCertificateProblem, type ClientCertificateRules } from './client-certificates';
import type { SandboxContext } from './context';
import { forbidden, malformedHead } from './refusal';
import { sweep } from './reports';
import { acceptedVersion, versionOrFirst, type ApiVersion, type SandboxRequest } from './request';
import type { Match, Router } from './router';
import { discard, openBody, sendResponse, type OpenResponse } from './send-response';
import type { SandboxFaultEffect, SandboxRequestRecord } from './types';

/**
 * The limit of a request's path and headers (bytes): Node's own. It is checked here rather than by Node's parser, which
 * ends a connection before the Accept header is known.
 */
const MAX_HEAD_BYTES = 16 * 1024;

/** What is known of a request so far. */
interface Progress {
  operation: string;
  mailboxId?: string;
  version: ApiVersion;
  effect?: SandboxFaultEffect | undefined;
}

/** Returns the listener of the HTTP server. It never rejects; `closing` ends the delays of faults. */
export function dispatcher(
  context: SandboxContext,
  router: Router,
  certificates: ClientCertificateRules,
  closing: AbortSignal,
): (raw: IncomingMessage, response: ServerResponse) => void {
  return (raw, response) => {
    // A client may break the connection while we respond.
    response.on('error', () => undefined);
    void handle(raw, response);
  };

  async function handle(raw: IncomingMessage, response: ServerResponse): Promise<void> {
    const progress: Progress = { operation: 'unknown', version: 1 };
    let record: SandboxRequestRecord | undefined;
    let ready: OpenResponse | undefined;
    try {
      const result = await respond(raw, progress).catch((error: unknown) =>
        // If the request itself broke off, there is no client to respond to.
        raw.destroyed && !raw.complete ? undefined : toResponse(error, progress.version),
      );
      const final = withEffect(result, progress.effect);
      if (final) await discard(raw, context.maxRequestBytes, response);
      if (!final || raw.socket.destroyed) {
        log(raw, progress, 0);
        raw.socket.destroy();
        return;
      }
      ready = await openBody(raw, final).catch((error: unknown) => openBody(raw, toResponse(error, progress.version)));
      // MESH's time is what its responses say, and a client believes.
      response.setHeader('Date', context.clock.now().toUTCString());
      // Logged before the response is sent, so that whoever has the response finds the request in the log.
      record = log(raw, progress, ready.status);
      await sendResponse(response, ready, progress.effect);
    } catch {
      raw.socket.destroy();
      // Otherwise the file of the body stays open until it is garbage-collected.
      if (ready?.body instanceof Readable) ready.body.destroy();
      if (!record) log(raw, progress, 0);
      // A client that has the whole body may be gone before its connection says that everything was written.
      else if (!response.writableEnded) record.status = 0;
    }
  }

  function toResponse(error: unknown, version: ApiVersion): SandboxResponse {
    return errorResponse(error, version, context.messages.newId(context.clock.ms()));
  }

  function log(raw: IncomingMessage, { operation, mailboxId }: Progress, status: number): SandboxRequestRecord {
    const record: SandboxRequestRecord = { operation, method: raw.method ?? '', path: raw.url ?? '', status };
    if (mailboxId !== undefined) record.mailboxId = mailboxId;
    context.log.add(record);
    return record;
  }

  /**
   * Returns the response; undefined to break the connection instead.
   * @throws Refusal, or any error of the endpoint
   */
  async function respond(raw: IncomingMessage, progress: Progress): Promise<SandboxResponse | undefined> {
    // A refusal has the requested version, if that can be read.
    progress.version = versionOrFirst(raw.headers.accept);
    if (headBytes(raw) > MAX_HEAD_BYTES) {
      const response = toResponse(malformedHead(431), progress.version);
      response.headers['Connection'] = 'close';
      return response;
    }
    const { path, query } = splitUrl(raw.url ?? '');
    const found = router.find(raw.method ?? '', path);
    if (found === 'no such path') return json(404, { detail: 'Not Found' });
    if (!('route' in found)) {
      const response = json(405, { detail: 'Method Not Allowed' });
      response.headers['Allow'] = [...new Set(found.allow)].join(', ');
      return response;
    }
    const { route, params } = found;
    progress.operation = route.operation;
    if (params['mailboxId'] !== undefined) progress.mailboxId = params['mailboxId'].toUpperCase();

    const problem = clientCertificateProblem(raw.socket, certificates);
    if (problem !== undefined) throw forbidden(problem);
    sweep(context);
    const act = authorised(found, raw, query);
    if (route.access === 'open' && !route.faults) return act();

    const effect = context.faults.effectOn(route.operation, progress.mailboxId);
    progress.effect = effect;
    if (effect?.kind === 'drop' && effect.when === 'before') return undefined;
    if (effect?.kind === 'status' && effect.after !== true) return json(effect.status, {});
    if (effect?.kind === 'delay') await sleep(effect.ms, undefined, { signal: closing, ref: false });
    return act();
  }

  /**
   * Checks token and version, and returns a function that does the endpoint's work.
   * @throws Refusal for either
   */
  function authorised({ route, params }: Match, raw: IncomingMessage, query: string): () => Promise<SandboxResponse> {
    const request = (): SandboxRequest => {
      // Health checks and test endpoints have one version, so that they do not need a valid Accept header.
      const anyVersion = route.access === 'open' && !route.faults;
      const version = anyVersion ? versionOrFirst(raw.headers.accept) : acceptedVersion(raw.headers.accept);
      return { raw, headers: raw.headers, params, query: new URLSearchParams(query), version };
    };
    if (route.access === 'open') {
      const open = request();
      return async () => route.handler(open, context);
    }
    const mailbox = authorise(context, params['mailboxId'] ?? '', raw.headers.authorization);
    const own = { ...request(), mailbox };
    return async () => route.handler(own, context);
  }
}

/** Applies a fault to the response of a request that has taken effect; undefined to break the connection. */
function withEffect(
  response: SandboxResponse | undefined,
  effect: SandboxFaultEffect | undefined,
): SandboxResponse | undefined {
  if (effect?.kind === 'drop') return undefined;
  if (effect?.kind !== 'status' || response === undefined) return response;
  // The original body is never opened.
  const body = typeof effect.body === 'string' ? effect.body : JSON.stringify(effect.body ?? faultBody(effect.status));
  const type = typeof effect.body === 'string' ? 'text/plain' : 'application/json';
  const bytes = Buffer.from(body);
  return {
    status: effect.status,
    headers: { 'Content-Type': type, ...effect.headers, 'Content-Length': bytes.length },
    body: bytes,
  };
}

/** Returns the size of path, header names and values (bytes). */
function headBytes({ url = '', rawHeaders }: IncomingMessage): number {
  return rawHeaders.reduce((bytes, text) => bytes + text.length, url.length);
}

/** A fault is MESH's own unless its body says otherwise, so a refusal has the form of MESH's errors, version 2. */
function faultBody(status: number): object {
  return status < 300 ? {} : { detail: [{ event: '', code: '', msg: 'A fault that the sandbox was asked for' }] };
}

function splitUrl(url: string): { path: string; query: string } {
  const mark = url.indexOf('?');
  return mark < 0 ? { path: url, query: '' } : { path: url.slice(0, mark), query: url.slice(mark + 1) };
}
