/** acknowledge_message: PUT /messageexchange/{mailbox_id}/inbox/{message_id}/status/acknowledged */
import { empty, json } from '../response';
import { statusOf } from '../message';
import type { MailboxHandler, Route } from '../router';
import { receivedMessage } from './download';

const acknowledge: MailboxHandler = (request, context) => {
  const message = receivedMessage(request, context);
  // Only once: an acknowledged or expired message stays as it is, and the response is the same.
  if (statusOf(message) === 'accepted') {
    context.messages.record(message, { status: 'acknowledged', at: context.clock.ms() });
  }
  return request.version === 1 ? json(200, { messageId: message.messageId }) : empty(200);
};

export const acknowledgeRoutes: Route[] = [
  {
    method: 'PUT',
    path: '/messageexchange/:mailboxId/inbox/:messageId/status/acknowledged',
    operation: 'acknowledge_message',
    access: 'mailbox',
    handler: acknowledge,
  },
];
