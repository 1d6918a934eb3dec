/**
 * Where our client and our sandbox do otherwise than the lists of mesh-api.yaml, each with its reason. One that no longer occurs makes
 * the test fail, and so does one that is not here.
 */

const RECEIVER = 'an optional header that MESH hands on to the receiver; NHS England’s sandbox and client know it';
const SHOWN =
  'not in the operation’s list; the specification shows it in its examples of messages, and NHS England’s sandbox knows it';

/** Of our client’s requests. */
export const REQUESTS: Record<string, string> = {
  'endpointlookup: header authorization is not listed': 'sent with every request; NHS England’s client does so as well',
  'workflowsearch: header authorization is not listed': 'sent with every request; NHS England’s client does so as well',
  'handshake: header mex-osarchitecture is not listed': 'in the specification’s own example of the request',
  'send_chunk: header content-type is not listed': 'in the specification’s own example of the request',
  'send_message: header mex-content-compressed is not listed': SHOWN,
  'send_message: header mex-content-encrypted is not listed': RECEIVER,
  'send_message: header mex-content-type is not listed': RECEIVER,
  'send_message: header mex-from is not listed': SHOWN,
  'send_message: header mex-messagetype is not listed': SHOWN,
  'send_message: header mex-partnerid is not listed': RECEIVER,
};

const UNKNOWN_MESSAGE = 'the list has no status for a message that there is not; assurance expects 404 with code 20';
const BILLING = 'in the specification’s own example of the answer';

/** Of our sandbox’s answers. */
export const ANSWERS: Record<string, string> = {
  'acknowledge_message: status 404 is not listed': UNKNOWN_MESSAGE,
  'tracking_by_local_id: status 404 is not listed': UNKNOWN_MESSAGE,
  'tracking_by_message_id: status 404 is not listed': UNKNOWN_MESSAGE,
  'retrieve_message: 200 text/plain is not listed':
    'a message of one piece has its sender’s content type in version 2, as in NHS England’s sandbox',
  'send_chunk: 202 version 1 must NOT have additional properties blockID': 'as in NHS England’s sandbox',
  'tracking_by_local_id: 200 version 1 must NOT have additional properties recipientBillingEntity': BILLING,
  'tracking_by_local_id: 200 version 1 must NOT have additional properties senderBillingEntity': BILLING,
  'tracking_by_message_id: 200 version 1 must NOT have additional properties recipientBillingEntity': BILLING,
  'tracking_by_message_id: 200 version 1 must NOT have additional properties senderBillingEntity': BILLING,
};
