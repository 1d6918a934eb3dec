/**
 * Every admin endpoint of this package. admin-endpoints.test.ts compares the list with the router, so that none is
 * missing.
 */

const MAILBOX = '/mesh/mailboxes/:id';
const MESSAGE = `${MAILBOX}/messages/:direction/:reference`;
/** The users whom the guard passes: reader has mesh.read, writer mesh.write, clerk mesh.payload. */
export const ADMIN_ROUTES: Record<string, 'reader' | 'writer' | 'clerk'> = {
  'get /mesh/health': 'reader',
  'get /mesh/metrics': 'reader',
  'get /mesh/mailboxes': 'reader',
  'get /mesh/profiles': 'reader',
  [`get ${MAILBOX}/activity`]: 'reader',
  [`get ${MAILBOX}/ledger`]: 'reader',
  [`post ${MAILBOX}/ledger/ticket`]: 'reader',
  [`get ${MAILBOX}/messages`]: 'reader',
  [`get ${MESSAGE}`]: 'reader',
  'get /mesh/codes/:id': 'writer',
  'post /mesh/check': 'writer',
  'post /mesh/codes/:id/forget': 'writer',
  'post /mesh/codes/read': 'writer',
  'post /mesh/lookup': 'writer',
  'post /mesh/sandbox/services/:service': 'writer',
  [`post ${MAILBOX}/actions`]: 'writer',
  [`post ${MESSAGE}/actions`]: 'writer',
  [`post ${MAILBOX}/compose`]: 'clerk',
  [`get ${MESSAGE}/private`]: 'clerk',
  [`get ${MESSAGE}/payload`]: 'clerk',
  [`post ${MESSAGE}/payload/ticket`]: 'clerk',
};
