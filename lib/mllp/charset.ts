/** Decodes and encodes a message by its own MSH-18, or by the setting (lib/formats/hl7/charset.ts has the one table). */
import { MeshError } from '../errors';
import type { Charset, DeclaredCharset } from '../formats/charset';
import { declaredCharset, decodeHl7, encodeHl7, type CharsetRule, type DecodedHl7 } from '../formats/hl7/charset';
import { MllpMessageError } from './errors';

/** The character set of a message whose MSH-18 is empty or not known. */
export type DefaultCharset = Exclude<Charset, 'ascii'>;

/** The character set of a message with this MSH-18. ASCII is part of whichever is the default. */
export function charsetOf(msh18: string, fallback: DefaultCharset): DeclaredCharset {
  const declared = declaredCharset(msh18);
  return declared === undefined || declared === 'unknown' || declared === 'ascii' ? fallback : declared;
}

/**
 * Decodes a message, and says what did not fit.
 * @param rule when `fallback` counts instead of MSH-18
 * @throws MllpMessageError when the bytes are not text in the character set: a guess would change names
 */
export function decodeHl7Message(
  bytes: Buffer,
  msh18: string,
  fallback: DefaultCharset,
  rule: CharsetRule = 'empty',
): DecodedHl7 {
  const declared = declaredCharset(msh18);
  try {
    return decodeHl7(bytes, declared === 'unknown' ? undefined : declared, { charset: fallback, rule });
  } catch (error) {
    throw ownError(error);
  }
}

/** The text of {@link decodeHl7Message}. */
export const decodeHl7Text = (bytes: Buffer, msh18: string, fallback: DefaultCharset, rule?: CharsetRule): string =>
  decodeHl7Message(bytes, msh18, fallback, rule).text;

/**
 * @param rule when `fallback` counts instead of MSH-18; `misfit`: where that lacks a character of the text
 * @throws MllpMessageError when the text has a character that the set lacks
 */
export function encodeHl7Text(
  text: string,
  msh18: string,
  fallback: DefaultCharset,
  rule: CharsetRule = 'empty',
): Buffer {
  const charset = charsetOf(msh18, fallback);
  try {
    return encodeHl7(text, charset, { charset: fallback, rule });
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    throw new MllpMessageError(`The message has a character that its character set, ${charset}, does not have.`, {
      advice: 'Choose UTF-8 and set MSH-18 to UNICODE UTF-8, if the receiver accepts it, or replace the character.',
    });
  }
}

function ownError(error: unknown): unknown {
  if (!(error instanceof MeshError)) return error;
  return new MllpMessageError(error.message, {
    advice: `${error.advice ?? ''} Or have the sender correct MSH-18, or choose Buffer.`.trim(),
  });
}
