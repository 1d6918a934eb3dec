/**
 * The mark on an acknowledgement of form `custom`. The other forms differ from requests in their content; of these only
 * the workflow is known, and two mailboxes need not have the same table: each would take the other's acknowledgement
 * for a request, and acknowledge it, for ever. So the subject says what it is, and what is marked is never
 * acknowledged.
 */

const PREFIX = 'Acknowledgement of MESH message ';

/** `Mex-Subject` of an acknowledgement of the message with this MESH id. */
export const subjectOfAcknowledgement = (messageId: string): string => `${PREFIX}${messageId}`;

/** Whether a received message's subject says that it is an acknowledgement. */
export const isMarkedAsAcknowledgement = (subject: unknown): boolean =>
  typeof subject === 'string' && subject.trim().toLowerCase().startsWith(PREFIX.toLowerCase());
