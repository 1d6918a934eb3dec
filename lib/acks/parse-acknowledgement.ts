/**
 * Decides by its content what a payload is: a request, with the reference that its acknowledgements name; or an
 * acknowledgement, with the message that it acknowledges. The workflow id alone does not say.
 */
import { MeshError, UnreadableError } from '../errors';
import { readEdifact, type Interchange } from '../formats/edifact/interchange';
import { splitEdifact } from '../formats/edifact/split';
import { isItk2 } from '../formats/itk2/envelope';
import { splitHl7 } from '../formats/hl7/batch';
import { readHl7, textAt } from '../formats/hl7/message';
import { countUpTo } from '../formats/limits';
import { isHl7Ack, readHl7Ack } from './hl7v2/read';
import { readFhirMessage, readItk3Response } from './itk3/read';
import { isNhsAck, readNhsAckIn } from './nhsack/nhsack';
import { isReceipt, readReceipt } from './nhsack/receipts';
import { asOne, keptHl7, keptInterchange, keptItk3, type KeptRequest } from './request';
import type { WorkflowProfile } from './profiles';
import type { ReadableForm, ReceivedAck } from './types';

/** What was found in a payload; empty if it is neither a request nor an acknowledgement. */
export interface ParsedPayload {
  /** What acknowledging it needs. */
  request?: KeptRequest;
  /**
   * A FHIR message that does not say that it is ITK3: a request only on a workflow whose profile says so, see
   * {@link requestOn}.
   */
  unmarkedRequest?: KeptRequest;
  acknowledgement?: ReceivedAck;
  /** The others of a batch of acknowledgements. `acknowledgement` is the first of those with the worst result. */
  furtherAcknowledgements?: ReceivedAck[];
  /** With `acknowledgement`: how many others of the batch cannot be read, or are too many. It is raised. */
  unreadableCount?: number;
  /** With `acknowledgement`: it is data as well, e.g. the response to an HL7 query. */
  isData?: true;
  /**
   * An acknowledgement by its shape, whose code or reference cannot be read: it is raised, and gets no acknowledgement.
   */
  unreadableAcknowledgement?: UnreadableError;
  /** An ITK2 envelope: never answered as ITK3, whatever it carries. */
  isItk2?: true;
}

/** Returns the request that a payload is on a workflow with this profile. */
export const requestOn = (
  { request, unmarkedRequest }: ParsedPayload,
  profile: WorkflowProfile | undefined,
): KeptRequest | undefined => request ?? (profile?.form === unmarkedRequest?.form ? unmarkedRequest : undefined);

/** How much of a payload {@link mayBeParsed} needs (bytes). */
export const HEAD_BYTES = 400;

/** Whether a payload with this beginning is worth reading whole. */
export const mayBeParsed = (head: Buffer): boolean => formOf(head) !== undefined;

/** Parses a payload. Never throws because of its content: what cannot be read is neither. */
export function parseAcknowledgement(payload: string | Buffer): ParsedPayload {
  const form = formOf(payload);
  if (form === undefined || hasTooManySegments(form, payload)) return {};
  try {
    const all = SPLITTERS[form]?.(payload) ?? [payload];
    const parts = all.slice(0, MAX_PARTS).map((part) => parsePart(form, part));
    return combined(parts, all.length - parts.length);
  } catch (error) {
    if (error instanceof MeshError) return {};
    throw error;
  }
}

function parsePart(form: ReadableForm, part: string | Buffer): ParsedPayload {
  try {
    return READERS[form](part);
  } catch (error) {
    if (error instanceof MeshError) return {};
    throw error;
  }
}

/** Messages of one payload that are read. */
const MAX_PARTS = 2000;

/** How a payload of several messages or interchanges is split. */
const SPLITTERS: Partial<Record<ReadableForm, (payload: string | Buffer) => Array<string | Buffer>>> = {
  hl7v2: (payload) => splitHl7<string | Buffer>(payload).messages,
  nhsack: (payload) => splitEdifact<string | Buffer>(payload),
};

const RANK: Readonly<Record<ReceivedAck['result'], number>> = { negative: 0, partial: 1, positive: 2 };

/**
 * Combines the parts of a payload: of acknowledgements the worst counts, and what cannot be read is raised; requests
 * are acknowledged together.
 * @param unread parts that were not read
 */
function combined(parts: readonly ParsedPayload[], unread = 0): ParsedPayload {
  const [only = {}, ...others] = parts;
  if (others.length === 0) return only;
  const acks = parts.flatMap(({ acknowledgement, furtherAcknowledgements = [] }) =>
    acknowledgement ? [acknowledgement, ...furtherAcknowledgements] : [],
  );
  const [worst, ...further] = acks.toSorted((one, other) => RANK[one.result] - RANK[other.result]);
  const unreadable = parts.find(({ unreadableAcknowledgement }) => unreadableAcknowledgement);
  const isData = parts.some((part) => part.isData ?? part.request !== undefined);
  if (worst) {
    const unreadableCount = parts.reduce(
      (sum, part) => sum + (part.unreadableCount ?? ((part.acknowledgement ?? part.request) ? 0 : 1)),
      unread,
    );
    return {
      acknowledgement: worst,
      furtherAcknowledgements: further,
      ...(unreadableCount > 0 ? { unreadableCount } : {}),
      ...(isData ? { isData: true as const } : {}),
    };
  }
  if (unreadable) return unreadable;
  const [request, ...more] = parts.flatMap((part) => part.request ?? []);
  return request ? { request: asOne([request, ...more]) } : {};
}

/** What an interchange of NHSACKs, RECEPs or CONTRLs is: it may have several. */
function acknowledgementsIn(interchange: Interchange): ParsedPayload {
  const { messages = [] } = interchange;
  const parts = messages.slice(0, MAX_PARTS).map((message) => {
    const one = { ...interchange, messages: [message] };
    if (isNhsAck(one)) return asAcknowledgement(() => readNhsAckIn(one));
    return isReceipt(one) ? asAcknowledgement(() => readReceipt(one)) : {};
  });
  return combined(parts, messages.length - parts.length);
}

const MESSAGE_HEADER = 'MessageHeader';
/** The same in UTF-16 of either byte order. */
const MESSAGE_HEADER_16 = MESSAGE_HEADER.split('').join('\0');

const READERS: Readonly<Record<ReadableForm, (payload: string | Buffer) => ParsedPayload>> = {
  itk3: (payload) => {
    if (isItk2(payload)) return { isItk2: true };
    // Other XML and JSON is frequent and large: it is not parsed.
    if (!payload.includes(MESSAGE_HEADER) && !payload.includes(MESSAGE_HEADER_16)) return {};
    const { request, isItk3 } = readFhirMessage(payload);
    if (request.isResponse) {
      const response = asAcknowledgement(() => readItk3Response(payload));
      // Some real responses do not say that they are ITK3, but have one of its codes.
      return isItk3 || response.acknowledgement !== undefined ? response : {};
    }
    const kept = keptItk3(request, beginningOf(payload).startsWith('{') ? 'json' : 'xml');
    return isItk3 ? { request: kept } : { unmarkedRequest: kept };
  },
  nhsack: (payload) => {
    const interchange = readEdifact(payload);
    if (isNhsAck(interchange) || isReceipt(interchange)) return acknowledgementsIn(interchange);
    return asRequest(keptInterchange(interchange));
  },
  hl7v2: (payload) => {
    const message = readHl7(payload, { charset: 'iso-8859-1', charsetRule: 'misfit' });
    if (!isHl7Ack(message)) return asRequest(keptHl7(message));
    const type = textAt(message, 'MSH', 9);
    const isData = type !== '' && !/^(?:ACK|MCF|NAK)$/i.test(type);
    return { ...asAcknowledgement(() => readHl7Ack(payload)), ...(isData ? { isData } : {}) };
  },
};

/**
 * Payloads with more segments are not parsed to see whether they ask for an acknowledgement: it happens in the event
 * loop, at up to 9 µs for a segment (110,000 took 0.9 s). An interchange of 1,000 reports has about 200,000.
 */
const MAX_SEGMENTS = 200_000;

function hasTooManySegments(form: ReadableForm, payload: string | Buffer): boolean {
  const terminators = { itk3: [], hl7v2: ['\r', '\n'], nhsack: [terminatorOf(payload)] }[form];
  return terminators.some((terminator) => countUpTo(payload, terminator, MAX_SEGMENTS + 1) > MAX_SEGMENTS);
}

/** Returns the character that ends the segments of an interchange: the ninth of its UNA, if it has one. */
function terminatorOf(payload: string | Buffer): string {
  const beginning = beginningOf(payload);
  return (beginning.startsWith('UNA') && beginning[8]) || "'";
}

function asAcknowledgement(read: () => ReceivedAck): ParsedPayload {
  try {
    return { acknowledgement: read() };
  } catch (error) {
    if (error instanceof UnreadableError) return { unreadableAcknowledgement: error };
    throw error;
  }
}

const asRequest = (request: KeptRequest | undefined): ParsedPayload => (request ? { request } : {});

/** The form that a payload may have, by its first characters. */
function formOf(payload: string | Buffer): ReadableForm | undefined {
  const beginning = beginningOf(payload);
  if (/^(?:MSH|FHS|BHS)\W/.test(beginning)) return 'hl7v2';
  if (/^(?:UNA\W|UNB\W)/.test(beginning)) return 'nhsack';
  return /^[<{]/.test(beginning) ? 'itk3' : undefined;
}

function beginningOf(payload: string | Buffer): string {
  const text =
    typeof payload === 'string' ? payload.slice(0, HEAD_BYTES) : payload.subarray(0, HEAD_BYTES).toString('latin1');
  // Without the other halves of UTF-16.
  return text
    .replaceAll('\0', '')
    .replace(/^(?:\xEF\xBB\xBF|\uFEFF|\xFF\xFE|\xFE\xFF)/, '')
    .replace(/^[\s\v]+/, '');
}
