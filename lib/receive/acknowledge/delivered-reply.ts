/** What a delivery and an error say of a received reply, once it has settled what it names. */
import type { KeptReply, ReplyProblem } from '../../acks/replies/read';
import { InvalidMessageError, type MeshError } from '../../errors';
import type { MessageHeaders } from '../../types';
import type { DeliveredReply } from '../inbox-types';

/** Returns what is delivered beside a reply. Of several profiles, the first says what it is. */
export function deliveredReply({ readings, settled = [], problem }: KeptReply): DeliveredReply | undefined {
  const [reading] = readings;
  if (!reading) return undefined;
  const { requestWorkflowId, stage, kind, outcome, code, compared } = reading;
  const [first, ...further] = settled.map(({ id, messageId, isDuplicate = false }) => ({
    sentId: id,
    ...(messageId === null ? {} : { sentMessageId: messageId }),
    isDuplicate,
  }));
  return {
    workflowId: requestWorkflowId,
    stage,
    kind,
    outcome,
    ...(code === undefined ? {} : { code }),
    ...(compared === undefined ? {} : { rows: compared }),
    ...first,
    ...(further.length > 0 ? { further } : {}),
    ...(problem === undefined ? {} : { problem }),
  };
}

/**
 * Returns what a row keeps of a reply that has settled: without the names that it was matched by. Those of one that a
 * person has to look at are in its headers and payload.
 */
export const withoutNames = (reply: KeptReply): KeptReply => ({
  ...reply,
  readings: reply.readings.map(({ rows: _rows, ...reading }) => ({ ...reading, values: [] })),
});

const PROBLEMS: Record<ReplyProblem, { what: string; advice: string }> = {
  unmatched: {
    what: 'names a message that was not sent from here, or not to its sender, and settled nothing there',
    advice: 'Find out which message it belongs to: it is delivered at the third output.',
  },
  ambiguous: {
    what: 'could belong to several messages, and settled none of them',
    advice:
      'Find out which of them is meant: it is delivered at the third output. Give every message a local id, subject and ' +
      'file name of its own.',
  },
  differs: {
    what: 'has rows that do not agree with the request, and settled nothing',
    advice:
      'Use nothing of it. It is delivered at the third output, and msg.meshReply.code says what does not agree. Ask the ' +
      'service what happened, or send the list again.',
  },
  unclear: {
    what: 'says something that its workflow’s profile does not know, and settled nothing',
    advice: 'Read it: it is delivered at the third output. Then add what it says to the outcomes of the profile.',
  },
  'too-many-rows': {
    what: 'names more messages in its rows than are looked at (500), and settled only those',
    advice: 'Read the others from its rows: it is delivered at the third output.',
  },
};

/** Returns the error of a reply that has not settled all that it names. */
export function replyError(
  { messageId, workflowId, mailboxId }: MessageHeaders,
  { readings }: KeptReply,
  problem: ReplyProblem,
): MeshError {
  const { stage = '', code } = readings[0] ?? {};
  const { what, advice } = PROBLEMS[problem];
  const detail = problem === 'differs' && code !== undefined ? ` (${code})` : '';
  return new InvalidMessageError(
    `Message ${messageId} of workflow ${workflowId} (reply “${stage}”) ${what}${detail}.`,
    {
      messageId,
      mailboxId,
      advice,
    },
  );
}
