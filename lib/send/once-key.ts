/**
 * "Once per key": a message with a key that was used before is not sent, and the first one stands for it. Only if it is
 * the same message: same recipient and workflow, by the lane in the row, and same content, by a digest beside the key.
 * A key that names another message is refused, since the flow would otherwise take that one's acceptance for its own.
 */
import { createHash } from 'node:crypto';
import { KeyReusedError, PayloadError } from '../errors';
import { openPayload, type PayloadSource } from '../payload/source';
import type { Outgoing } from '../store/store';
import type { Enqueued, EnqueueOptions } from './outbox-types';

/** What a message with a key is compared by. */
export interface OnceContent {
  lane: string;
  workflowId: string;
  /** The digest of its content; null if its own file is gone, so that nothing else could be sent either. */
  digest: string | null;
}

/**
 * Returns the digest (SHA-256) of what makes a message the same one: `onceContent`, or else the payload. The payload is
 * read to its end, also a file.
 * @throws PayloadError when it cannot be read
 */
export async function onceDigest(source: PayloadSource, { onceContent }: EnqueueOptions): Promise<string> {
  const hash = createHash('sha256');
  // The kind is part of it: a content is never taken for a payload.
  if (onceContent !== undefined) return hash.update(`content ${onceContent}`).digest('base64url');
  hash.update('payload ');
  if (source.bytes) return hash.update(source.bytes).digest('base64url');
  for await (const piece of source.open(0, source.size, 'reuse')) hash.update(piece);
  return hash.digest('base64url');
}

/**
 * Returns the digest of a message that is not stored: its key is known already.
 * @throws InvalidMessageError when it has no payload
 */
export async function repeatedDigest({ payload }: Enqueued, options: EnqueueOptions): Promise<string | null> {
  try {
    return await onceDigest(await openPayload(payload), options);
  } catch (error) {
    if (error instanceof PayloadError) return null;
    throw error;
  }
}

/**
 * Checks that a message is the one that has its key already.
 * @throws KeyReusedError when it is another one
 */
export function requireSame(first: Outgoing, { lane, workflowId, digest }: OnceContent): void {
  const differs: string[] = [];
  if (first.workflowId !== workflowId) differs.push('workflow');
  else if (first.lane !== lane) differs.push('recipient');
  if (first.onceDigest !== null && digest !== null && first.onceDigest !== digest) differs.push('content');
  if (differs.length === 0) return;
  throw new KeyReusedError(
    `The key ("once per key") belongs to message ${first.id}, which has another ${differs.join(' and ')}. This message ` +
      'was not stored and is not sent.',
    {
      advice:
        'If it is another message, put what distinguishes the two into the key, e.g. the time of an HL7 message ' +
        '(MSH-7) beside its control id. If it repeats that message, send it exactly as before; where its payload is ' +
        'made anew each time, set msg.meshSend.onceContent to what stays the same.',
    },
  );
}
