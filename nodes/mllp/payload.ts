/** From a flow's payload to the bytes of an HL7 v2 message. */
import type { NodeAPI } from 'node-red';
import { encodeText, MllpMessageError, readHeader, type DefaultCharset } from '../../lib/index';
import { sharedText } from '../shared/texts';

export const CHARSETS = ['utf-8', 'iso-8859-1', 'windows-1252'] as const satisfies readonly DefaultCharset[];

/** A Buffer as it is; text in the character set that its own MSH-18 names, else in the given one. */
export function messageBytes(RED: NodeAPI, payload: unknown, charset: DefaultCharset): Buffer {
  if (payload instanceof Uint8Array) return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (typeof payload !== 'string' || payload === '') {
    throw new MllpMessageError(sharedText(RED, 'error.mllp-payload'), {
      advice: sharedText(RED, 'advice.mllp-payload'),
    });
  }
  return encodeText(payload, readHeader(Buffer.from(payload))?.charset ?? '', charset);
}
