/**
 * What is kept of a request so that it can be answered later, after a restart too, without its payload: ids, flags and the
 * parties' codes. Nothing in it is about a patient.
 */
import { componentAt, type EdifactMessage, type Interchange } from '../formats/edifact/interchange';
import { textAt, type Hl7Message } from '../formats/hl7/message';
import { isObject, type SegmentObject } from '../formats/segments';
import type { Itk3Request } from './itk3/read';
import { asksForNhsAck, interchangeFault } from './nhsack/nhsack';
import { acknowledgementKey, type RequestIds } from './types';

/** What a request says that it wants; undefined where it does not say, or it cannot be read. */
export interface Asked {
  infrastructure?: boolean;
  business?: boolean;
}

/** A request. Plain JSON: a store keeps it beside the message. */
export type KeptRequest = Partial<Pick<RequestIds, 'reference' | 'sender'>> & { asks: Asked } & (
    | { form: 'itk3'; request: Pick<Itk3Request, 'messageId' | 'senderReference'>; format: 'xml' | 'json' }
    /** UNB and UNH of it only. `fault`: what is wrong with it as a whole. */
    | { form: 'nhsack'; interchange: Interchange; fault?: string }
    /** MSH of it only. */
    | { form: 'hl7v2'; message: Hl7Message }
  );

/** What an answer to it will name; null where it has no reference. */
export function keyOfRequest(request: KeptRequest | undefined): string | null {
  if (request?.reference === undefined) return null;
  const { form, reference, sender } = request;
  return acknowledgementKey({ form, reference, ...(sender === undefined ? {} : { sender }) });
}

/** Longer than any identifier: then it is none. */
const LONGEST = 200;
/** Of one interchange. */
const MOST_MESSAGES = 2000;

const usable = (reference: string | undefined): reference is string =>
  reference !== undefined && reference !== '' && reference.length <= LONGEST;

export function keptItk3(request: Itk3Request, format: 'xml' | 'json'): KeptRequest {
  const { messageId, senderReference, infrastructureAsked, businessAsked } = request;
  return {
    form: 'itk3',
    ...(usable(messageId) ? { reference: messageId } : {}),
    asks: {
      ...(infrastructureAsked === undefined ? {} : { infrastructure: infrastructureAsked }),
      ...(businessAsked === undefined ? {} : { business: businessAsked }),
    },
    request: {
      messageId: usable(messageId) ? messageId : undefined,
      senderReference: usable(senderReference) ? senderReference : undefined,
    },
    format,
  };
}

/** undefined where nothing could refer to it. */
export function keptInterchange(interchange: Interchange): KeptRequest | undefined {
  const head = interchange.UNB?.[0];
  const [sender, reference] = [componentAt(head, 2), componentAt(head, 5)];
  if (!usable(reference)) return undefined;
  const fault = interchangeFault(interchange);
  const messages = (interchange.messages ?? []).slice(0, MOST_MESSAGES).map(headOfMessage);
  return {
    form: 'nhsack',
    reference,
    ...(usable(sender) ? { sender } : {}),
    asks: { business: asksForNhsAck(interchange) },
    interchange: { UNB: [only(head, ['e1', 'e2', 'e3', 'e5'])], messages },
    ...(fault === undefined ? {} : { fault }),
  };
}

const headOfMessage = (message: EdifactMessage): EdifactMessage => ({ UNH: [only(message.UNH?.[0], ['e1'])] });

/** undefined where nothing could refer to it. */
export function keptHl7(message: Hl7Message): KeptRequest | undefined {
  const reference = textAt(message, 'MSH', 10);
  if (!usable(reference)) return undefined;
  const header = only(message.MSH?.[0], ['f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f9', 'f10', 'f11', 'f12', 'f18']);
  return {
    form: 'hl7v2',
    reference,
    asks: { ...asked('infrastructure', textAt(message, 'MSH', 15)), ...asked('business', textAt(message, 'MSH', 16)) },
    message: { MSH: [header], ...(message.charset === undefined ? {} : { charset: message.charset }) },
  };
}

/** HL7 table 0155. What is wanted in case of an error only (ER, SU) is nothing that can be waited for. */
function asked(level: keyof Asked, condition: string): Asked {
  return condition === '' ? {} : { [level]: condition.toUpperCase() === 'AL' };
}

/** The values of some parts, without the text as it came: that has all of them. */
function only(segment: SegmentObject | undefined, parts: readonly string[]): SegmentObject {
  const kept: SegmentObject = {};
  for (const part of parts) {
    const value = isObject(segment) ? segment[part] : undefined;
    if (value !== undefined) kept[part] = value;
  }
  return kept;
}
