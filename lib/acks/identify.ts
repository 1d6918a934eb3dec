/**
 * What a payload is, by its content: a request, with the reference that an answer will name; or an acknowledgement, with
 * what it answers. A workflow id alone tells neither.
 */
import { MeshError, UnreadableError } from '../errors';
import { componentAt, readEdifact } from '../formats/edifact/interchange';
import { readHl7, textAt } from '../formats/hl7/message';
import { isHl7Ack, readHl7Ack } from './hl7v2/read';
import { readItk3Request, readItk3Response } from './itk3/read';
import { isNhsAck, readNhsAck } from './nhsack/nhsack';
import type { ReadableForm, ReceivedAck, RequestIds } from './types';

/** `request` has its reference; `acknowledgement` is one that can be read; undefined: neither. */
export interface Identified {
  request?: RequestIds;
  acknowledgement?: ReceivedAck;
  /** It is an acknowledgement by its shape, and its code or its reference cannot be read: to be raised, not answered. */
  unreadableAcknowledgement?: UnreadableError;
}

/** Looks into a payload. Never throws for its content: what cannot be read is nothing that we know. */
export function identify(payload: string | Buffer): Identified {
  const form = formOf(payload);
  if (form === undefined) return {};
  try {
    return READERS[form](payload);
  } catch (error) {
    if (error instanceof MeshError) return {};
    throw error;
  }
}

const READERS: Readonly<Record<ReadableForm, (payload: string | Buffer) => Identified>> = {
  itk3: (payload) => {
    const { isResponse, messageId } = readItk3Request(payload);
    return isResponse ? acknowledgement(() => readItk3Response(payload)) : requestIds('itk3', messageId);
  },
  nhsack: (payload) => {
    const interchange = readEdifact(payload);
    if (isNhsAck(interchange)) return acknowledgement(() => readNhsAck(payload));
    return requestIds('nhsack', componentAt(interchange.UNB?.[0], 5));
  },
  hl7v2: (payload) => {
    const message = readHl7(payload, { charset: 'iso-8859-1' });
    if (isHl7Ack(message)) return acknowledgement(() => readHl7Ack(payload));
    return requestIds('hl7v2', textAt(message, 'MSH', 10));
  },
};

function acknowledgement(read: () => ReceivedAck): Identified {
  try {
    return { acknowledgement: read() };
  } catch (error) {
    if (error instanceof UnreadableError) return { unreadableAcknowledgement: error };
    throw error;
  }
}

/** A reference is kept beside the message: what is longer than any identifier is none. */
function requestIds(form: ReadableForm, reference: string | undefined): Identified {
  const usable = reference !== undefined && reference !== '' && reference.length <= 200;
  return usable ? { request: { form, reference } } : {};
}

/** By the first characters. */
function formOf(payload: string | Buffer): ReadableForm | undefined {
  const bytes = typeof payload === 'string' ? payload.slice(0, 400) : payload.subarray(0, 400).toString('latin1');
  const beginning = bytes.replace(/^(?:\xEF\xBB\xBF|\uFEFF|\xFF\xFE|\xFE\xFF)/, '').replace(/^[\s\v]+/, '');
  if (/^(?:MSH|FHS|BHS)\W/.test(beginning)) return 'hl7v2';
  if (/^(?:UNA\W|UNB\W)/.test(beginning)) return 'nhsack';
  return /^[<{]/.test(beginning) ? 'itk3' : undefined;
}
