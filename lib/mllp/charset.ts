/** From bytes to text and back, by what the message itself says of its characters (MSH-18, HL7 table 0211). */
import { MllpMessageError } from './errors';

/** Where MSH-18 says nothing, or something that is not known here. */
export type DefaultCharset = 'utf-8' | 'iso-8859-1' | 'windows-1252';

/** HL7 table 0211, in the names of the Encoding standard. ASCII is a part of whatever is the default. */
const TABLE_0211: Partial<Record<string, string>> = {
  'UNICODE UTF-8': 'utf-8',
  'UNICODE UTF8': 'utf-8',
  'UTF-8': 'utf-8',
  UTF8: 'utf-8',
  'WINDOWS-1252': 'windows-1252',
};

/** The name in MSH-18 (its first repetition counts), in the names of the Encoding standard; else the default. */
export function charsetOf(msh18: string, fallback: DefaultCharset): string {
  const name = (msh18.split('~')[0] ?? '').trim().toUpperCase();
  const part = /^(?:ISO[ -]?)?8859[/-](\d{1,2})$/.exec(name)?.[1];
  const known = part === undefined ? TABLE_0211[name] : `iso-8859-${part}`;
  return known !== undefined && isKnown(known) ? known : fallback;
}

/** @throws MllpMessageError where the bytes are not of that character set: a guess would change names. */
export function decodeText(bytes: Buffer, msh18: string, fallback: DefaultCharset): string {
  const charset = charsetOf(msh18, fallback);
  if (charset === 'iso-8859-1') return bytes.toString('latin1');
  try {
    return new TextDecoder(charset, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new MllpMessageError(`The message is not text in the character set ${charset}.`, {
      advice: 'Choose the character set that the sender really uses, or Buffer, or let the sender set MSH-18 right.',
    });
  }
}

/** @throws MllpMessageError for a character that the set does not have, unless it may be replaced by `?`. */
export function encodeText(
  text: string,
  msh18: string,
  fallback: DefaultCharset,
  missing: 'refuse' | 'replace' = 'refuse',
): Buffer {
  const charset = charsetOf(msh18, fallback);
  if (charset === 'utf-8') return Buffer.from(text, 'utf8');
  const bytes = bytesOf(charset);
  const encoded = Array.from(text, (character) => {
    const byte = bytes.get(character);
    if (byte !== undefined) return byte;
    if (missing === 'replace') return 0x3f;
    throw new MllpMessageError(`The message has a character that its character set, ${charset}, does not have.`, {
      advice: 'Choose UTF-8 and set MSH-18 to UNICODE UTF-8, if the receiver takes it, or replace the character.',
    });
  });
  return Buffer.from(encoded);
}

const maps = new Map<string, Map<string, number>>();

/** Of a character set with one byte a character: the byte of each. */
function bytesOf(charset: string): Map<string, number> {
  let map = maps.get(charset);
  if (map === undefined) {
    const decoder = new TextDecoder(charset);
    const one = (byte: number): string =>
      charset === 'iso-8859-1' ? String.fromCharCode(byte) : decoder.decode(Uint8Array.of(byte));
    map = new Map(Array.from({ length: 256 }, (_, byte) => [one(byte), byte]));
    // What decodes to this has no character in the set.
    map.delete('\ufffd');
    maps.set(charset, map);
  }
  return map;
}

function isKnown(charset: string): boolean {
  try {
    return Boolean(new TextDecoder(charset));
  } catch {
    return false;
  }
}
