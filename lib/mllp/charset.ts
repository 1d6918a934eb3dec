/** Decodes and encodes a message by its own MSH-18 (HL7 table 0211). */
import { MeshError } from '../errors';
import { decode, encode, type Charset, type DeclaredCharset } from '../formats/charset';
import { declaredCharset } from '../formats/hl7/header';
import { MllpMessageError } from './errors';

/** The character set of a message whose MSH-18 is empty or not known. */
export type DefaultCharset = Exclude<Charset, 'ascii'>;

/** The character set of a message with this MSH-18. ASCII is part of whichever is the default. */
export function charsetOf(msh18: string, fallback: DefaultCharset): DeclaredCharset {
  const declared = declaredCharset(msh18);
  return declared === undefined || declared === 'unknown' || declared === 'ascii' ? fallback : declared;
}

/** @throws MllpMessageError when the bytes are not text in the character set: a guess would change names */
export function decodeHl7Text(bytes: Buffer, msh18: string, fallback: DefaultCharset): string {
  const charset = charsetOf(msh18, fallback);
  try {
    return decode(bytes, charset);
  } catch (error) {
    throw ownError(error, `The message is not text in the character set ${charset}.`, {
      advice: 'Choose the character set that the sender really uses, or Buffer, or have the sender correct MSH-18.',
    });
  }
}

/** @throws MllpMessageError when the text has a character that the set lacks */
export function encodeHl7Text(text: string, msh18: string, fallback: DefaultCharset): Buffer {
  const charset = charsetOf(msh18, fallback);
  try {
    return encode(text, charset);
  } catch (error) {
    throw ownError(error, `The message has a character that its character set, ${charset}, does not have.`, {
      advice: 'Choose UTF-8 and set MSH-18 to UNICODE UTF-8, if the receiver accepts it, or replace the character.',
    });
  }
}

function ownError(error: unknown, message: string, details: { advice: string }): unknown {
  return error instanceof MeshError ? new MllpMessageError(message, details) : error;
}
