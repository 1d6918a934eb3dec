/**
 * The mark on an answer of a form of its own. The other forms are told from requests by their content; of these only the
 * workflow would tell, and two mailboxes need not have the same table: each would take the other's answer for a request, and
 * answer it, for ever. So the subject says what it is, and what says so is never answered.
 */

const BEFORE = 'Acknowledgement of MESH message ';

/** `Mex-Subject` of an answer to the message with this MESH id. */
export const subjectOfAcknowledgement = (messageId: string): string => `${BEFORE}${messageId}`;

/** Whether a received message says by its subject that it is an answer. */
export const isMarkedAsAcknowledgement = (subject: unknown): boolean =>
  typeof subject === 'string' && subject.trim().toLowerCase().startsWith(BEFORE.toLowerCase());
