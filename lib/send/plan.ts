/**
 * How a message goes over the wire: in one request or in chunks, compressed or not. The plan is decided once, before
 * anything is sent, and then frozen: MESH refuses a changed encoding, and a resumed upload has to cut where the first
 * one did.
 */
import type { MailboxConfig } from '../config';
import { AbortedError, TooLargeError } from '../errors';
import { CHECKSUMS, checksumOf, type ChecksumAlgorithm } from '../payload/checksum';
import { compressedShare, gzipped } from '../payload/gzip';
import type { Scratch } from '../payload/scratch';
import type { PayloadSource } from '../payload/source';
import type { SendPlan } from '../store/store';
import type { OutgoingMessage } from '../types';

/** The settings that decide the plan: the message's own, otherwise its mailbox's. */
export type SendingRules = Pick<
  MailboxConfig,
  'compression' | 'compressionLevel' | 'maxRequestBytes' | 'chunkBytes' | 'chunks'
> & {
  /** An algorithm, `none`, or the sender's own checksum. */
  checksum: string;
};

/**
 * `auto` does not compress smaller payloads: with their headers they fit the ten segments (of 1,460 bytes) that a
 * connection sends before it waits for an acknowledgement (RFC 6928), so fewer bytes would arrive no sooner.
 */
const WORTH_BYTES = 12 * 1024;
/** `auto` compresses a payload that shrinks to this share or less. */
const WORTH_SHARE = 0.9;
/** A payload that does not shrink to this share is not compressed to make it fit one request. */
const HOPELESS_SHARE = 0.98;
/** The estimate from samples is taken to be right within this factor; where it is not, the message goes in chunks. */
const FAR_OVER = 1.5;
/** Deflate cannot do better than 1,032 to 1. */
const BEST_SHARE = 1 / 1032;

/** Returns the rules for a message: its own settings first, then its mailbox's. */
export function rulesOf(config: SendingRules, message: Partial<OutgoingMessage>): SendingRules {
  return {
    compression: message.compression ?? config.compression,
    compressionLevel: config.compressionLevel,
    maxRequestBytes: config.maxRequestBytes,
    chunkBytes: message.chunkBytes ?? config.chunkBytes,
    chunks: message.chunks ?? config.chunks,
    checksum: message.checksum || config.checksum,
  };
}

/**
 * Decides the plan. A payload that was compressed to find out whether it fits stays in the scratch under its id,
 * to be sent.
 * @throws TooLargeError when it does not fit one request and may not go in chunks; PayloadError; StorageError;
 *   AbortedError when the signal aborts
 */
export async function decidePlan(
  source: PayloadSource,
  rules: SendingRules,
  scratch: Scratch,
  id: string,
  signal?: AbortSignal,
): Promise<SendPlan> {
  const { size } = source;
  const { maxRequestBytes, chunkBytes, chunks } = rules;
  const checksum = rules.checksum === 'none' ? undefined : await checksumFor(source, rules.checksum, signal);
  const { encoding, isOne } =
    size <= maxRequestBytes
      ? { encoding: await encodingOfOne(source, rules, scratch, id, signal), isOne: true }
      : await encodingOfLarge(source, rules, scratch, id, signal);
  const level = encoding === 'gzip' ? rules.compressionLevel : 0;
  const withChecksum = checksum === undefined ? {} : { checksum };
  if (isOne) return { encoding, level, chunkBytes: size, totalChunks: 1, ...withChecksum };
  if (chunks === 'never') throw tooLarge(rules);
  const maxChunkBytes = encoding === 'gzip' ? gzipFitsIn(maxRequestBytes) : maxRequestBytes;
  const cut = Math.min(chunkBytes, maxChunkBytes);
  return { encoding, level, chunkBytes: cut, totalChunks: Math.ceil(size / cut), ...withChecksum };
}

/** The encoding of a payload that fits one request either way. */
async function encodingOfOne(
  source: PayloadSource,
  rules: SendingRules,
  scratch: Scratch,
  id: string,
  signal: AbortSignal | undefined,
): Promise<SendPlan['encoding']> {
  const { compression, compressionLevel, maxRequestBytes } = rules;
  if (compression === 'never') return 'identity';
  if (compression === 'auto') {
    if (source.size < WORTH_BYTES) return 'identity';
    if ((await compressedShare(source, compressionLevel)) > WORTH_SHARE) return 'identity';
  }
  // Close to the limit, gzip may make it larger than one request.
  const isClose = source.size > gzipFitsIn(maxRequestBytes);
  return !isClose || (await fits(source, rules, scratch, id, signal)) ? 'gzip' : 'identity';
}

/** The encoding of a payload that does not fit one request uncompressed, and whether it fits one compressed. */
async function encodingOfLarge(
  source: PayloadSource,
  rules: SendingRules,
  scratch: Scratch,
  id: string,
  signal: AbortSignal | undefined,
): Promise<{ encoding: SendPlan['encoding']; isOne: boolean }> {
  const { compression, compressionLevel, maxRequestBytes, chunks } = rules;
  if (compression === 'never') return { encoding: 'identity', isOne: false };
  const share = await compressedShare(source, compressionLevel);
  // Where it may not go in chunks, an estimate is not reason enough to refuse it.
  const mayFit =
    chunks === 'never'
      ? source.size * BEST_SHARE <= maxRequestBytes
      : share <= HOPELESS_SHARE && source.size * share <= FAR_OVER * maxRequestBytes;
  if (mayFit && (await fits(source, rules, scratch, id, signal))) return { encoding: 'gzip', isOne: true };
  return { encoding: compression === 'always' || share <= WORTH_SHARE ? 'gzip' : 'identity', isOne: false };
}

/** Compresses the payload into the scratch. Returns false as soon as it is too large, and leaves nothing there. */
async function fits(
  source: PayloadSource,
  { compressionLevel, maxRequestBytes }: SendingRules,
  scratch: Scratch,
  id: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  let bytes = 0;
  const overflow = new Error('over the limit');
  async function* limited(): AsyncGenerator<Buffer> {
    for await (const piece of gzipped(unlessAborted(source, signal), compressionLevel)) {
      bytes += piece.length;
      if (bytes > maxRequestBytes) throw overflow;
      yield piece;
    }
  }
  try {
    await scratch.write(id, 1, limited());
    return true;
  } catch (error) {
    if (error === overflow) return false;
    throw error;
  }
}

/**
 * Returns the largest payload whose gzip is sure to fit: incompressible data grows by 5 bytes for each block of 16 KiB
 * or more, and by 18 bytes. Below a megabyte, which is no limit of any MESH, the growth is ignored.
 */
function gzipFitsIn(bytes: number): number {
  return bytes < 1_000_000 ? bytes : bytes - Math.ceil(bytes / 2000) - 100;
}

async function checksumFor(source: PayloadSource, setting: string, signal: AbortSignal | undefined): Promise<string> {
  const isAlgorithm = (CHECKSUMS as readonly string[]).includes(setting);
  return isAlgorithm ? checksumOf(unlessAborted(source, signal), setting as ChecksumAlgorithm) : setting;
}

/** Yields the payload's pieces until the signal aborts: a large payload takes a while. */
async function* unlessAborted(source: PayloadSource, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  for await (const piece of source.open(0, source.size, 'reuse')) {
    if (signal?.aborted) throw new AbortedError('The operation was aborted before anything was sent.');
    yield piece;
  }
}

function tooLarge({ maxRequestBytes, compression }: SendingRules): TooLargeError {
  const how = compression === 'never' ? '' : ', even compressed';
  return new TooLargeError(
    `The message does not fit one request of ${maxRequestBytes} bytes${how}, and chunks are off. Nothing was sent.`,
    {
      advice:
        compression === 'never'
          ? 'Allow compression, send it in parts, or ask the recipient whether they accept chunks.'
          : 'Send it in parts, or ask the recipient whether they accept chunks; over HSCN a request may have 100 MB.',
    },
  );
}
