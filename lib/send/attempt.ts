/** One attempt at one message, and what it comes to. */
import type { MeshClient } from '../client/client';
import type { MailboxConfig } from '../config';
import type { Clock } from '../clock';
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
import { scratchName, transferChunks, type ChunkSent } from './transfer';

/** What an attempt needs. */
export interface AttemptParts {
  client: MeshClient;
  config: Pick<MailboxConfig, 'mailboxId'> & SendingRules;
  spool: Spool;
  scratch: Scratch;
  clock: Clock;
}

/** How an attempt ended: what its row becomes, and what the ledger says. */
export interface Ending {
  change: OutgoingChange;
  event: string;
  detail?: NonNullable<LedgerNote['detail']>;
}

/** A message that alone fails so often is parked. */
export const PARK_AFTER = 12;

/**
 * How a message is cut and encoded: as its row says, or decided now. Throws PayloadError or TooLargeError where it cannot be
 * sent, StorageError, or AbortedError.
 */
export async function planOf(row: Outgoing, parts: AttemptParts, signal: AbortSignal): Promise<SendPlan> {
  if (row.plan) return row.plan;
  const { config, spool, scratch } = parts;
  const rules = rulesOf(config, row.envelope);
  return decidePlan(await payloadOf(row, spool), rules, scratch, scratchName(row.id, 1), signal);
}

async function payloadOf(row: Outgoing, spool: Spool): Promise<PayloadSource> {
  if (!row.payload) throw new PayloadError('The payload is not in the store any more.');
  return openStored(row.payload, row.size, spool);
}

/**
 * Sends what is left of the message. Never throws: whatever happens is an ending, and the back-off has been told.
 * `onChunk` saves each chunk but the last; the next one waits for it.
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
    const { checksum: _asked, ...envelope } = row.envelope as unknown as Envelope;
    const headers = withChecksum(outgoingHeaders(config.mailboxId, envelope), plan.checksum);
    const done = messageId === null ? {} : { done: { chunks: chunksSent, messageId } };
    messageId = await transferChunks(
      client,
      { source, headers, plan, scratch, name: row.id, ...done },
      signal,
      async (sent) => {
        ({ chunk: chunksSent, messageId } = sent);
        backoff.answered(row.id);
        if (sent.chunk < sent.totalChunks) await onChunk(sent);
      },
    );
    return accepted(row, messageId, clock.now());
  } catch (error) {
    // The answer to the last chunk was lost when an earlier process ended; MESH says that it has them all.
    if (error instanceof MessageCompleteError && messageId !== null && chunksSent === plan.totalChunks - 1) {
      backoff.answered(row.id);
      return accepted(row, messageId, clock.now());
    }
    return failed(row, error, { chunksSent, totalChunks: plan.totalChunks }, backoff, clock.now());
  }
}

/** What no waiting mends: a person has to. */
export function isUnsendable(thrown: unknown): boolean {
  return thrown instanceof PayloadError || thrown instanceof TooLargeError;
}

/** Nobody knows whether MESH has it. */
export function unknown(row: Outgoing, error: StoredError, now: number): Ending {
  // Where the local id is not ours alone, MESH cannot be asked: a person has to.
  const nextTrackAt = row.localIdIsUnique ? now + FIRST_LOOKUP_MS : null;
  return { change: { state: 'unknown', error, nextTrackAt, tracked: 0 }, event: 'unknown' };
}

/** MESH has it. `now`: when it said so. */
export function accepted(row: Outgoing, messageId: string, now: number): Ending {
  return { change: acceptedChange(row, messageId, now), event: 'accepted', detail: { messageId } };
}

function failed(
  row: Outgoing,
  thrown: unknown,
  { chunksSent, totalChunks }: { chunksSent: number; totalChunks: number },
  backoff: SendBackoff,
  now: number,
): Ending {
  const error = storedError(thrown);
  const detail = { code: error.code, ...(error.meshCode ? { meshCode: error.meshCode } : {}) };
  const change: OutgoingChange = { state: 'queued', nextAttemptAt: 0, error };

  if (thrown instanceof UnknownOutcomeError && totalChunks === 1) {
    // The next one may fare the same, and 10,000 unknown messages are no use to anybody: so this is a failure of MESH's.
    backoff.away(thrown, now);
    return unknown(row, error, now);
  }
  if (thrown instanceof AbortedError) return { change: { ...change, error: null }, event: 'interrupted' };
  if (thrown instanceof RejectedError || thrown instanceof InvalidMessageError) {
    if (thrown instanceof RejectedError) backoff.answered(row.id);
    return { change: { state: 'rejected', error, settledAt: now }, event: 'rejected', detail };
  }
  if (isUnsendable(thrown)) return { change: { state: 'parked', error }, event: 'parked', detail };

  // The lost answer to a last chunk is asked for again: if MESH has it, it says so (423).
  backoff.failed(row.id, thrown, now);
  if (!(thrown instanceof NotFoundError || thrown instanceof GoneError) || chunksSent === 0) {
    return { change, event: 'retry', detail };
  }
  // MESH does not know the upload any more. An earlier attempt may have sent the last chunk, and it was delivered since.
  if (chunksSent === totalChunks - 1) return unknown(row, error, now);
  // Else it has forgotten it: from the first chunk, then, which is safe: it never delivers an orphan.
  const restart = { ...change, chunksSent: 0, messageId: null };
  if (row.attempts < PARK_AFTER) return { change: restart, event: 'restarted', detail };
  return { change: { ...restart, state: 'parked' }, event: 'parked', detail };
}
