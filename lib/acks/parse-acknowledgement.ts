/**
 * What a payload is, by its content: a request, with the reference that an answer will name; or an acknowledgement, with
 * what it answers. A workflow id alone tells neither.
 */
import { MeshError, UnreadableError } from '../errors';
import { readEdifact } from '../formats/edifact/interchange';
import { readHl7, textAt } from '../formats/hl7/message';
import { isHl7Ack, readHl7Ack } from './hl7v2/read';
import { readItk3Request, readItk3Response } from './itk3/read';
import { isNhsAck, readNhsAck } from './nhsack/nhsack';
import { keptHl7, keptInterchange, keptItk3, type KeptRequest } from './request';
import type { ReadableForm, ReceivedAck } from './types';

/** `request` has what answering it needs; `acknowledgement` is one that can be read; undefined: neither. */
export interface ParsedPayload {
  request?: KeptRequest;
  acknowledgement?: ReceivedAck;
  /** With `acknowledgement`: it is data as well, e.g. the response to an HL7 query. */
  isData?: true;
  /** It is an acknowledgement by its shape, and its code or its reference cannot be read: to be raised, not answered. */
  unreadableAcknowledgement?: UnreadableError;
}

/** How much of a payload {@link mayBeParsed} wants to see (bytes). */
export const HEAD_BYTES = 400;

/** Whether a payload that begins so is worth being read whole. */
export const mayBeParsed = (head: Buffer): boolean => formOf(head) !== undefined;

/** Looks into a payload. Never throws for its content: what cannot be read is nothing that we know. */
export function parseAcknowledgement(payload: string | Buffer): ParsedPayload {
  const form = formOf(payload);
  if (form === undefined) return {};
  try {
    return READERS[form](payload);
  } catch (error) {
    if (error instanceof MeshError) return {};
    throw error;
  }
}

const READERS: Readonly<Record<ReadableForm, (payload: string | Buffer) => ParsedPayload>> = {
  itk3: (payload) => {
    // Of other XML and JSON there is much, and it is large: it is not parsed.
    if (!payload.includes('MessageHeader')) return {};
    const request = readItk3Request(payload);
    if (request.isResponse) return acknowledgement(() => readItk3Response(payload));
    return { request: keptItk3(request, beginning(payload).startsWith('{') ? 'json' : 'xml') };
  },
  nhsack: (payload) => {
    const interchange = readEdifact(payload);
    return isNhsAck(interchange) ? acknowledgement(() => readNhsAck(payload)) : asRequest(keptInterchange(interchange));
  },
  hl7v2: (payload) => {
    const message = readHl7(payload, { charset: 'iso-8859-1' });
    if (!isHl7Ack(message)) return asRequest(keptHl7(message));
    const isData = !/^(?:ACK|MCF|NAK)$/i.test(textAt(message, 'MSH', 9)) && textAt(message, 'MSH', 9) !== '';
    return { ...acknowledgement(() => readHl7Ack(payload)), ...(isData ? { isData } : {}) };
  },
};

function acknowledgement(read: () => ReceivedAck): ParsedPayload {
  try {
    return { acknowledgement: read() };
  } catch (error) {
    if (error instanceof UnreadableError) return { unreadableAcknowledgement: error };
    throw error;
  }
}

const asRequest = (request: KeptRequest | undefined): ParsedPayload => (request ? { request } : {});

/** By the first characters. */
function formOf(payload: string | Buffer): ReadableForm | undefined {
  const first = beginning(payload);
  if (/^(?:MSH|FHS|BHS)\W/.test(first)) return 'hl7v2';
  if (/^(?:UNA\W|UNB\W)/.test(first)) return 'nhsack';
  return /^[<{]/.test(first) ? 'itk3' : undefined;
}

function beginning(payload: string | Buffer): string {
  const text =
    typeof payload === 'string' ? payload.slice(0, HEAD_BYTES) : payload.subarray(0, HEAD_BYTES).toString('latin1');
  return text.replace(/^(?:\xEF\xBB\xBF|\uFEFF|\xFF\xFE|\xFE\xFF)/, '').replace(/^[\s\v]+/, '');
}
