/** Which answers a message asks for: by its own flags, and where it has none by its workflow's profile. */
import type { WorkflowProfile } from './profiles';
import type { KeptRequest } from './request';

/** Both levels, decided. */
export interface RequestedAcknowledgements {
  infrastructure: boolean;
  business: boolean;
}

/**
 * What is to be answered. A profile without an answer means none, whatever the flags say. Where the flags of an ITK3 request
 * cannot be read they count as set: an answer too many is a smaller harm than a sender who waits.
 */
export function acknowledgementsRequested(
  request: KeptRequest | undefined,
  profile: WorkflowProfile | undefined,
): RequestedAcknowledgements {
  if (profile && (profile.form === 'none' || profile.ackWorkflowId === null)) return NONE;
  const ofProfile = profile ? { infrastructure: profile.infAck, business: profile.busAck } : NONE;
  if (request === undefined) return ofProfile;
  const unread = request.form === 'itk3' ? { infrastructure: true, business: true } : ofProfile;
  return {
    infrastructure: request.asks.infrastructure ?? unread.infrastructure,
    business: request.asks.business ?? unread.business,
  };
}

const NONE: RequestedAcknowledgements = { infrastructure: false, business: false };
