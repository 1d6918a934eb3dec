/** The way of every request: find its endpoint, check certificate and token, let a fault strike, act, answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorAnswer, json, type Answer } from './response';
import { authorise } from './authorization';
import { clientCertificateProblem, type ClientCertificateMode } from './client-certificates';
import type { SandboxContext } from './context';
import { forbidden, Refusal } from './refusal';
import { sweep } from './reports';
import { acceptedVersion, type ApiVersion, type SandboxRequest } from './request';
import type { Match, Router } from './router';
import { discard, openBody, sendAnswer, type ReadyAcknowledgement } from './send-response';
import type { SandboxFaultEffect, SandboxRequestRecord } from './types';

/** What a request has become so far. */
interface Progress {
  operation: string;
  mailboxId?: string;
  version: ApiVersion;
  effect?: SandboxFaultEffect | undefined;
}

/** Makes the listener of the HTTP server. Never rejects; `closing` ends the delays of faults. */
export function dispatcher(
  context: SandboxContext,
  router: Router,
  certificates: ClientCertificateMode,
  closing: AbortSignal,
): (raw: IncomingMessage, response: ServerResponse) => void {
  return (raw, response) => {
    // A connection that breaks while we answer is the client's right.
    response.on('error', () => undefined);
    void handle(raw, response);
  };

  async function handle(raw: IncomingMessage, response: ServerResponse): Promise<void> {
    const progress: Progress = { operation: 'unknown', version: 1 };
    let record: SandboxRequestRecord | undefined;
    let ready: ReadyAcknowledgement | undefined;
    try {
      const toError = (error: unknown): Answer =>
        errorAnswer(error, progress.version, context.messages.newId(context.clock.ms()));
      const answer = await answerTo(raw, progress).catch((error: unknown) =>
        // Nobody is there to read an answer where the request itself broke off.
        raw.destroyed && !raw.complete ? undefined : toError(error),
      );
      const final = withEffect(answer, progress.effect);
      if (final) await discard(raw, context.maxRequestBytes, response);
      if (!final || raw.socket.destroyed) {
        log(raw, progress, 0);
        raw.socket.destroy();
        return;
      }
      ready = await openBody(raw, final).catch((error: unknown) => openBody(raw, toError(error)));
      // Before the answer goes out: who has it finds the request in the log.
      record = log(raw, progress, ready.status);
      await sendAnswer(response, ready, progress.effect);
    } catch {
      raw.socket.destroy();
      // Else the file behind it stays open until it is garbage.
      if (ready?.body instanceof Readable) ready.body.destroy();
      if (record) record.status = 0;
      else log(raw, progress, 0);
    }
  }

  function log(raw: IncomingMessage, { operation, mailboxId }: Progress, status: number): SandboxRequestRecord {
    const record: SandboxRequestRecord = { operation, method: raw.method ?? '', path: raw.url ?? '', status };
    if (mailboxId !== undefined) record.mailboxId = mailboxId;
    context.log.add(record);
    return record;
  }

  /** Undefined: the connection is to be broken instead. */
  async function answerTo(raw: IncomingMessage, progress: Progress): Promise<Answer | undefined> {
    // Whatever is refused is answered in the version that was asked for, if that can be read at all.
    progress.version = versionOrFirst(raw.headers.accept);
    const { path, query } = splitUrl(raw.url ?? '');
    const found = router.find(raw.method ?? '', path);
    if (found === 'no such path') return json(404, { detail: 'Not Found' });
    if (!('route' in found)) {
      const answer = json(405, { detail: 'Method Not Allowed' });
      answer.headers['Allow'] = [...new Set(found.allow)].join(', ');
      return answer;
    }
    const { route, params } = found;
    progress.operation = route.operation;
    if (params['mailboxId'] !== undefined) progress.mailboxId = params['mailboxId'].toUpperCase();

    const problem = clientCertificateProblem(raw.socket, certificates);
    if (problem !== undefined) throw forbidden(problem);
    sweep(context);
    const act = authorised(found, raw, query);
    if (route.access === 'open' && !route.faults) return act();

    const effect = context.faults.strike(route.operation, progress.mailboxId);
    progress.effect = effect;
    if (effect?.kind === 'drop' && effect.when === 'before') return undefined;
    if (effect?.kind === 'status' && effect.after !== true) return json(effect.status, {});
    if (effect?.kind === 'delay') await sleep(effect.ms, undefined, { signal: closing, ref: false });
    return act();
  }

  /** Checks token and version; gives back what does the endpoint's work. */
  function authorised({ route, params }: Match, raw: IncomingMessage, query: string): () => Promise<Answer> {
    const request = (): SandboxRequest => {
      const version = acceptedVersion(raw.headers.accept);
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

/** What a fault makes of an answer after the request took effect. */
function withEffect(answer: Answer | undefined, effect: SandboxFaultEffect | undefined): Answer | undefined {
  if (effect?.kind === 'drop') return undefined;
  if (effect?.kind !== 'status' || answer === undefined) return answer;
  // A body that was to be opened never is.
  const body = typeof effect.body === 'string' ? effect.body : JSON.stringify(effect.body ?? {});
  const type = typeof effect.body === 'string' ? 'text/plain' : 'application/json';
  const bytes = Buffer.from(body);
  return {
    status: effect.status,
    headers: { 'Content-Type': type, ...effect.headers, 'Content-Length': bytes.length },
    body: bytes,
  };
}

function splitUrl(url: string): { path: string; query: string } {
  const mark = url.indexOf('?');
  return mark < 0 ? { path: url, query: '' } : { path: url.slice(0, mark), query: url.slice(mark + 1) };
}

function versionOrFirst(accept: string | undefined): ApiVersion {
  try {
    return acceptedVersion(accept);
  } catch (error) {
    if (error instanceof Refusal) return 1;
    throw error;
  }
}
