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

/** The handshake by GET, which the NHS's sandbox also accepts; only with the admin endpoints. */
export const handshakeByGet: Route = {
  method: 'GET',
  path,
  operation: 'handshake',
  access: 'mailbox',
  handler: handshake,
};
