/**
 * A national service behind a mailbox of the sandbox: it collects what is sent to it and answers as the real one does,
 * as far as that is public (docs/sandbox-services.md says how sure each answer is). Bodies follow the published forms
 * and are written here by hand: an answer that our own reader's other half had written would prove nothing.
 */

/** The services, by the names in the settings. */
export const SERVICES = [
  'opt-out',
  'vaccinations',
  'notify',
  'digital-letters',
  'landing-portal',
  'pds-trace',
  'nhais',
] as const;
export type ServiceName = (typeof SERVICES)[number];

/** What the service makes of requests. */
export interface ServiceSettings {
  /**
   * Default `by-content`: the request decides, as at the real service. `rejected`: each is refused. `silent`: each is
   * collected and never answered.
   */
  answer?: 'by-content' | 'rejected' | 'silent';
  /** Sandbox time (ms) from collecting a request to each of its answers, by stage. Defaults: {@link STAGE_DELAYS_MS}. */
  delaysMs?: Partial<Record<Stage, number>>;
  /** How often each answer comes, as a message of its own each time. Default 1. */
  copies?: number;
  /** The stages whose answers never come. Default: none. */
  missing?: Stage[];
  /** `opt-out`: the NHS numbers of those who opted out. Default: {@link OPTED_OUT}. */
  optedOut?: string[];
}

/** Receipt, then result, then report. */
export const STAGES = ['receipt', 'result', 'report'] as const;
export type Stage = (typeof STAGES)[number];

/** Seconds, not the hours of the real services: a newcomer is looking on. */
export const STAGE_DELAYS_MS: Record<Stage, number> = { receipt: 1000, result: 3000, report: 5000 };

/** A synthetic number of the range that is not issued to people. */
export const OPTED_OUT = ['9991742182'];

/** A message that the service has collected. */
export interface ServiceRequest {
  messageId: string;
  /** The sender's mailbox. */
  from: string;
  /** The service's mailbox. */
  to: string;
  workflowId: string;
  subject: string;
  localId: string;
  /** As sent; empty if it had none. */
  fileName: string;
  /** Expanded if it was compressed for the transfer. */
  body: Buffer;
  /** Sandbox time. */
  receivedAt: Date;
}

/** One message of the service to the sender of a request. */
export interface ServiceReply {
  stage: Stage;
  workflowId: string;
  subject?: string;
  localId?: string;
  fileName?: string;
  /** Default `application/octet-stream`. */
  contentType?: string;
  body: Buffer | string;
}

/** What becomes of a request. */
export interface ServiceAnswer {
  replies: ServiceReply[];
  /** Why it is answered so, and what in it is a guess: a line of the sandbox's log, without patient data. */
  note: string;
}

/** What a service made of one request. */
export interface ServiceNote {
  service: ServiceName;
  /** The request's. */
  messageId: string;
  note: string;
}

/** An answer that a service has sent. */
export interface SentServiceReply {
  service: ServiceName;
  stage: Stage;
  /** MESH's id of the request, and of the answer. */
  requestId: string;
  messageId: string;
}

/** One service. It remembers what it needs to know repeats. */
export interface Responder {
  readonly service: ServiceName;
  /** Its mailboxes: published ids, or the sandbox's own where none is public. */
  readonly mailboxIds: readonly string[];
  /** The workflows that it reads. Compared without regard to case. */
  readonly workflowIds: readonly string[];
  /** Settings are those of now; `rejected` is the service's own matter, `silent` is not asked for. */
  answer(request: ServiceRequest, settings: ServiceSettings): ServiceAnswer | Promise<ServiceAnswer>;
}

/** Returns an answer without a message. */
export function silence(why: string): ServiceAnswer {
  return { replies: [], note: `No answer: ${why}.` };
}

/** Whether ten digits pass the check by modulus 11 (NHS Data Dictionary, NHS NUMBER). */
export function hasCheckDigit(digits: string): boolean {
  if (!/^\d{10}$/.test(digits)) return false;
  const sum = Array.from(digits.slice(0, 9), Number).reduce((total, digit, index) => total + digit * (10 - index), 0);
  return (11 - (sum % 11)) % 11 === Number(digits[9]);
}

/** Returns a time as `yyyymmddhhmmss`, UTC. */
export function compactTime(time: Date): string {
  return time.toISOString().replace(/\D/g, '').slice(0, 14);
}

/** Splits one row of a delimited file; quotes may enclose a value, and are doubled inside it. */
export function values(row: string, delimiter: string): string[] {
  const found: string[] = [];
  let value = '';
  let quoted = false;
  for (let at = 0; at < row.length; at += 1) {
    const character = row.charAt(at);
    if (quoted && character === '"' && row.charAt(at + 1) === '"') {
      value += '"';
      at += 1;
    } else if (character === '"') quoted = !quoted;
    else if (!quoted && character === delimiter) {
      found.push(value);
      value = '';
    } else value += character;
  }
  return [...found, value];
}

/** Returns the rows of a file: LF or CRLF, without a last empty one. */
export function rows(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}
