/** What a received message was recognised as: kept beside it in the store, so that its payload is looked into once. */
import type { ParsedPayload } from './parse-acknowledgement';
import { isAckWorkflow, type WorkflowProfiles } from './profiles';
import { keyOfRequest, type KeptRequest } from './request';
import type { ReceivedAck } from './types';

/** The message that an acknowledgement has settled. */
export interface Settled {
  /** Ours: its id in the outbox. */
  id: string;
  /** MESH's, where it is known. */
  messageId: string | null;
}

/** An acknowledgement. `settled` undefined: not tried yet; null: it answers nothing that this mailbox has sent. */
export type KeptAck = { settled?: Settled | null } & (
  | { kind: 'acknowledgement'; ack: ReceivedAck; isData?: true }
  /** By its shape or its workflow it is one; what it says is not known. */
  | { kind: 'unreadable-acknowledgement' }
);

/** Plain JSON, of ids, codes and flags. */
export type Classification = { kind: 'request'; request: KeptRequest } | KeptAck;

/** It is in every list of rows: what is larger (characters of JSON) is no honest header. */
const LARGEST = 64 * 1024;

/** undefined: a message that nobody answers, and that answers nothing. */
export function classify(
  identified: ParsedPayload,
  workflowId: string,
  profiles: WorkflowProfiles,
): Classification | undefined {
  const found = classification(identified, workflowId, profiles);
  if (found === undefined || JSON.stringify(found).length <= LARGEST) return found;
  return found.kind === 'request' ? undefined : { kind: 'unreadable-acknowledgement' };
}

function classification(
  identified: ParsedPayload,
  workflowId: string,
  profiles: WorkflowProfiles,
): Classification | undefined {
  const { acknowledgement, isData, unreadableAcknowledgement, request } = identified;
  if (acknowledgement) return { kind: 'acknowledgement', ack: acknowledgement, ...(isData ? { isData } : {}) };
  if (unreadableAcknowledgement) return { kind: 'unreadable-acknowledgement' };
  if (isAckWorkflow(profiles, workflowId)) {
    return isCustom(profiles, workflowId) ? undefined : { kind: 'unreadable-acknowledgement' };
  }
  return request && { kind: 'request', request };
}

/** Only the flow knows what these acknowledgements say. */
function isCustom(profiles: WorkflowProfiles, workflowId: string): boolean {
  const answered = profiles.answeredOn(workflowId);
  return answered.length > 0 && answered.every(({ form }) => form === 'custom');
}

/** The same for every copy that the sender sends of a request; null where it has no reference. */
export function requestKey(classification: Classification | undefined, from: string): string | null {
  if (classification?.kind !== 'request' || from === '') return null;
  const key = keyOfRequest(classification.request);
  return key === null ? null : `${from} ${key}`;
}
