/**
 * How a message goes over the wire: in one request or in chunks, compressed or not. Decided once, before anything is sent, and
 * frozen then: MESH refuses a changed encoding, and a resumed upload has to cut where the first one did.
 */
import type { MailboxConfig } from '../config';
import { AbortedError, TooLargeError } from '../errors';
import { CHECKSUMS, checksumOf, type ChecksumAlgorithm } from '../payload/checksum';
import { compressedShare, gzipped } from '../payload/gzip';
import type { Scratch } from '../payload/scratch';
import type { PayloadSource } from '../payload/source';
import type { SendPlan } from '../store/store';
import type { OutgoingMessage } from '../types';

/** The settings that decide it: of the message, or else of its mailbox. */
export type SendingRules = Pick<
  MailboxConfig,
  'compression' | 'compressionLevel' | 'maxRequestBytes' | 'chunkBytes' | 'chunks'
> & {
  /** An algorithm, `none`, or the sender's own checksum. */
  checksum: string;
};

/**
 * Smaller payloads are left alone by `auto`: with their headers they go out in the ten segments (of 1,460 bytes) that a
 * connection sends before it waits for an answer (RFC 6928), so that fewer bytes are no sooner there.
 */
const WORTH_BYTES = 12 * 1024;
/** `auto` compresses what shrinks to this share at least. */
const WORTH_SHARE = 0.9;
/** What does not shrink even to this is not worth an attempt to make it fit one request. */
const HOPELESS_SHARE = 0.98;
/** The samples are wrong by less than this factor, or their message is an odd one, and goes in chunks. */
const FAR_OVER = 1.5;
/** Deflate cannot do better than 1,032 to 1. */
const BEST_SHARE = 1 / 1032;

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
 * Decides. What is compressed to find out whether it fits is left in the scratch under `name`, and that is what is sent.
 * Throws TooLargeError where it does not fit one request and may not go in chunks, PayloadError, StorageError; AbortedError
 * when the signal says so.
 */
export async function decidePlan(
  source: PayloadSource,
  rules: SendingRules,
  scratch: Scratch,
  name: string,
  signal?: AbortSignal,
): Promise<SendPlan> {
  const { size } = source;
  const { maxRequestBytes, chunkBytes, chunks } = rules;
  const checksum = rules.checksum === 'none' ? undefined : await checksumFor(source, rules.checksum, signal);
  const { encoding, isOne } =
    size <= maxRequestBytes
      ? { encoding: await encodingOfOne(source, rules, scratch, name, signal), isOne: true }
      : await tooLargeAsItIs(source, rules, scratch, name, signal);
  const level = encoding === 'gzip' ? rules.compressionLevel : 0;
  const more = checksum === undefined ? {} : { checksum };
  if (isOne) return { encoding, level, chunkBytes: size, totalChunks: 1, ...more };
  if (chunks === 'never') throw tooLarge(rules);
  const most = encoding === 'gzip' ? gzipFitsIn(maxRequestBytes) : maxRequestBytes;
  const cut = Math.min(chunkBytes, most);
  return { encoding, level, chunkBytes: cut, totalChunks: Math.ceil(size / cut), ...more };
}

/** Of what goes as one request either way. */
async function encodingOfOne(
  source: PayloadSource,
  rules: SendingRules,
  scratch: Scratch,
  name: string,
  signal: AbortSignal | undefined,
): Promise<SendPlan['encoding']> {
  const { compression, compressionLevel, maxRequestBytes } = rules;
  if (compression === 'never') return 'identity';
  if (compression === 'auto') {
    if (source.size < WORTH_BYTES) return 'identity';
    if ((await compressedShare(source, compressionLevel)) > WORTH_SHARE) return 'identity';
  }
  // So close to the limit that gzip might carry it over.
  const isClose = source.size > gzipFitsIn(maxRequestBytes);
  return !isClose || (await fits(source, rules, scratch, name, signal)) ? 'gzip' : 'identity';
}

async function tooLargeAsItIs(
  source: PayloadSource,
  rules: SendingRules,
  scratch: Scratch,
  name: string,
  signal: AbortSignal | undefined,
): Promise<{ encoding: SendPlan['encoding']; isOne: boolean }> {
  const { compression, compressionLevel, maxRequestBytes, chunks } = rules;
  if (compression === 'never') return { encoding: 'identity', isOne: false };
  const share = await compressedShare(source, compressionLevel);
  // Where it cannot go otherwise, an estimate is not reason enough to hold it.
  const mayFit =
    chunks === 'never'
      ? source.size * BEST_SHARE <= maxRequestBytes
      : share <= HOPELESS_SHARE && source.size * share <= FAR_OVER * maxRequestBytes;
  if (mayFit && (await fits(source, rules, scratch, name, signal))) return { encoding: 'gzip', isOne: true };
  return { encoding: compression === 'always' || share <= WORTH_SHARE ? 'gzip' : 'identity', isOne: false };
}

/** Compresses the payload into the scratch; false, and nothing is left there, as soon as it is too large. */
async function fits(
  source: PayloadSource,
  { compressionLevel, maxRequestBytes }: SendingRules,
  scratch: Scratch,
  name: string,
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
    await scratch.write(name, limited());
    return true;
  } catch (error) {
    if (error === overflow) return false;
    throw error;
  }
}

/**
 * The largest payload whose gzip surely fits: incompressible data grows by 5 bytes for each block of at least 16 KiB, and by
 * 18 bytes. Below a megabyte, which is no limit of any MESH, it is not counted.
 */
function gzipFitsIn(bytes: number): number {
  return bytes < 1_000_000 ? bytes : bytes - Math.ceil(bytes / 2000) - 100;
}

async function checksumFor(source: PayloadSource, wanted: string, signal: AbortSignal | undefined): Promise<string> {
  const isAlgorithm = (CHECKSUMS as readonly string[]).includes(wanted);
  return isAlgorithm ? checksumOf(unlessAborted(source, signal), wanted as ChecksumAlgorithm) : wanted;
}

/** All of the payload's pieces; a large one takes its time. */
async function* unlessAborted(source: PayloadSource, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  for await (const piece of source.open(0, source.size, 'reuse')) {
    if (signal?.aborted) throw new AbortedError('The operation was ended before anything was sent.');
    yield piece;
  }
}

function tooLarge({ maxRequestBytes, compression }: SendingRules): TooLargeError {
  const how = compression === 'never' ? '' : ', even compressed';
  return new TooLargeError(
    `The message does not fit one request of ${maxRequestBytes} bytes${how}, and its receivers take no chunks. Nothing was sent.`,
    {
      advice:
        compression === 'never'
          ? 'Let it be compressed, send it in parts, or ask the receiver whether chunks can be taken.'
          : 'Send it in parts, or ask the receiver whether chunks can be taken; over HSCN one request may carry 100 MB.',
    },
  );
}
