/** Reads and checks the headers of send_message. Limits and characters: lib/protocol/header-rules. */
import { HEADER_RULES, type HeaderRule } from '../../protocol/header-rules';
import type { MessageDetails } from '../message';
import { Refusal, rejected, ValidationRefusal, type ValidationProblem } from '../refusal';
import { header, missing, type SandboxRequest } from '../request';

/** The headers of an upload. */
interface SentHeaders {
  /** The recipient, in capitals. */
  to: string;
  /** The recipient as it was sent. */
  toAsSent: string;
  /** Empty: not chunked. */
  chunkRange: string;
  details: MessageDetails;
}

/**
 * Rules that are not in header-rules.ts, with the NHS sandbox's limits. mesh-api.yaml has no limit for Content-Type.
 */
const MORE_RULES: readonly HeaderRule[] = [
  { header: 'Content-Type', maxLength: Infinity },
  { header: 'Mex-Content-Type', maxLength: 100 },
  { header: 'Mex-Content-Compressed', maxLength: 20 },
  { header: 'Mex-Content-Encrypted', maxLength: 20 },
];

/**
 * Reads and checks the headers.
 * @throws ValidationRefusal or Refusal, in this order: 400 for headers that are missing or too long, 400 TRANSFER/06
 * for control characters and URLs, 400 for invalid characters in a checksum, 400 SEND/08 without a recipient, 417
 * SEND/07 for another mailbox's sender, 417 SEND/11 for a type other than DATA, 422 for an unknown content encoding
 */
export function sentHeaders(request: SandboxRequest, mailboxId: string): SentHeaders {
  const get = (name: string): string => header(request, name);
  checkValues(request);
  const to = get('Mex-To').toUpperCase();
  if (to === '') throw new Refusal(400, 'TO_DTS missing', { event: 'SEND', code: '08' });
  const from = get('Mex-From').toUpperCase();
  if (from !== '' && from !== mailboxId) throw rejected('SEND', '07', 'Invalid From Address in the control file');
  const type = get('Mex-MessageType').toUpperCase();
  if (type !== '' && type !== 'DATA') throw rejected('SEND', '11', 'Invalid Message Type for the transfer');
  return {
    to,
    toAsSent: get('Mex-To'),
    chunkRange: get('Mex-Chunk-Range'),
    details: {
      workflowId: get('Mex-WorkflowID'),
      subject: get('Mex-Subject'),
      localId: get('Mex-LocalID'),
      partnerId: get('Mex-PartnerID'),
      fileName: get('Mex-FileName'),
      checksum: get('Mex-Content-Checksum'),
      contentType: get('Mex-Content-Type') || get('Content-Type'),
      contentEncoding: sentEncoding(request),
      compressed: isYes(get('Mex-Content-Compressed')),
      encrypted: isYes(get('Mex-Content-Encrypted')),
    },
  };
}

/**
 * Returns `gzip` or empty.
 * @throws Refusal 422 for others, as in the NHS's sandbox; mesh-api.yaml names only gzip
 */
export function sentEncoding(request: SandboxRequest): string {
  const encoding = header(request, 'Content-Encoding').toLowerCase();
  if (encoding === '' || encoding === 'gzip') return encoding;
  throw new Refusal(422, 'Unsupported content encoding', { event: 'SEND', code: 'UnsupportedContentEncoding' });
}

function checkValues(request: SandboxRequest): void {
  const { contentType: _contentType, ...listed } = HEADER_RULES;
  const rules = [...Object.values<HeaderRule>(listed), ...MORE_RULES];
  const tooLong: ValidationProblem[] = [];
  const malformed: string[] = [];
  for (const rule of rules) {
    const value = header(request, rule.header);
    if (value.length > rule.maxLength) {
      const msg = `String should have at most ${rule.maxLength} characters`;
      tooLong.push({ loc: ['header', rule.header.toLowerCase()], msg, type: 'string_too_long' });
    }
    // Bytes above 0x7f are accepted: other clients send UTF-8, which MESH passes on unread.
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    if (/[\u0000-\u001f\u007f]/.test(value) || (rule.noUrl && /^https?:\/\//i.test(value))) malformed.push(rule.header);
  }
  if (tooLong.length > 0) throw new ValidationRefusal(...tooLong);
  if (malformed.length > 0) {
    const extra = { fields: malformed };
    throw new Refusal(400, 'MalformedControlFile', { event: 'TRANSFER', code: '06', extra });
  }
  const checksum = header(request, HEADER_RULES.checksum.header);
  if (!HEADER_RULES.checksum.characters.test(checksum)) {
    throw new Refusal(400, 'Invalid checksum', { event: 'SEND', code: 'Invalid checksum' });
  }
  if (header(request, 'Mex-WorkflowID') === '') throw missing('header', 'mex-workflowid');
}

function isYes(value: string): boolean {
  return /^(y|yes|t|true|on|1)$/i.test(value);
}
