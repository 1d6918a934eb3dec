/** Bytes to text and back, strictly: what a character set does not have is an error, never a question mark. */
/* oxlint-disable no-control-regex -- the control characters 0x80 to 0x9F are what windows-1252 differs in */
import { InvalidMessageError, UnreadableError } from '../errors';

/** The character sets that payloads in the NHS come in. */
export const CHARSETS = ['ascii', 'iso-8859-1', 'windows-1252', 'utf-8'] as const;
export type Charset = (typeof CHARSETS)[number];

/**
 * windows-1252 differs from ISO 8859-1 at 0x80 to 0x9F only (WHATWG Encoding, index windows-1252). Own table: TextDecoder
 * takes both names for windows-1252, and some releases of Node.js 22 decode that as ISO 8859-1.
 */
const HIGH_1252 = [
  0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d,
  0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,
  0x017e, 0x0178,
];
const BYTE_1252 = new Map(HIGH_1252.map((point, index) => [point, 0x80 + index]));

/** @throws UnreadableError where the bytes are not of the character set. */
export function decode(bytes: Buffer, charset: Charset): string {
  switch (charset) {
    case 'ascii':
      if (bytes.some((byte) => byte > 0x7f)) throw notOf(charset);
      return bytes.toString('latin1');
    case 'iso-8859-1':
      return bytes.toString('latin1');
    case 'windows-1252':
      return bytes
        .toString('latin1')
        .replaceAll(/[\x80-\x9f]/g, (char) => String.fromCharCode(HIGH_1252[char.charCodeAt(0) - 0x80] ?? 0));
    case 'utf-8':
      try {
        // ignoreBOM keeps the byte order mark in the text, so that it is written again.
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
      } catch {
        throw notOf(charset);
      }
  }
}

/** @throws InvalidMessageError where the character set lacks a character of the text. */
export function encode(text: string, charset: Charset): Buffer {
  if (charset === 'utf-8') {
    if (!text.isWellFormed()) throw lacks(charset);
    return Buffer.from(text, 'utf8');
  }
  const single =
    charset === 'windows-1252'
      ? text.replaceAll(/[^\x00-\x7f\xa0-\xff]/g, (char) => {
          const byte = BYTE_1252.get(char.charCodeAt(0));
          if (byte === undefined) throw lacks(charset);
          return String.fromCharCode(byte);
        })
      : text;
  const last = charset === 'ascii' ? 0x7f : 0xff;
  for (let index = 0; index < single.length; index += 1) if (single.charCodeAt(index) > last) throw lacks(charset);
  return Buffer.from(single, 'latin1');
}

function notOf(charset: Charset): UnreadableError {
  return new UnreadableError(`The payload has bytes that ${charset} does not have.`, {
    advice: 'Set the character set that the sender uses.',
  });
}

function lacks(charset: Charset): InvalidMessageError {
  return new InvalidMessageError(`The message has a character that ${charset} does not have.`, {
    advice: 'Replace the character, or declare another character set in the message.',
  });
}
