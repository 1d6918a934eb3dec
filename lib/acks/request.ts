/**
 * What the store keeps of a request so that it can be acknowledged later, after a restart too, without its payload:
 * ids, flags and the parties' codes. Nothing in it is about a patient.
 */
import { isDeepStrictEqual } from 'node:util';
import { componentAt, type EdifactMessage, type Interchange } from '../formats/edifact/interchange';
import { textAt, type Hl7Message } from '../formats/hl7/message';
import { isObject, type SegmentObject } from '../formats/segments';
import type { Itk3Request } from './itk3/read';
import { interchangeFault, requestsNhsAck } from './nhsack/nhsack';
import { acknowledgementKey, type RequestedAcknowledgements, type RequestIds } from './types';

/** A request. Plain JSON: a store keeps it beside the message. */
export type KeptRequest = Partial<Pick<RequestIds, 'reference' | 'sender'>> & {
  /** The request's own flags; without those that it does not have, or that cannot be read. */
  requested: Partial<RequestedAcknowledgements>;
  /**
   * The other requests of the same payload: a batch, or several interchanges. They are acknowledged together. `allOf` reads
   * them.
   */
  further?: KeptRequest[];
} & (
    | { form: 'itk3'; request: Pick<Itk3Request, 'messageId' | 'senderReference'>; format: 'xml' | 'json' }
    /** Its UNB and UNH only. `fault`: what is wrong with it as a whole. */
    | { form: 'nhsack'; interchange: Interchange; fault?: string }
    /** Its MSH only. */
    | { form: 'hl7v2'; message: Hl7Message }
  );

/** Returns the key of the acknowledgements of a request; null when it has no reference. */
export function keyOfRequest(request: KeptRequest | undefined): string | null {
  if (request?.reference === undefined) return null;
  const { form, reference, sender } = request;
  return acknowledgementKey({ form, reference, ...(sender === undefined ? {} : { sender }) });
}

/** No real identifier is longer. */
const LONGEST_REFERENCE = 200;
/** Messages of one interchange that are kept. */
const MAX_MESSAGES = 2000;

const isUsable = (reference: string | undefined): reference is string =>
  reference !== undefined && reference !== '' && reference.length <= LONGEST_REFERENCE;

export function keptItk3(request: Itk3Request, format: 'xml' | 'json'): KeptRequest {
  const { messageId, senderReference, infrastructureRequested, businessRequested } = request;
  return {
    form: 'itk3',
    ...(isUsable(messageId) ? { reference: messageId } : {}),
    requested: {
      ...(infrastructureRequested === undefined ? {} : { infrastructure: infrastructureRequested }),
      ...(businessRequested === undefined ? {} : { business: businessRequested }),
    },
    request: {
      messageId: isUsable(messageId) ? messageId : undefined,
      senderReference: isUsable(senderReference) ? senderReference : undefined,
    },
    format,
  };
}

/** Undefined when no acknowledgement could refer to it. */
export function keptInterchange(interchange: Interchange): KeptRequest | undefined {
  const unb = interchange.UNB?.[0];
  const [sender, reference] = [componentAt(unb, 2), componentAt(unb, 5)];
  if (!isUsable(reference)) return undefined;
  const fault = interchangeFault(interchange);
  const messages = (interchange.messages ?? []).slice(0, MAX_MESSAGES).map(headOfMessage);
  return {
    form: 'nhsack',
    reference,
    ...(isUsable(sender) ? { sender } : {}),
    requested: { business: requestsNhsAck(interchange) },
    interchange: { UNB: [pick(unb, ['e1', 'e2', 'e3', 'e5'])], messages },
    ...(fault === undefined ? {} : { fault }),
  };
}

const headOfMessage = (message: EdifactMessage): EdifactMessage => ({ UNH: [pick(message.UNH?.[0], ['e1'])] });

/** Undefined when no acknowledgement could refer to it. */
export function keptHl7(message: Hl7Message): KeptRequest | undefined {
  const reference = textAt(message, 'MSH', 10).trim();
  if (!isUsable(reference)) return undefined;
  const header = pick(message.MSH?.[0], ['f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f9', 'f10', 'f11', 'f12', 'f18']);
  return {
    form: 'hl7v2',
    reference,
    requested: {
      ...flag('infrastructure', textAt(message, 'MSH', 15)),
      ...flag('business', textAt(message, 'MSH', 16)),
    },
    message: { MSH: [header], ...(message.charset === undefined ? {} : { charset: message.charset }) },
  };
}

/** Reads HL7 table 0155. An acknowledgement in case of an error only (ER, SU) cannot be awaited. */
function flag(level: keyof RequestedAcknowledgements, condition: string): Partial<RequestedAcknowledgements> {
  return condition === '' ? {} : { [level]: condition.toUpperCase() === 'AL' };
}

/** Returns the values of some parts, without the segment's text, which has all of them. */
function pick(segment: SegmentObject | undefined, parts: readonly string[]): SegmentObject {
  const kept: SegmentObject = {};
  for (const part of parts) {
    const value = isObject(segment) ? segment[part] : undefined;
    if (value !== undefined) kept[part] = value;
  }
  return kept;
}

/**
 * Returns the requests of one payload as the first with the others. Of an HL7 header, the others keep what differs from
 * the first one's: the parties and the type are mostly the same in a batch of a thousand.
 */
export function asOne([first, ...others]: readonly [KeptRequest, ...KeptRequest[]]): KeptRequest {
  return { ...first, further: others.map((each) => withHeader(each, first, differing)) };
}

/** Returns the requests of one payload, each with its whole header. */
export function allOf(request: KeptRequest): KeptRequest[] {
  return [request, ...(request.further ?? []).map((each) => withHeader(each, request, completed))];
}

function withHeader(
  request: KeptRequest,
  first: KeptRequest,
  change: (header: SegmentObject, first: SegmentObject) => SegmentObject,
): KeptRequest {
  if (request.form !== 'hl7v2' || first.form !== 'hl7v2') return request;
  const [header, common] = [request.message.MSH?.[0] ?? {}, first.message.MSH?.[0] ?? {}];
  return { ...request, message: { ...request.message, MSH: [change(header, common)] } };
}

/** A field that only the first header has is kept as an empty one. */
function differing(header: SegmentObject, first: SegmentObject): SegmentObject {
  const names = Object.keys({ ...first, ...header }).filter((name) => !isDeepStrictEqual(header[name], first[name]));
  return Object.fromEntries(names.map((name) => [name, header[name] ?? '']));
}

const completed = (header: SegmentObject, first: SegmentObject): SegmentObject => ({ ...first, ...header });
