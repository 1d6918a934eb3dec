/** Classifies a received message. The result is kept beside it in the store, so that its payload is parsed once. */
import { requestOn, type ParsedPayload } from './parse-acknowledgement';
import { isAckWorkflow, type WorkflowProfiles } from './profiles';
import { keyOfRequest, type KeptRequest } from './request';
import type { ReceivedAck } from './types';

/** The message that an acknowledgement has settled. */
export interface Settled {
  /** Our id of it, in the outbox. */
  id: string;
  /** MESH's id, if it is known. */
  messageId: string | null;
}

/** One of the further acknowledgements of a batch, and the message that it has settled. */
type FurtherAck = ReceivedAck & { settled?: Settled };

/** An acknowledgement. `settled` undefined: not tried yet; null: it acknowledges nothing that this mailbox has sent. */
export type KeptAck = { settled?: Settled | null } &
  /** `further`: the other acknowledgements of a batch, none of them with a worse result. */
  /** `unreadable`: how many acknowledgements of the batch cannot be read. */
  (
    | { kind: 'acknowledgement'; ack: ReceivedAck; further?: FurtherAck[]; unreadable?: number; isData?: true }
    /** An acknowledgement by its shape or its workflow; what it says is not known. */
    | { kind: 'unreadable-acknowledgement' }
  );

/** Plain JSON of ids, codes and flags. `itk2`: an ITK2 envelope, which only the flow can acknowledge. */
export type Classification = { kind: 'request'; request: KeptRequest } | { kind: 'itk2' } | KeptAck;

/**
 * Largest classification that is kept (characters of JSON): every row of a list has one. A batch of 2,000 messages or
 * acknowledgements, the most that are read, takes about 350,000.
 */
const LARGEST = 512 * 1024;

/** Undefined when the message neither is an acknowledgement nor can be acknowledged. */
export function classify(
  parsed: ParsedPayload,
  workflowId: string,
  profiles: WorkflowProfiles,
): Classification | undefined {
  const classification = classifyAnySize(parsed, workflowId, profiles);
  if (classification === undefined || JSON.stringify(classification).length <= LARGEST) return classification;
  return classification.kind === 'request' ? undefined : { kind: 'unreadable-acknowledgement' };
}

function classifyAnySize(
  parsed: ParsedPayload,
  workflowId: string,
  profiles: WorkflowProfiles,
): Classification | undefined {
  const { acknowledgement, isData, unreadableAcknowledgement } = parsed;
  if (acknowledgement) {
    const further = parsed.furtherAcknowledgements;
    return {
      kind: 'acknowledgement',
      ack: acknowledgement,
      ...(further === undefined ? {} : { further }),
      ...(parsed.unreadableCount === undefined ? {} : { unreadable: parsed.unreadableCount }),
      ...(isData ? { isData } : {}),
    };
  }
  if (unreadableAcknowledgement) return { kind: 'unreadable-acknowledgement' };
  if (isAckWorkflow(profiles, workflowId)) {
    return isCustom(profiles, workflowId) ? undefined : { kind: 'unreadable-acknowledgement' };
  }
  if (parsed.isItk2) return { kind: 'itk2' };
  const request = requestOn(parsed, profiles.find(workflowId));
  return request && { kind: 'request', request };
}

/** Whether only the flow knows what the acknowledgements on this workflow say. */
function isCustom(profiles: WorkflowProfiles, workflowId: string): boolean {
  const requests = profiles.forAckWorkflow(workflowId);
  return requests.length > 0 && requests.every(({ form }) => form === 'custom');
}

/** Returns the same key for every copy of a request that its sender sends; null when the request has no reference. */
export function requestKey(classification: Classification | undefined, from: string): string | null {
  if (classification?.kind !== 'request' || from === '') return null;
  const key = keyOfRequest(classification.request);
  return key === null ? null : `${from} ${key}`;
}
