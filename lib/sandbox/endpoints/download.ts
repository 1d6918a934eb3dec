/** head_message, retrieve_message and retrieve_chunk. */
import { pipeline, Writable, type Readable, type Transform } from 'node:stream';
import { pipeline as pipelinePromise } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { empty, type SandboxResponse } from '../response';
import type { SandboxContext } from '../context';
import { statusOf, type Message } from '../message';
import { forbidden, messageGone, noSuchMessage, ServerFailure } from '../refusal';
import { header, integer, param, upperParam, type AuthorisedRequest } from '../request';
import type { MailboxHandler, Route } from '../router';
import { messageHeaders } from './message-headers';

const headMessage: MailboxHandler = (request, context) => {
  const message = context.messages.get(upperParam(request, 'messageId'));
  const asRecipient = message?.to === request.mailbox.mailboxId && message.hiddenFrom !== 'recipient';
  const asSender = message?.from === request.mailbox.mailboxId && message.hiddenFrom !== 'sender';
  if (!message || (!asRecipient && !asSender)) throw noSuchMessage();
  // As in the NHS's sandbox, the sender may look at its message in any status.
  if (!asSender && statusOf(message) !== 'accepted') throw messageGone(message.messageId);
  const media = request.version === 1 ? 'application/json' : 'application/vnd.mesh.v2+json';
  return empty(200, { ...messageHeaders(message, 1), 'Content-Type': media });
};

const retrieveMessage: MailboxHandler = (request, context) => retrieve(request, context, 1);

const retrieveChunk: MailboxHandler = (request, context) => {
  const where = { loc: ['path', 'chunk_number'] as [string, string], min: 1, max: Number.MAX_SAFE_INTEGER };
  return retrieve(request, context, integer(param(request, 'chunk'), where));
};

function retrieve(request: AuthorisedRequest, context: SandboxContext, chunk: number): SandboxResponse {
  const message = receivedMessage(request, context);
  if (statusOf(message) !== 'accepted') throw messageGone(message.messageId);
  const headers = messageHeaders(message, chunk);
  if (message.type === 'REPORT') {
    if (chunk > 1) throw noSuchMessage(message.messageId);
    return empty(200, { ...headers, 'Content-Type': 'application/octet-stream' });
  }
  const body = message.chunks[chunk - 1];
  if (!body) throw noSuchMessage(message.messageId);

  const { contentEncoding, contentType } = message.details;
  const asIs = request.version === 2 && message.totalChunks === 1 && contentType !== '';
  headers['Content-Type'] = asIs ? contentType : 'application/octet-stream';
  const gzipAccepted = acceptsGzip(header(request, 'accept-encoding'));
  const coder = coderFor(contentEncoding, gzipAccepted, request.version);
  if (coder === undefined) headers['Content-Length'] = body.size;
  if (coder === 'expand') delete headers['Content-Encoding'];
  if (coder === 'compress') headers['Content-Encoding'] = 'gzip';
  if (headers['Content-Encoding'] === 'gzip') headers['Mex-Content-Compressed'] = 'Y';

  return {
    status: chunk < message.totalChunks ? 206 : 200,
    headers,
    body: async () => {
      // Another request may acknowledge the message at this moment.
      const open = (): Promise<Readable> => body.open().catch(() => Promise.reject(messageGone(message.messageId)));
      if (coder === 'expand') await checkGzip(await open());
      return coded(await open(), coder);
    },
  };
}

/**
 * Expands a body once before any header of its response is sent: one that is no gzip, or ends early, is then an error
 * rather than a connection that breaks in the middle.
 * @throws ServerFailure (500, as in the NHS's sandbox)
 */
async function checkGzip(source: Readable): Promise<void> {
  const nowhere = new Writable({ write: (_slice, _encoding, done) => done() });
  await pipelinePromise(source, createGunzip(), nowhere).catch((error: NodeJS.ErrnoException) => {
    if (!error.code?.startsWith('Z_')) throw error;
    throw new ServerFailure('The body is not the gzip that its Content-Encoding says, and cannot be expanded');
  });
}

/**
 * Returns the message of the request.
 * @throws Refusal 404 for an unknown message, 403 for another mailbox's
 */
export function receivedMessage(request: AuthorisedRequest, context: SandboxContext): Message {
  const message = context.messages.get(upperParam(request, 'messageId'));
  if (!message) throw noSuchMessage();
  if (message.to !== request.mailbox.mailboxId) throw forbidden('The message belongs to another mailbox');
  if (message.hiddenFrom === 'recipient') throw noSuchMessage(message.messageId);
  return message;
}

type Coder = 'expand' | 'compress' | undefined;

/** A compressed body is expanded for clients that do not accept gzip; version 2 compresses an uncompressed body. */
function coderFor(contentEncoding: string, gzipAccepted: boolean, version: 1 | 2): Coder {
  if (contentEncoding === 'gzip') return gzipAccepted ? undefined : 'expand';
  return gzipAccepted && version === 2 ? 'compress' : undefined;
}

function coded(source: Readable, coder: Coder): Readable {
  if (coder === undefined) return source;
  const transform: Transform = coder === 'expand' ? createGunzip() : createGzip();
  // pipeline destroys the transform on an error of either stream, so the error reaches the reader.
  return pipeline(source, transform, () => undefined);
}

function acceptsGzip(acceptEncoding: string): boolean {
  return acceptEncoding
    .toLowerCase()
    .split(',')
    .some((part) => /^\s*(gzip|x-gzip|\*)\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/.test(part));
}

const path = '/messageexchange/:mailboxId/inbox/:messageId';

export const downloadRoutes: Route[] = [
  { method: 'HEAD', path, operation: 'head_message', access: 'mailbox', handler: headMessage },
  { method: 'GET', path, operation: 'retrieve_message', access: 'mailbox', handler: retrieveMessage },
  {
    method: 'GET',
    path: `${path}/:chunk`,
    operation: 'retrieve_chunk',
    access: 'mailbox',
    handler: retrieveChunk,
  },
];
