/** Encodes a flow's payload as an HL7 v2 message. */
import type { NodeAPI } from 'node-red';
import { encodeHl7Text, MllpMessageError, readHl7Header, type CharsetRule, type DefaultCharset } from '../../lib/index';
import { sharedText } from '../shared/texts';

export const CHARSETS = ['utf-8', 'iso-8859-1', 'windows-1252'] as const satisfies readonly DefaultCharset[];

/** The character set of a node, and when it counts instead of MSH-18. */
export interface CharsetSetting {
  charset: DefaultCharset;
  charsetRule: CharsetRule;
}

/**
 * Returns a Buffer unchanged, and encodes text in the character set that its MSH-18 names, or in the node's.
 * @throws MllpMessageError when the payload is neither, or has a character that the set lacks
 */
export function messageBytes(RED: NodeAPI, payload: unknown, { charset, charsetRule }: CharsetSetting): Buffer {
  if (payload instanceof Uint8Array) return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (typeof payload !== 'string' || payload === '') {
    throw new MllpMessageError(sharedText(RED, 'error.mllp-payload'), {
      advice: sharedText(RED, 'advice.mllp-payload'),
    });
  }
  return encodeHl7Text(payload, readHl7Header(Buffer.from(payload))?.charset ?? '', charset, charsetRule);
}
