/** A message that did not arrive, once more. */
import { InvalidMessageError, PayloadError } from '../errors';
import { openStored, readAll } from '../payload/stored-payload';
import type { Spool } from '../payload/spool';
import type { Outcome, Outgoing, OutgoingState } from '../store/store';
import type { Enqueued, EnqueueOptions, StoredEnvelope } from './outbox-types';

/** What may be sent again, whatever was answered. */
const FAILED: readonly OutgoingState[] = ['undelivered', 'rejected', 'unknown', 'parked', 'closed'];
/** Answers that prove that it arrived, and that it was not dealt with. */
const REFUSED: ReadonlySet<Outcome> = new Set(['negative', 'partial']);
/** Every state that something may be sent again from. */
export const RESENDABLE: readonly OutgoingState[] = [...FAILED, 'accepted', 'acknowledged'];

/** Whether a person may send it again: it failed, was refused by its recipient, or was collected and not answered in time. */
export function isResendable({ state, infrastructure, business }: Outgoing): boolean {
  const outcomes = [infrastructure, business];
  if (FAILED.includes(state)) return true;
  if (!RESENDABLE.includes(state)) return false;
  return outcomes.some((each) => REFUSED.has(each)) || (state === 'acknowledged' && outcomes.includes('overdue'));
}

/** Whether the recipient may have it already: MESH never took what is rejected or parked. */
export function mayHaveArrived(row: Pick<Outgoing, 'state'>): boolean {
  return row.state !== 'rejected' && row.state !== 'parked';
}

/** The message to enqueue again. Throws InvalidMessageError where it is on its way, PayloadError where its bytes are gone. */
export async function messageToResend(
  row: Outgoing,
  spool: Spool,
): Promise<{ message: Enqueued; options: EnqueueOptions }> {
  if (!isResendable(row)) {
    throw new InvalidMessageError(`Message ${row.id} is ${row.state}: it is not sent again.`, {
      advice:
        'Only what is undelivered, rejected, unknown, parked or dropped can be sent again, and what was collected but ' +
        'answered negatively, in part or not in time.',
    });
  }
  const { payload } = row;
  if (!payload) {
    throw new PayloadError(`The payload of message ${row.id} is not kept any more.`, {
      advice: 'Send it again from where it came from.',
    });
  }
  const {
    localId,
    fileName,
    collectWithinMs,
    infrastructureWithinMs,
    businessWithinWorkingDays,
    answering,
    ...fields
  } = row.envelope as unknown as StoredEnvelope;
  const isFile = payload.kind === 'file';
  const source = await openStored(payload, row.size, spool);
  // A file that changed was never sent: a person who resends it means it as it is now. One that was sent means that one.
  const meansAsItIs = isFile && row.state === 'parked' && row.error?.code === 'MESH_PAYLOAD';
  if (isFile && !meansAsItIs) for await (const _first of source.open(0, 1)) break;
  return {
    message: {
      ...fields,
      // An empty one, so that the name of a file does not become the message's.
      fileName: fileName ?? '',
      // A caller's own local id goes with the message; one of ours is made anew.
      ...(localId === row.id ? {} : { localId }),
      payload:
        payload.kind === 'inline'
          ? await readAll(source)
          : payload.kind === 'file'
            ? { file: payload.path }
            : { source },
    },
    options: {
      resendOf: row.id,
      strictOrder: row.strictOrder,
      localIdIsShared: !row.localIdIsUnique,
      copyFile: !isFile,
      asks: { infrastructure: row.infrastructure !== 'not-asked', business: row.business !== 'not-asked' },
      collectWithinMs,
      infrastructureWithinMs,
      businessWithinWorkingDays,
      ...(answering && { answering }),
    },
  };
}
