/**
 * The deviations of our client and our sandbox from the lists of mesh-api.yaml, each with its reason. The test fails
 * for a deviation that no longer occurs and for one that is missing here.
 */

const PASSED_ON = 'an optional header that MESH passes on to the recipient; NHS England’s sandbox and client know it';
const IN_EXAMPLES =
  'not in the operation’s list, but in the specification’s examples of messages and in NHS England’s sandbox';

/** Deviations of our client’s requests. */
export const REQUESTS: Record<string, string> = {
  'endpointlookup: header authorization is not listed': 'sent with every request; NHS England’s client does so as well',
  'workflowsearch: header authorization is not listed': 'sent with every request; NHS England’s client does so as well',
  'handshake: header mex-osarchitecture is not listed': 'in the specification’s own example of the request',
  'send_chunk: header content-type is not listed': 'in the specification’s own example of the request',
  'send_message: header mex-content-compressed is not listed': IN_EXAMPLES,
  'send_message: header mex-content-encrypted is not listed': PASSED_ON,
  'send_message: header mex-content-type is not listed': PASSED_ON,
  'send_message: header mex-from is not listed': IN_EXAMPLES,
  'send_message: header mex-messagetype is not listed': IN_EXAMPLES,
  'send_message: header mex-partnerid is not listed': PASSED_ON,
};

const UNKNOWN_MESSAGE = 'the list has no status for an unknown message; assurance expects 404 with code 20';
const BILLING = 'in the specification’s own example of the response';

/** Deviations of our sandbox’s responses. */
export const RESPONSES: Record<string, string> = {
  'acknowledge_message: status 404 is not listed': UNKNOWN_MESSAGE,
  'tracking_by_local_id: status 404 is not listed': UNKNOWN_MESSAGE,
  'tracking_by_message_id: status 404 is not listed': UNKNOWN_MESSAGE,
  'retrieve_message: 200 text/plain is not listed':
    'an unchunked message has its sender’s content type in version 2, as in NHS England’s sandbox',
  'send_chunk: 202 version 1 must NOT have additional properties blockID': 'as in NHS England’s sandbox',
  'tracking_by_local_id: 200 version 1 must NOT have additional properties recipientBillingEntity': BILLING,
  'tracking_by_local_id: 200 version 1 must NOT have additional properties senderBillingEntity': BILLING,
  'tracking_by_message_id: 200 version 1 must NOT have additional properties recipientBillingEntity': BILLING,
  'tracking_by_message_id: 200 version 1 must NOT have additional properties senderBillingEntity': BILLING,
};
