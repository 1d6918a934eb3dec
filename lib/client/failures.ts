/**
 * What went wrong, told to a person: from a status MESH answered, or from a request that got no answer, to one of the
 * library's errors with its `retry` and its advice. The only place where that is decided.
 */
import {
  AbortedError,
  AuthenticationError,
  ConnectionError,
  GoneError,
  LocalIdNotUniqueError,
  MeshError,
} from '../errors';
import { MessageCompleteError, NotFoundError, ProtocolError, RejectedError, TlsError } from '../errors';
import { UnavailableError, UnknownOutcomeError, type MeshErrorDetails } from '../errors';
import { MAX_CLOCK_SKEW_MS } from '../protocol/authorization';
import { readError } from '../protocol/responses';
import { adviceFor, findErrorCode } from '../protocol/error-codes';
import type { TransportFailure, TransportResponse } from './transport';

/** What the request was about, for the error's text. */
export interface RequestContext {
  /** The operation's name in mesh-api.yaml. */
  operation: string;
  /** What was attempted, as in "could not be sent". */
  purpose: string;
  mailboxId: string;
  messageId?: string;
  /** False only for the POST of a whole message: repeating it may send it twice (DOMAIN.md 1.10). */
  repeatable: boolean;
  /** Host and port, for connection errors. */
  host: string;
  /** Aborted by the caller or by the mailbox's close. */
  signal?: AbortSignal;
}

const UNKNOWN_ADVICE =
  'Do not send it again blindly. Track it by its local id; MESH may take many minutes to know it. Not found after an hour, ask the recipient or the service desk before you send it again.';

/** The error for an answer with a status that is no success. `body` is its JSON, if it had any. */
export function failureOfStatus(context: RequestContext, response: TransportResponse, body: unknown): MeshError {
  const { status } = response;
  const answer = readError(body);
  const details: MeshErrorDetails = {
    ...detailsOf(context),
    status,
    ...(answer.messageId ? { messageId: answer.messageId } : {}),
    ...(answer.code ? { meshCode: answer.code } : {}),
    ...(answer.event ? { event: answer.event } : {}),
    ...(answer.description ? { description: answer.description.slice(0, 300) } : {}),
    ...(answer.code ? { advice: adviceFor('api', answer.event, answer.code) } : {}),
  };
  const meaning = answer.code ? findErrorCode('api', answer.event, answer.code)?.meaning : undefined;
  // Our words for its code, and the names of fields: MESH's own description may repeat a recipient with demographics.
  const said = answer.code ? `: ${meaning ?? 'see its description'} (MESH code ${answer.code.slice(0, 40)})` : '';
  const why = said || (answer.fields ? `: ${answer.fields}` : '');
  const subject = about(context);

  switch (status) {
    case 300:
      return new LocalIdNotUniqueError('Several messages carry this local id, so MESH cannot tell which is meant.', {
        ...details,
        advice: 'Track by the message id that MESH gave when the message was sent.',
      });
    case 401:
    case 403:
      return new AuthenticationError(
        `MESH refused mailbox ${context.mailboxId} (status ${status})${why}. ${subject}.`,
        {
          ...details,
          advice: authenticationAdvice(response),
        },
      );
    case 404:
      return new NotFoundError(`MESH does not know what was asked for${said}. ${subject}.`, {
        advice: adviceFor('api', undefined, '20'),
        ...details,
      });
    case 407:
      return new ConnectionError(`The proxy wants other credentials (status 407). ${subject}.`, details);
    case 410:
      return new GoneError(`The message is gone: it expired, failed, or was acknowledged before. ${subject}.`, {
        ...details,
        advice: 'If it was never received, ask the sender to send it again.',
      });
    case 423:
      return new MessageCompleteError(`MESH already has every chunk of this message. ${subject}.`, {
        ...details,
        advice: 'Track the message: it is on its way.',
      });
    case 425:
    case 429:
    case 503:
      return new UnavailableError(`MESH asks to come back later (status ${status}). ${subject}.`, {
        ...details,
        ...retryAfter(response),
        advice: 'Nothing is wrong here; try again later.',
      });
    case 500:
    case 502:
    case 504:
      if (!context.repeatable) return unknownOutcome(context, `MESH answered status ${status}`, { ...details, status });
      return new UnavailableError(`MESH has a fault of its own (status ${status}). ${subject}.`, {
        ...details,
        ...retryAfter(response),
        advice: 'Try again later; if it lasts, look at NHS England’s service status.',
      });
    default:
      if (status >= 400 && status < 500) {
        return new RejectedError(`MESH refused it (status ${status})${why}. ${subject}.`, {
          advice: 'Correct what MESH names, then send again.',
          ...details,
        });
      }
      if (!context.repeatable && (status >= 500 || status < 300)) {
        return unknownOutcome(context, `it answered status ${status}`, details);
      }
      return new ProtocolError(`Something answered status ${status}, which MESH never does. ${subject}.`, {
        ...details,
        advice: 'Check the address of the environment: this may be another server, or a proxy’s page.',
      });
  }
}

/** The error for a request without an answer. `issuer` is the name of the CA that is missing, where that is known. */
export function failureOfTransport(context: RequestContext, failure: TransportFailure, issuer?: string): MeshError {
  const cause = failure.cause;
  const details = { ...detailsOf(context), cause };
  const code = codeOf(cause);
  // Once the body is out, only MESH's refusal of our certificate is proof that nothing was done with it.
  const mayHaveActed = !context.repeatable && failure.requestSent && !isCertificateAlert(code);
  if (isTlsFailure(code) && !mayHaveActed) return tlsFailure(context, code, cause, issuer);
  if (!context.repeatable && failure.requestSent) {
    return unknownOutcome(context, `the connection ended before MESH answered (${code})`, details);
  }
  if (context.signal?.aborted) return new AbortedError(`The operation was ended. ${about(context)}.`, details);
  const proxyStatus = refusalOfProxy(cause);
  if (proxyStatus !== undefined) {
    return new ConnectionError(`The proxy refused the connection (status ${proxyStatus}). ${about(context)}.`, {
      ...details,
      status: Number(proxyStatus),
      advice:
        proxyStatus === '407'
          ? 'Check the proxy’s user name and password.'
          : 'Check the proxy: it has to let CONNECT through to this host and port.',
    });
  }
  return new ConnectionError(`${context.host} was not reached (${code}). ${about(context)}.`, {
    ...details,
    advice: connectionAdvice(code),
  });
}

/** The error for a whole message's POST whose answer is lost or unreadable. */
export function unknownOutcome(context: RequestContext, why: string, details: MeshErrorDetails): UnknownOutcomeError {
  return new UnknownOutcomeError(`It is not known whether MESH accepted the message: ${why}.`, {
    ...detailsOf(context),
    ...details,
    advice: UNKNOWN_ADVICE,
  });
}

/** The parts of a context that every error carries. */
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
  const milliseconds = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? { retryAfterMs: Math.max(0, milliseconds) } : {};
}

function authenticationAdvice(response: TransportResponse): string {
  const date = response.headers['date'];
  const skew = typeof date === 'string' ? Date.parse(date) - Date.now() : Number.NaN;
  if (Math.abs(skew) > MAX_CLOCK_SKEW_MS - 60_000) {
    const minutes = Math.round(Math.abs(skew) / 60_000);
    return `This machine’s clock is ${minutes} minutes ${skew > 0 ? 'behind' : 'ahead of'} MESH’s: set it right (NTP).`;
  }
  return 'Check the mailbox id, its password and the shared key, that all are of this environment, the client certificate, and that the mailbox is not disabled.';
}

/** OpenSSL's, the system's or undici's name for why a connection failed. */
export function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'unknown';
  // An abort's DOMException has a number there.
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

/** The codes that mean: nobody here knows who signed the server's certificate. */
const UNKNOWN_ISSUER = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
]);

/** Whether the code means that the server's certificate is signed by a CA that is not trusted here. */
export function isIssuerCode(code: string): boolean {
  return UNKNOWN_ISSUER.has(code);
}

/** Whether this failure is an unknown issuer, so that it is worth finding out which one. */
export function isUnknownIssuer(failure: TransportFailure): boolean {
  return UNKNOWN_ISSUER.has(codeOf(failure.cause));
}

/** The server's last word on our client certificate, said before it reads a request. */
function isCertificateAlert(code: string): boolean {
  return code.includes('ALERT') && /CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED/.test(code);
}

/** The status with which a proxy refused the tunnel: undici says it in words only. */
function refusalOfProxy(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  return /^Proxy (?:response|Authentication Required) \((\d{3})\)/.exec(cause.message)?.[1];
}

function isTlsFailure(code: string): boolean {
  return TLS_CODES.has(code) || code.startsWith('ERR_TLS_') || code.startsWith('ERR_SSL_');
}

function tlsFailure(context: RequestContext, code: string, cause: unknown, issuer: string | undefined): TlsError {
  const missing = issuer === undefined ? '' : ` The CA that is missing: ${issuer}.`;
  return new TlsError(`The secure connection to ${context.host} failed (${code}). ${about(context)}.${missing}`, {
    ...detailsOf(context),
    cause,
    advice: tlsAdvice(code),
  });
}

function tlsAdvice(code: string): string {
  if (UNKNOWN_ISSUER.has(code)) {
    return 'The server’s certificate is signed by a CA that is not trusted here. NHS England’s environments use their own roots: give their root and sub CA certificates as CA in the TLS configuration.';
  }
  if (isCertificateAlert(code)) {
    return 'The server refused our client certificate: check that it is the one issued for this environment, that it has not expired, and that it comes with its private key.';
  }
  if (code === 'CERT_HAS_EXPIRED') return 'The server’s certificate has expired; check this machine’s clock, too.';
  if (code === 'CERT_NOT_YET_VALID') return 'The server’s certificate is not valid yet: check this machine’s clock.';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') {
    return 'The server’s certificate is for another host name: check the address of the environment, and that no proxy breaks TLS open.';
  }
  return 'Check the address, the certificates, and that no proxy breaks TLS open. MESH speaks TLS 1.2 or later.';
}

function connectionAdvice(code: string): string {
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return 'The host name cannot be resolved: check the address, the network’s DNS, and whether a proxy is needed.';
  }
  if (code === 'ECONNREFUSED') return 'Nothing listens there: check address and port, firewall and proxy.';
  if (code.startsWith('UND_ERR_CONNECT_TIMEOUT') || code === 'ETIMEDOUT') {
    return 'No answer to the connection: check firewall, network and proxy.';
  }
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET') {
    // Some servers say no to a missing client certificate by closing, without a TLS alert.
    return 'The connection was closed: check network, firewall and proxy, and that the client certificate for this environment is configured.';
  }
  if (code === 'UND_ERR_HEADERS_TIMEOUT') {
    return 'The server took the request and gave no answer: check the address of the environment, and whether a firewall or proxy holds it back.';
  }
  return 'Check network, firewall and proxy; it will be tried again.';
}
