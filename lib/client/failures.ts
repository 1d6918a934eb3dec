/**
 * Turns the status of a response, or a request without a response, into one of the library's errors with its `retry`
 * and its advice. No other file decides this.
 */
import { machineNow } from '../clock';
import {
  AbortedError,
  AuthenticationError,
  ConnectionError,
  GoneError,
  LocalIdNotUniqueError,
  MeshError,
} from '../errors';
import { ProtocolError, MessageCompleteError, NotFoundError, RejectedError, TlsError } from '../errors';
import { UnavailableError, UnknownOutcomeError, type MeshErrorDetails } from '../errors';
import { MAX_CLOCK_SKEW_MS } from '../protocol/authorization';
import { readError } from '../protocol/responses';
import { adviceFor, findErrorCode } from '../protocol/error-codes';
import type { TlsOptions } from '../config';
import { explainRefusal, nameOfProxy, ProxyRefusal } from './proxy-refusal';
import type { TransportFailure, TransportResponse } from './transport';
import { findAuthorityOutOfDate, findClientCertificateOutOfDate, sentence } from './usable-certificates';

/** What a request was for; the error's text is made from it. */
export interface RequestContext {
  /** The operation's name in mesh-api.yaml. */
  operation: string;
  /** What did not happen, a sentence without a full stop, e.g. `The inbox was not listed`. */
  purpose: string;
  mailboxId: string;
  messageId?: string;
  /** False only for the POST of a whole message: repeating it may send it twice (docs/mesh.md, Sending). */
  repeatable: boolean;
  /** Host and port, for connection errors. */
  host: string;
  /** Aborted by the caller or by the mailbox's close. */
  signal?: AbortSignal;
}

const UNKNOWN_OUTCOME_ADVICE =
  'Do not resend it blindly. Track it by its local id; MESH may take many minutes to list it. If it is not found ' +
  'after an hour, ask the recipient or the service desk before you send it again.';

/**
 * Returns the error for a refusal by MESH, or for a status with which anyone asks for another attempt (origin.ts decides
 * which those are). `body` is its JSON, if any.
 */
export function failureOfStatus(context: RequestContext, response: TransportResponse, body: unknown): MeshError {
  const { status } = response;
  const { code, event, description, fields, messageId } = readError(body);
  const details: MeshErrorDetails = {
    ...detailsOf(context),
    status,
    ...(messageId ? { messageId } : {}),
    ...(code ? { meshCode: code } : {}),
    ...(event ? { event } : {}),
    ...(description ? { description: description.slice(0, 300) } : {}),
    ...(code ? { advice: adviceFor(code) } : {}),
  };
  const meaning = code ? findErrorCode(code)?.meaning : undefined;
  // Our own words for the code, and the names of fields: MESH's description may repeat a recipient with demographics.
  const codeText = code ? `: ${meaning ?? 'see its description'} (MESH code ${code.slice(0, 40)})` : '';
  const why = codeText || (fields ? `: ${fields}` : '');
  const subject = about(context);

  switch (status) {
    case 300:
      return new LocalIdNotUniqueError('Several messages have this local id, so it does not identify one of them.', {
        ...details,
        advice: 'Track by the message id that MESH returned when the message was sent.',
      });
    case 403:
      return new AuthenticationError(
        `MESH refused mailbox ${context.mailboxId} (status ${status})${why}. ${subject}.`,
        {
          ...details,
          advice: authenticationAdvice(response),
        },
      );
    case 404:
      return new NotFoundError(`MESH did not find what was requested${codeText}. ${subject}.`, {
        advice: adviceFor('20'),
        ...details,
      });
    case 410:
      return new GoneError(`The message is gone: it expired, failed or was already acknowledged. ${subject}.`, {
        ...details,
        advice: 'If it was never received, ask the sender to send it again.',
      });
    case 423:
      return new MessageCompleteError(`MESH already has every chunk of this message. ${subject}.`, {
        ...details,
        advice: 'Track the message: MESH has accepted it.',
      });
    case 425:
    case 429:
    case 503:
      return new UnavailableError(`MESH asked us to try again later (status ${status}). ${subject}.`, {
        ...details,
        ...retryAfter(response),
        advice: 'Nothing is wrong at this end; try again later.',
      });
    case 500:
    case 502:
    case 504:
      if (!context.repeatable) return unknownOutcome(context, `MESH returned status ${status}`, { ...details, status });
      return new UnavailableError(`MESH has an internal fault (status ${status}). ${subject}.`, {
        ...details,
        ...retryAfter(response),
        advice: 'Try again later; if the fault persists, check NHS England’s service status.',
      });
    default:
      return new RejectedError(`MESH rejected the request (status ${status})${why}. ${subject}.`, {
        advice: 'Correct what MESH names, then send it again.',
        ...details,
      });
  }
}

/**
 * Returns the error for a response that is not MESH's. The outcome of a whole message's POST is then unknown: whatever
 * responded may have passed the message on.
 */
export function foreignResponse(context: RequestContext, response: TransportResponse, cause: unknown): MeshError {
  const { status } = response;
  const type = /^[a-z]+\/[a-z0-9.+-]{1,40}/i.exec(String(response.headers['content-type'] ?? ''))?.[0];
  const what = `something between this machine and MESH responded in its place (status ${[status, type].filter(Boolean).join(', ')})`;
  const details = { ...detailsOf(context), status, cause };
  if (!context.repeatable) return unknownOutcome(context, what, details);
  return new ProtocolError(`S${what.slice(1)}. ${about(context)}.`, {
    ...details,
    advice: foreignAdvice(status),
  });
}

function foreignAdvice(status: number): string {
  if (status === 407) return 'Check the proxy’s user name and password.';
  if (status === 413)
    return 'A proxy or firewall limits the size of requests: have its limit raised, or set maxRequestBytes below it.';
  if ((status >= 300 && status < 400) || status === 401 || status === 511) {
    return 'A proxy or network asks for a login: sign this machine in, or let it reach MESH without one.';
  }
  return (
    'Check the environment’s address: another server, or a proxy with a page of its own, may have responded. A proxy ' +
    'or firewall must pass requests to MESH through, and must not cache.'
  );
}

/** Returns the error for a request without a response. `issuer` is the name of the missing CA, if known. */
export function failureOfTransport(context: RequestContext, failure: TransportFailure, issuer?: string): MeshError {
  const cause = failure.cause;
  const { tls, proxy } = failure.means;
  const details = { ...detailsOf(context), cause };
  const code = codeOf(cause);
  // Once the body is sent, only MESH's refusal of our certificate proves that it had no effect.
  const mayHaveActed = !context.repeatable && failure.requestSent && !isCertificateAlert(code);
  if (isTlsFailure(code) && !mayHaveActed) return tlsFailure(context, code, failure, issuer);
  if (!context.repeatable && failure.requestSent) {
    return unknownOutcome(context, `the connection ended before MESH responded (${code})`, details);
  }
  if (context.signal?.aborted) return new AbortedError(`The operation was cancelled. ${about(context)}.`, details);
  const refusal = refusalIn(cause);
  if (refusal) {
    const { text, advice } = explainRefusal(refusal, proxy, context.host);
    return new ConnectionError(`${text}. ${about(context)}.`, { ...details, status: refusal.status, advice });
  }
  const way = proxy === undefined ? '' : ` through the ${nameOfProxy(proxy)}`;
  return new ConnectionError(`${context.host} could not be reached${way} (${code}). ${about(context)}.`, {
    ...details,
    advice: outOfDateAdvice(code, tls) ?? connectionAdvice(code),
  });
}

/** Returns the error for a whole message's POST whose response is lost or unreadable. */
export function unknownOutcome(context: RequestContext, why: string, details: MeshErrorDetails): UnknownOutcomeError {
  return new UnknownOutcomeError(`It is not known whether MESH accepted the message: ${why}.`, {
    ...detailsOf(context),
    ...details,
    advice: UNKNOWN_OUTCOME_ADVICE,
  });
}

/** Returns the parts of a context that every error carries. */
export function detailsOf(context: RequestContext): MeshErrorDetails {
  return {
    operation: context.operation,
    mailboxId: context.mailboxId,
    ...(context.messageId ? { messageId: context.messageId } : {}),
  };
}

function about(context: RequestContext): string {
  return `${context.messageId ? `Message ${context.messageId}: ` : ''}${context.purpose}`;
}

function retryAfter(response: TransportResponse): { retryAfterMs?: number } {
  const value = response.headers['retry-after'];
  if (typeof value !== 'string') return {};
  const seconds = Number(value);
  // A date counts from the server's own time, because this machine's clock may be set differently.
  const now = Date.parse(String(response.headers['date'])) || machineNow();
  const milliseconds = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - now;
  return Number.isFinite(milliseconds) ? { retryAfterMs: Math.max(0, milliseconds) } : {};
}

function authenticationAdvice(response: TransportResponse): string {
  const date = response.headers['date'];
  const skew = typeof date === 'string' ? Date.parse(date) - machineNow() : Number.NaN;
  if (Math.abs(skew) > MAX_CLOCK_SKEW_MS - 60_000) {
    const minutes = Math.round(Math.abs(skew) / 60_000);
    return `This machine’s clock is ${minutes} minutes ${skew > 0 ? 'behind' : 'ahead of'} MESH’s: set it right (NTP).`;
  }
  return (
    'Check the mailbox id, its password and the shared key (all must belong to this environment), the client ' +
    'certificate, and that the mailbox is not disabled.'
  );
}

/** Returns the name that OpenSSL, the system or undici has for why a connection failed. */
export function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'unknown';
  // The `code` of an abort's DOMException is a number.
  const code: unknown = (cause as NodeJS.ErrnoException).code;
  const own = typeof code === 'string' ? code : undefined;
  if (own === 'UND_ERR_SOCKET' || own === undefined) {
    const below = cause.cause === undefined ? undefined : codeOf(cause.cause);
    if (below !== undefined && below !== 'unknown') return below;
  }
  if (cause instanceof AggregateError && cause.errors.length > 0) return codeOf(cause.errors[0]);
  return own ?? cause.name;
}

const TLS_CODES = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_CHAIN_TOO_LONG',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'HOSTNAME_MISMATCH',
  'EPROTO',
]);

/** The codes for a server certificate whose issuer is not trusted here. */
const UNKNOWN_ISSUER = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
]);

/** Returns whether the code means that a CA that is not trusted here signed the server's certificate. */
export function isIssuerCode(code: string): boolean {
  return UNKNOWN_ISSUER.has(code);
}

/** Returns whether the failure is an unknown issuer, which missing-issuer.ts can name. */
export function isUnknownIssuer(failure: TransportFailure): boolean {
  return UNKNOWN_ISSUER.has(codeOf(failure.cause));
}

/**
 * Returns whether the code is the TLS alert that refuses our client certificate; the server sends it before it reads a
 * request.
 */
function isCertificateAlert(code: string): boolean {
  return code.includes('ALERT') && /CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED/.test(code);
}

/** Returns the proxy's refusal among the causes of an error. */
function refusalIn(cause: unknown): ProxyRefusal | undefined {
  if (cause instanceof ProxyRefusal) return cause;
  return cause instanceof Error ? refusalIn(cause.cause) : undefined;
}

function isTlsFailure(code: string): boolean {
  return TLS_CODES.has(code) || code.startsWith('ERR_TLS_') || code.startsWith('ERR_SSL_');
}

function tlsFailure(context: RequestContext, code: string, failure: TransportFailure, issuer?: string): TlsError {
  const missing = issuer === undefined ? '' : ` The missing CA: ${issuer}.`;
  return new TlsError(`The secure connection to ${context.host} failed (${code}). ${about(context)}.${missing}`, {
    ...detailsOf(context),
    cause: failure.cause,
    advice: outOfDateAdvice(code, failure.means.tls) ?? tlsAdvice(code),
  });
}

/** Returns the advice if one of our own certificates is out of date and explains the failure; else undefined. */
function outOfDateAdvice(code: string, tls: TlsOptions): string | undefined {
  // Some servers refuse a client certificate by closing the connection.
  const isRefused = isCertificateAlert(code) || code === 'UND_ERR_SOCKET' || code === 'ECONNRESET';
  const isExpired = code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID';
  const problem = isRefused ? findClientCertificateOutOfDate(tls) : isExpired ? findAuthorityOutOfDate(tls) : undefined;
  return problem && `${sentence(problem.text)} ${problem.advice}`;
}

function tlsAdvice(code: string): string {
  if (UNKNOWN_ISSUER.has(code)) {
    return (
      'The server’s certificate is signed by a CA that is not trusted here. NHS England’s environments use their own ' +
      'roots: add their root and sub-CA certificates as CA in the TLS configuration.'
    );
  }
  if (isCertificateAlert(code)) {
    return (
      'The server refused our client certificate: check that it is the one issued for this environment, that it has ' +
      'not expired, and that its private key is configured with it.'
    );
  }
  if (code === 'CERT_HAS_EXPIRED') return 'The server’s certificate has expired; also check this machine’s clock.';
  if (code === 'CERT_NOT_YET_VALID') return 'The server’s certificate is not valid yet: check this machine’s clock.';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') {
    return (
      'The server’s certificate is for another host name: check the environment’s address, and that no proxy ' +
      'intercepts TLS.'
    );
  }
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST|UNKNOWN_PROTOCOL/.test(code)) {
    return (
      'Check the address and port, and that no proxy intercepts TLS or responds with a page of its own: what responded ' +
      'does not speak TLS. MESH requires TLS 1.2 or later.'
    );
  }
  return 'Check the address, the certificates, and that no proxy intercepts TLS. MESH requires TLS 1.2 or later.';
}

function connectionAdvice(code: string): string {
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return 'The host name cannot be resolved: check the address, the network’s DNS, and whether a proxy is needed.';
  }
  if (code === 'ECONNREFUSED') return 'Nothing listens there: check the address, port, firewall and proxy.';
  if (code.startsWith('UND_ERR_CONNECT_TIMEOUT') || code === 'ETIMEDOUT') {
    return 'The connection timed out: check the firewall, network and proxy.';
  }
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET') {
    // Some servers refuse a missing client certificate by closing the connection, without a TLS alert.
    return (
      'The connection was closed: check the network, firewall and proxy, and that the client certificate for this ' +
      'environment is configured.'
    );
  }
  if (code === 'UND_ERR_HEADERS_TIMEOUT') {
    return (
      'The server received the request but sent no response: check the environment’s address, and whether a firewall ' +
      'or proxy holds the request back.'
    );
  }
  return 'Check the network, firewall and proxy. The request will be tried again.';
}
