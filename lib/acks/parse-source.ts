/** Parses a payload that may be a file: it is read whole only if its beginning looks promising, and it is not large. */
import { HEAD_BYTES, parseAcknowledgement, mayBeParsed, type ParsedPayload } from './parse-acknowledgement';

/**
 * Largest payload that is parsed (bytes): reading one whole takes memory many times its size. ITK3 recommends at most 5
 * MB (code 20015).
 */
export const PARSE_BYTES = 8 * 1024 * 1024;

/** A payload that can be read; those of lib/payload are. */
export interface ReadablePayload {
  /** Bytes. */
  readonly size: number;
  /** All of them, if they are in memory. */
  readonly bytes?: Buffer;
  open(start: number, end: number): AsyncIterable<Buffer>;
}

/** {@link parseAcknowledgement} of a payload that is not too large; rejects when the payload cannot be read. */
export async function parseSource(source: ReadablePayload): Promise<ParsedPayload> {
  if (source.size === 0 || source.size > PARSE_BYTES) return {};
  if (!mayBeParsed(await read(source, Math.min(HEAD_BYTES, source.size)))) return {};
  return parseAcknowledgement(await read(source, source.size));
}

async function read(source: ReadablePayload, end: number): Promise<Buffer> {
  if (source.bytes) return source.bytes.subarray(0, end);
  const pieces: Buffer[] = [];
  for await (const piece of source.open(0, end)) pieces.push(piece);
  return Buffer.concat(pieces);
}
