/**
 * The characters of header values. HTTP carries bytes, which Node and undici show as one character each (Latin-1).
 * MESH passes on the bytes that a sender chose, and its API does not say which encoding they are in: some clients send
 * Latin-1, others UTF-8. Both functions follow one rule, so that each reads what the other writes.
 */

const HIGH_BYTE = /[\u0080-\u00ff]/;
const NO_BYTE = /[\u0100-\uffff]/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Returns the text of a received value: UTF-8 where its bytes are valid UTF-8, else Latin-1. Text with a character that
 * is no byte was decoded before, and is returned unchanged.
 */
export function headerText(received: string): string {
  if (!HIGH_BYTE.test(received) || NO_BYTE.test(received)) return received;
  try {
    return utf8.decode(Buffer.from(received, 'latin1'));
  } catch {
    return received;
  }
}

/**
 * Returns the value to send, one character for each byte: Latin-1, as HTTP has it, unless Latin-1 lacks a character or
 * {@link headerText} would read another text from it; then UTF-8.
 */
export function headerBytes(text: string): string {
  const isReadBack = !NO_BYTE.test(text) && headerText(text) === text;
  return isReadBack ? text : Buffer.from(text, 'utf8').toString('latin1');
}
