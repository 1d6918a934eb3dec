/**
 * Converts bytes to text and back, strictly: what a character set does not have is an error, never a question mark,
 * unless the caller asks for one.
 */
/* oxlint-disable no-control-regex -- the control characters 0x80 to 0x9F are where windows-1252 differs */
import { isUtf8 } from 'node:buffer';
import { InvalidMessageError, UnreadableError } from '../errors';

/** The character sets that a dialog offers: those that payloads in the NHS come in. */
export const CHARSETS = ['ascii', 'iso-8859-1', 'windows-1252', 'utf-8'] as const;
export type Charset = (typeof CHARSETS)[number];

/** The character sets that a message can declare: also the other parts of ISO 8859. */
export type DeclaredCharset = Charset | `iso-8859-${number}`;

/**
 * windows-1252 differs from ISO 8859-1 at 0x80 to 0x9F only (WHATWG Encoding, index windows-1252). The table is our
 * own: TextDecoder takes both names for windows-1252, and some releases of Node.js 22 decode that as ISO 8859-1.
 */
const HIGH_1252 = [
  0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d,
  0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,
  0x017e, 0x0178,
];

/** Returns the text of windows-1252 bytes that were read as ISO 8859-1. */
export function windows1252FromLatin1(text: string): string {
  return text.replaceAll(/[\x80-\x9f]/g, (char) => String.fromCharCode(HIGH_1252[char.charCodeAt(0) - 0x80] ?? 0));
}

/** Whether it is a part of ISO 8859 that can be decoded here: part 12, for instance, was never published. */
export function isPartOfIso8859(charset: string): charset is `iso-8859-${number}` {
  try {
    return /^iso-8859-\d+$/.test(charset) && Boolean(new TextDecoder(charset));
  } catch {
    return false;
  }
}

/**
 * The characters of bytes 0x80 to 0xFF of a part of ISO 8859; undefined where it has none. 0x80 to 0x9F are control
 * characters: TextDecoder takes parts 9 and 11 for Windows code pages, which have letters there.
 */
function highCharacters(charset: DeclaredCharset): ReadonlyArray<string | undefined> {
  const known = highCharactersOf.get(charset);
  if (known) return known;
  const decoder = new TextDecoder(charset, { fatal: true });
  const characters = Array.from({ length: 0x80 }, (_, index) => {
    if (index < 0x20) return String.fromCharCode(0x80 + index);
    try {
      return decoder.decode(Buffer.of(0x80 + index));
    } catch {
      return undefined;
    }
  });
  highCharactersOf.set(charset, characters);
  return characters;
}
const highCharactersOf = new Map<DeclaredCharset, ReadonlyArray<string | undefined>>();

/** A byte order mark of UTF-16, or ASCII in it: every other byte is NUL. */
const UTF_16 = /^(?:\xFF\xFE|\xFE\xFF|(?:[\x01-\x7F]\0){4}|(?:\0[\x01-\x7F]){4})/;

/** @throws UnreadableError for UTF-16, which would otherwise be taken for anything else: the editors of Windows write it */
export function refuseUtf16(payload: Buffer): void {
  if (!UTF_16.test(payload.toString('latin1', 0, 8))) return;
  throw new UnreadableError('The payload is in UTF-16, which is not supported here.', {
    advice: 'Have the sender write UTF-8, or ISO 8859-1 as its format prescribes.',
  });
}

/** Returns the index of the first byte that is not text in the character set; undefined if all are. */
export function firstMisfit(bytes: Buffer, charset: DeclaredCharset): number | undefined {
  const at = misfitIn(bytes, charset);
  return at === -1 ? undefined : at;
}

function misfitIn(bytes: Buffer, charset: DeclaredCharset): number {
  if (charset === 'iso-8859-1' || charset === 'windows-1252') return -1;
  if (charset === 'ascii') return bytes.findIndex((byte) => byte > 0x7f);
  if (charset !== 'utf-8') {
    const characters = highCharacters(charset);
    return bytes.findIndex((byte) => byte > 0x7f && characters[byte - 0x80] === undefined);
  }
  if (isUtf8(bytes)) return -1;
  // U+FFFD stands for the first bytes that are not UTF-8, unless it is there itself.
  const text = bytes.toString('utf8');
  for (let index = text.indexOf('\uFFFD'); index >= 0; index = text.indexOf('\uFFFD', index + 1)) {
    const at = Buffer.byteLength(text.slice(0, index));
    if (!bytes.subarray(at, at + 3).equals(REPLACEMENT)) return at;
  }
  return -1;
}
const REPLACEMENT = Buffer.from('\uFFFD');

/** @throws UnreadableError when the bytes are not text in the character set. */
export function decode(bytes: Buffer, charset: DeclaredCharset): string {
  switch (charset) {
    case 'ascii':
      if (bytes.some((byte) => byte > 0x7f)) throw undecodable(charset);
      return bytes.toString('latin1');
    case 'iso-8859-1':
      return bytes.toString('latin1');
    case 'windows-1252':
      return windows1252FromLatin1(bytes.toString('latin1'));
    case 'utf-8':
      try {
        // ignoreBOM keeps the byte order mark in the text, so that it is written again.
        return new TextDecoder(charset, { fatal: true, ignoreBOM: true }).decode(bytes);
      } catch {
        throw undecodable(charset);
      }
    default: {
      const characters = highCharacters(charset);
      return bytes.toString('latin1').replaceAll(/[\x80-\xff]/g, (char) => {
        const decoded = characters[char.charCodeAt(0) - 0x80];
        if (decoded === undefined) throw undecodable(charset);
        return decoded;
      });
    }
  }
}

/**
 * @param missing what happens to a character that the set lacks: `refuse` throws, `replace` writes `?` (U+FFFD in
 *   UTF-8)
 * @throws InvalidMessageError when the character set lacks a character of the text, and it may not be replaced
 */
export function encode(text: string, charset: DeclaredCharset, missing: 'refuse' | 'replace' = 'refuse'): Buffer {
  if (charset === 'utf-8') {
    if (missing === 'refuse' && !text.isWellFormed()) throw unencodable(charset);
    return Buffer.from(text, 'utf8');
  }
  const bytes = highBytesOf(charset);
  const single = text.replaceAll(/[^\x00-\x7f]/gu, (char) => {
    const byte = bytes.get(char);
    if (byte !== undefined) return byte;
    if (missing === 'replace') return '?';
    throw unencodable(charset);
  });
  return Buffer.from(single, 'latin1');
}

const highBytes = new Map<DeclaredCharset, ReadonlyMap<string, string>>();

/** Maps each character of bytes 0x80 to 0xFF in a set with one byte a character to its byte, as a latin1 character. */
function highBytesOf(charset: DeclaredCharset): ReadonlyMap<string, string> {
  const known = highBytes.get(charset);
  if (known || charset === 'ascii') return known ?? new Map();
  const bytes = new Map<string, string>();
  for (let byte = 0x80; byte <= 0xff; byte += 1) {
    try {
      bytes.set(decode(Buffer.of(byte), charset), String.fromCharCode(byte));
    } catch {
      // The set has no character at this byte.
    }
  }
  // A flow may set any charset on an object: only real character sets are cached.
  if (bytes.size > 0) highBytes.set(charset, bytes);
  return bytes;
}

function undecodable(charset: DeclaredCharset): UnreadableError {
  return new UnreadableError(`The payload has bytes that ${charset} does not have.`, {
    advice: 'Set the character set that the sender uses.',
  });
}

function unencodable(charset: DeclaredCharset): InvalidMessageError {
  return new InvalidMessageError(`The message has a character that ${charset} does not have.`, {
    advice: 'Replace the character, or declare another character set in the message.',
  });
}
