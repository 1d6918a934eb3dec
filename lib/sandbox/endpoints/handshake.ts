/** handshake: POST /messageexchange/{mailbox_id} */
import { empty, json } from '../response';
import { requiredHeader } from '../request';
import type { MailboxHandler, Route } from '../router';

const handshake: MailboxHandler = (request) => {
  for (const name of ['mex-ClientVersion', 'mex-OSName', 'mex-OSVersion']) requiredHeader(request, name);
  return request.version === 1 ? json(200, { mailboxId: request.mailbox.mailboxId }) : empty(200);
};

const path = '/messageexchange/:mailboxId';

export const handshakeRoutes: Route[] = [
  { method: 'POST', path, operation: 'handshake', access: 'mailbox', handler: handshake },
];

/** As the NHS's sandbox takes it too, where the admin endpoints are on. */
export const handshakeByGet: Route = {
  method: 'GET',
  path,
  operation: 'handshake',
  access: 'mailbox',
  handler: handshake,
};
