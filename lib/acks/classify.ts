/** Classifies a received message. The result is kept beside it in the store, so that its payload is parsed once. */
import { requestOn, type ParsedPayload } from './parse-acknowledgement';
import { isAckWorkflow, type WorkflowProfiles } from './profiles';
import type { KeptReply } from './replies/read';
import { keyOfRequest, type KeptRequest } from './request';
import type { ReceivedAck, Settled } from './types';

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
export type Classification = { kind: 'request'; request: KeptRequest } | { kind: 'itk2' } | KeptAck | KeptReply;

/**
 * Largest classification that is kept (characters of JSON): every row of a list has one. A batch of 2,000 messages or
 * acknowledgements, the most that are read, takes about 350,000.
 */
const LARGEST = 512 * 1024;

/**
 * Undefined when the message neither is an acknowledgement or a reply nor can be acknowledged.
 * @param reply what the message says as a reply, if a profile has a stage for it. What is an acknowledgement by its
 *   content stays one
 */
export function classify(
  parsed: ParsedPayload,
  workflowId: string,
  profiles: WorkflowProfiles,
  reply?: KeptReply,
): Classification | undefined {
  const classification = classifyAnySize(parsed, workflowId, profiles, reply);
  if (classification === undefined || JSON.stringify(classification).length <= LARGEST) return classification;
  return classification.kind === 'request' ? undefined : { kind: 'unreadable-acknowledgement' };
}

function classifyAnySize(
  parsed: ParsedPayload,
  workflowId: string,
  profiles: WorkflowProfiles,
  reply: KeptReply | undefined,
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
  if (reply) return reply;
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
