/** What a delivery is: it decides the output of mesh-poll. */
import { workflowsMatcher } from '../../protocol/workflow-filter';
import type { Incoming } from '../../store/store';
import { ackIn, replyIn } from '../acknowledge/settlements';
import type { Delivery } from '../inbox-types';
import type { RoutingKey } from '../poll/inbox-router';

/**
 * Returns a function that classifies a delivery: business acknowledgements by workflow (MESH's convention `*_ACK` by
 * default) or by the classification of the payload.
 */
export function deliveryClassifier(
  businessAcknowledgementWorkflows: readonly string[] = ['*_ACK'],
): (message: RoutingKey, classification?: Incoming['classification']) => Delivery['kind'] {
  const isBusinessAcknowledgement = workflowsMatcher(businessAcknowledgementWorkflows);
  return ({ messageType, workflowId }, classification = null) => {
    if (messageType === 'REPORT') return 'report';
    if (replyIn(classification)) return 'business-acknowledgement';
    const ack = ackIn(classification);
    if (ack && !('isData' in ack)) return 'business-acknowledgement';
    return isBusinessAcknowledgement(workflowId) ? 'business-acknowledgement' : 'data';
  };
}
