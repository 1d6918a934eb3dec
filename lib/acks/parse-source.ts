/** What a payload is that may be a file: read only where its beginning promises something, and it is not large. */
import { HEAD_BYTES, parseAcknowledgement, mayBeParsed, type ParsedPayload } from './parse-acknowledgement';

/**
 * Larger payloads are not looked into (bytes): reading one as a whole takes memory many times its size. ITK3 recommends 5 MB
 * at most (code 20015).
 */
export const PARSE_BYTES = 8 * 1024 * 1024;

/** A payload that can be read, as lib/payload has it. */
export interface ReadablePayload {
  /** Bytes. */
  readonly size: number;
  /** All of them, where they are in memory. */
  readonly bytes?: Buffer;
  open(start: number, end: number): AsyncIterable<Buffer>;
}

/** {@link parseAcknowledgement}, of what is not too large. Throws what reading throws. */
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
