/** Which messages a person may send again, and how. */
import { InvalidMessageError, PayloadError } from '../errors';
import { SENT_STATES } from '../message-states';
import { openStored, readAll } from '../payload/stored-payload';
import type { Spool } from '../payload/spool';
import type { Outcome, Outgoing } from '../store/store';
import { isHandedBack, requireNotHandedBack } from './handed-back';
import type { Enqueued, EnqueueOptions, StoredEnvelope } from './outbox-types';

/** Outcomes that prove that the message arrived and was not processed. */
const REFUSED: ReadonlySet<Outcome> = new Set(['negative', 'partial']);

/**
 * Whether a message may be sent again: it failed, its recipient refused it, or it was collected and not acknowledged in
 * time.
 */
export function isResendable(row: Outgoing): boolean {
  if (isHandedBack(row)) return false;
  const { state, infrastructure, business, replies } = row;
  const { resendable } = SENT_STATES[state];
  const outcomes = [infrastructure, business, replies];
  switch (resendable) {
    case false:
      return false;
    case 'always':
      return true;
    case 'if refused':
      return outcomes.some((each) => REFUSED.has(each));
    case 'if refused or overdue':
      return outcomes.some((each) => REFUSED.has(each)) || outcomes.includes('overdue');
  }
}

/** Whether the recipient may have the message already: MESH never accepted one that is rejected or parked. */
export function mayHaveArrived(row: Pick<Outgoing, 'state'>): boolean {
  return SENT_STATES[row.state].arrived !== 'no';
}

/**
 * Returns the message to enqueue again.
 * @throws InvalidMessageError when it is on its way; PayloadError when its payload is not kept any more or its file has
 *   changed
 */
export async function messageToResend(
  row: Outgoing,
  spool: Spool,
): Promise<{ message: Enqueued; options: EnqueueOptions }> {
  requireNotHandedBack(row);
  if (!isResendable(row)) {
    throw new InvalidMessageError(`Message ${row.id} is ${row.state}, so it cannot be sent again.`, {
      advice:
        'Only a message that is undelivered, rejected, unknown, parked or dropped can be sent again, or one that was ' +
        'collected and then acknowledged negatively, partially or not in time.',
    });
  }
  const { payload } = row;
  const { sentElsewhere = false } = row.envelope as Partial<StoredEnvelope>;
  if (!payload) {
    throw new PayloadError(`The payload of message ${row.id} is not kept any more.`, {
      advice: sentElsewhere
        ? 'Another client sent it, and may have it in its sent folder. Send it again from where it came from.'
        : 'Send it again from where it came from.',
    });
  }
  const {
    localId,
    fileName,
    collectWithinMs,
    infrastructureWithinMs,
    businessWithinWorkingDays,
    acknowledgementOf,
    furtherReferences: _madeAnew,
    replyKey: _foundAnew,
    ...fields
  } = row.envelope as unknown as StoredEnvelope;
  const isFile = payload.kind === 'file';
  const source = await openStored(payload, row.size, spool);
  // A message parked because its file changed was never sent: who resends it means the file as it is now. Otherwise the
  // file that was sent is meant, and reading it checks that it has not changed.
  const meansFileAsItIs = isFile && row.state === 'parked' && row.error?.code === 'MESH_PAYLOAD';
  if (isFile && !meansFileAsItIs) for await (const _first of source.open(0, 1)) break;
  return {
    message: {
      ...fields,
      // Empty rather than missing: otherwise the name of the spooled file would become the message's.
      fileName: fileName ?? '',
      // A caller's own local id is kept; one that the outbox generated is generated anew.
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
      requestedAcknowledgements: {
        infrastructure: row.infrastructure !== 'not-asked',
        business: row.business !== 'not-asked',
      },
      awaitsReplies: row.stages !== null,
      collectWithinMs,
      infrastructureWithinMs,
      businessWithinWorkingDays,
      ...(acknowledgementOf && { acknowledgementOf }),
    },
  };
}
