/** One attempt to send one message, and how it ends. */
import type { MeshClient } from '../client/client';
import type { MailboxConfig } from '../config';
import { steadyTime, type Clock } from '../clock';
import {
  AbortedError,
  GoneError,
  InvalidMessageError,
  MessageCompleteError,
  NotFoundError,
  PayloadError,
  RejectedError,
  TooLargeError,
  UnknownOutcomeError,
} from '../errors';
import type { Scratch } from '../payload/scratch';
import type { Spool } from '../payload/spool';
import type { PayloadSource } from '../payload/source';
import { openStored } from '../payload/stored-payload';
import { outgoingHeaders, withChecksum } from '../protocol/message-headers';
import type { LedgerNote, Outgoing, OutgoingChange, SendPlan, StoredError } from '../store/store';
import { acceptedChange, FIRST_LOOKUP_MS } from './follow-up';
import type { Envelope } from './outbox-types';
import { decidePlan, rulesOf, type SendingRules } from './plan';
import type { SendBackoff } from './send-backoff';
import { storedError } from './stored-error';
import { transferChunks, type ChunkSent } from './transfer';

/** What an attempt needs. */
export interface AttemptParts {
  client: MeshClient;
  config: Pick<MailboxConfig, 'mailboxId'> & SendingRules;
  spool: Spool;
  scratch: Scratch;
  clock: Clock;
}

/** How an attempt ended: the change to its row, and the line for the ledger. */
export interface Ending {
  change: OutgoingChange;
  event: string;
  detail?: NonNullable<LedgerNote['detail']>;
}

/** A poison message is parked after this many attempts. */
export const PARK_AFTER = 12;

/**
 * Returns the plan of a message (how it is cut and encoded): the one in its row, or one decided now.
 * @throws PayloadError or TooLargeError when the message cannot be sent; StorageError; AbortedError when the signal
 *   aborts
 */
export async function planOf(row: Outgoing, parts: AttemptParts, signal: AbortSignal): Promise<SendPlan> {
  if (row.plan) return row.plan;
  const { config, spool, scratch } = parts;
  const rules = rulesOf(config, row.envelope);
  return decidePlan(await payloadOf(row, spool), rules, scratch, row.id, signal);
}

async function payloadOf(row: Outgoing, spool: Spool): Promise<PayloadSource> {
  if (!row.payload) throw new PayloadError('The payload is not in the store any more.');
  return openStored(row.payload, row.size, spool);
}

/**
 * Sends what is left of a message. Never throws: every result is an ending, and `backoff` has been informed of it.
 * `onChunk` saves each chunk but the last; the next chunk waits for it.
 */
export async function attempt(
  parts: AttemptParts,
  backoff: SendBackoff,
  row: Outgoing & { plan: SendPlan },
  signal: AbortSignal,
  onChunk: ChunkSent,
): Promise<Ending> {
  const { client, config, spool, scratch, clock } = parts;
  const { plan } = row;
  let { chunksSent, messageId } = row;
  try {
    const source = await payloadOf(row, spool);
    const { checksum: _requested, ...envelope } = row.envelope as unknown as Envelope;
    const headers = withChecksum(outgoingHeaders(config.mailboxId, envelope), plan.checksum);
    const done = messageId === null ? {} : { done: { chunks: chunksSent, messageId } };
    messageId = await transferChunks(
      client,
      { source, headers, plan, scratch, id: row.id, ...done },
      signal,
      async (sent) => {
        ({ chunk: chunksSent, messageId } = sent);
        backoff.responseReceived(row.id);
        if (sent.chunk < sent.totalChunks) await onChunk(sent);
      },
    );
    return accepted(row, messageId, clock.now());
  } catch (error) {
    // MESH says that it has every chunk of our upload: the response to the last one was lost when an earlier process
    // ended, or the store is behind what was sent.
    if (error instanceof MessageCompleteError && messageId !== null) {
      backoff.responseReceived(row.id);
      return accepted(row, messageId, clock.now());
    }
    return failed(row, error, { chunksSent, totalChunks: plan.totalChunks }, backoff, clock);
  }
}

/** Whether waiting cannot help, so that a person has to act. */
export function isUnsendable(thrown: unknown): boolean {
  return thrown instanceof PayloadError || thrown instanceof TooLargeError;
}

/** The ending of an attempt after which it is not known whether MESH has the message. */
export function unknown(row: Outgoing, error: StoredError, now: number): Ending {
  // MESH cannot be asked by a shared local id: the message needs a decision at once.
  const nextTrackAt = row.localIdIsUnique ? now + FIRST_LOOKUP_MS : null;
  return { change: { state: 'unknown', error, nextTrackAt, tracked: 0 }, event: 'unknown' };
}

/** The ending of an attempt that MESH accepted at `now`. */
export function accepted(row: Outgoing, messageId: string, now: number): Ending {
  return { change: acceptedChange(row, messageId, now), event: 'accepted', detail: { messageId } };
}

function failed(
  row: Outgoing,
  thrown: unknown,
  { chunksSent, totalChunks }: { chunksSent: number; totalChunks: number },
  backoff: SendBackoff,
  clock: Clock,
): Ending {
  const now = clock.now();
  const error = storedError(thrown);
  const detail = { code: error.code, ...(error.meshCode ? { meshCode: error.meshCode } : {}) };
  const change: OutgoingChange = { state: 'queued', nextAttemptAt: 0, error };

  if (thrown instanceof UnknownOutcomeError && totalChunks === 1) {
    // The next message may fare the same, and 10,000 unknown messages help no one: this counts as a failure of MESH.
    backoff.meshUnavailable(thrown, steadyTime(clock));
    return unknown(row, error, now);
  }
  if (thrown instanceof AbortedError) return { change: { ...change, error: null }, event: 'interrupted' };
  if (thrown instanceof RejectedError || thrown instanceof InvalidMessageError) {
    if (thrown instanceof RejectedError) backoff.responseReceived(row.id);
    return { change: { state: 'rejected', error, settledAt: now }, event: 'rejected', detail };
  }
  if (isUnsendable(thrown)) {
    // An earlier attempt may have sent the last chunk, as it was then: MESH may have the message.
    if (row.chunksSent > 0 && row.chunksSent === totalChunks - 1) return unknown(row, error, now);
    return { change: { state: 'parked', error }, event: 'parked', detail };
  }

  // After a lost response to the last chunk, that chunk is sent again: MESH responds 423 if it has it.
  backoff.attemptFailed(row.id, thrown, steadyTime(clock));
  if (!(thrown instanceof NotFoundError || thrown instanceof GoneError) || chunksSent === 0) {
    return { change, event: 'retry', detail };
  }
  // MESH no longer knows the upload. An earlier attempt may have sent the last chunk, and the message was delivered
  // since.
  if (chunksSent === totalChunks - 1) return unknown(row, error, now);
  // Otherwise MESH has forgotten it. Starting again from the first chunk is safe: MESH never delivers an orphan.
  const restart = { ...change, chunksSent: 0, messageId: null };
  if (row.attempts < PARK_AFTER) return { change: restart, event: 'restarted', detail };
  return { change: { ...restart, state: 'parked' }, event: 'parked', detail };
}
