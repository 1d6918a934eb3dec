/**
 * The headers of a message in both directions: an outgoing message becomes `Mex-*` headers, MESH's headers become
 * {@link MessageHeaders}. Source: mesh-api.yaml, send_message, retrieve_message and "Asynchronous error reporting".
 */
import { InvalidMessageError } from '../errors';
import type { MessageHeaders, OutgoingMessage } from '../types';
import { defined } from './responses';
import { parseChunkRange } from './chunk-range';
import { adviceFor } from './error-codes';
import { headerBytes, headerText } from './header-text';
import { HEADER_RULES, headerProblem, type HeaderField } from './header-rules';
import { isoFromMesh } from './time';

/** Headers by their lower-case names, as undici returns them: with one character for each byte. */
type ReceivedHeaders = Record<string, string | string[] | undefined>;

/** The fields of a message that are sent as headers, with defaults applied. */
export type HeaderValues = Omit<OutgoingMessage, 'payload' | 'compression'> & { localId: string; contentType: string };

/**
 * Returns the headers of send_message except chunk range, encoding and authorization.
 * @throws InvalidMessageError for the first header that MESH would refuse; it names the header, never its value
 */
export function outgoingHeaders(mailboxId: string, message: HeaderValues): Record<string, string> {
  requireText(message.to, 'to', 'Give the recipient’s mailbox id, or look it up by ODS code with mesh-lookup.');
  requireText(message.workflowId, 'workflowId', 'Give the workflow id that you agreed with the recipient.');
  const headers: Record<string, string> = { 'Mex-From': mailboxId, 'Mex-MessageType': 'DATA' };
  for (const field of [
    'to',
    'workflowId',
    'localId',
    'subject',
    'fileName',
    'partnerId',
    'checksum',
    'contentType',
  ] as const) {
    const value = message[field];
    if (value !== undefined && value !== '') headers[HEADER_RULES[field].header] = checkedHeader(field, value);
  }
  // MESH returns Content-Type `application/octet-stream` for a chunked message; this header reaches the receiver.
  headers['Mex-Content-Type'] = checkedHeader('contentType', message.contentType);
  if (message.compressed) headers['Mex-Content-Compressed'] = 'Y';
  if (message.encrypted) headers['Mex-Content-Encrypted'] = 'Y';
  return headers;
}

/**
 * Adds the checksum, if there is one: it is known only once the payload has been read.
 * @throws InvalidMessageError when MESH would refuse the checksum
 */
export function withChecksum(headers: Record<string, string>, checksum: string | undefined): Record<string, string> {
  if (checksum === undefined || checksum === '') return headers;
  return { ...headers, [HEADER_RULES.checksum.header]: checkedHeader('checksum', checksum) };
}

/**
 * Returns the value as it is sent: with one character for each byte.
 * @throws InvalidMessageError when MESH would refuse it in this header
 */
export function checkedHeader(field: HeaderField, value: string): string {
  const rule = HEADER_RULES[field];
  const problem = headerProblem(rule, value);
  if (problem === undefined) return headerBytes(value);
  throw new InvalidMessageError(`${field} (${rule.header}) ${problem}. Nothing was sent.`, {
    advice: `Correct ${field}: shorten it, and remove line breaks, tabs and half characters.`,
  });
}

function requireText(value: string | undefined, field: HeaderField, advice: string): void {
  if (typeof value === 'string' && value.trim() !== '') return;
  throw new InvalidMessageError(`${field} (${HEADER_RULES[field].header}) is missing. Nothing was sent.`, { advice });
}

/**
 * Parses the headers of retrieve_message, retrieve_chunk and head_message. `mailboxId` and `messageId` are the
 * requested ones.
 */
export function readMessageHeaders(headers: ReceivedHeaders, mailboxId: string, messageId: string): MessageHeaders {
  const get = (name: string): string | undefined => {
    const value = headers[name];
    const text = Array.isArray(value) ? value.join(', ') : value;
    return text === undefined || text === '' ? undefined : headerText(text);
  };
  const range = parseChunkRange(get('mex-chunk-range') ?? '');
  const messageType = get('mex-messagetype')?.toUpperCase() === 'REPORT' ? 'REPORT' : 'DATA';
  const statusCode = get('mex-statuscode');
  const statusEvent = get('mex-statusevent');
  const statusTimestamp = get('mex-statustimestamp');
  const success = get('mex-statussuccess');
  return defined<MessageHeaders>({
    mailboxId,
    messageId,
    messageType,
    from: get('mex-from') ?? '',
    to: get('mex-to') ?? mailboxId,
    workflowId: get('mex-workflowid') ?? '',
    localId: get('mex-localid'),
    subject: get('mex-subject'),
    fileName: get('mex-filename'),
    contentType: get('mex-content-type') ?? get('content-type'),
    partnerId: get('mex-partnerid'),
    checksum: get('mex-content-checksum'),
    compressed: isYes(get('mex-content-compressed')),
    encrypted: isYes(get('mex-content-encrypted')),
    // RFC 9110, 8.4.1.3: x-gzip is another name of gzip.
    contentEncoding: get('content-encoding')
      ?.toLowerCase()
      .replace(/^x-gzip$/, 'gzip'),
    totalChunks: range?.totalChunks ?? 1,
    linkedMessageId: get('mex-linkedmsgid'),
    statusCode,
    statusEvent,
    statusDescription: get('mex-statusdescription'),
    statusSuccess: success === undefined ? undefined : success.toUpperCase() === 'SUCCESS',
    statusTimestamp: statusTimestamp === undefined ? undefined : isoFromMesh(statusTimestamp),
    advice: messageType === 'REPORT' && statusCode ? adviceFor(statusCode) : undefined,
  });
}

function isYes(value: string | undefined): boolean | undefined {
  return value === undefined ? undefined : /^(y|yes|true|1)$/i.test(value);
}
