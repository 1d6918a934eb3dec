/** Decides which acknowledgements a message requests: by its own flags, and without them by its workflow's profile. */
import type { WorkflowProfile } from './profiles';
import type { KeptRequest } from './request';
import type { RequestedAcknowledgements } from './types';

const NONE: RequestedAcknowledgements = { infrastructure: false, business: false };

/**
 * Returns what is requested of the receiver. A profile without an acknowledgement means nothing, whatever the flags
 * say. Flags of an ITK3 request that cannot be read count as set: one acknowledgement too many does less harm than a
 * sender who waits.
 */
export function acknowledgementsRequested(
  request: KeptRequest | undefined,
  profile: WorkflowProfile | undefined,
): RequestedAcknowledgements {
  if (profile && (profile.form === 'none' || profile.ackWorkflowId === null)) return NONE;
  const byProfile = profile ? { infrastructure: profile.infAck, business: profile.busAck } : NONE;
  // The flags of an NHAIS interchange ask for nothing, and its receipt comes always.
  if (request === undefined || profile?.form === 'custom') return byProfile;
  const byDefault = request.form === 'itk3' ? { infrastructure: true, business: true } : byProfile;
  return { ...byDefault, ...request.requested };
}
