/** 401 and 402: a message is listed, received, compared with what was sent, and acknowledged. */
import { createHash } from 'node:crypto';
import type { SentMessage } from '../../index';
import { NotPossibleHere, type Item, type Evidence } from '../item';
import { PLAIN, ZIPPED, type RunContext } from '../run-context';
import { acknowledgementsOf, downloadOf, responseHeader } from '../wire-queries';

export const receivePlain: Item = {
  id: '401',
  title: 'Receive a message that was sent uncompressed',
  run: async (context, evidence) => {
    await received(context, evidence, await context.plain(), PLAIN);
  },
};

export const receiveCompressed: Item = {
  id: '402',
  title: 'Receive a message that was sent compressed (gzip)',
  run: async (context, evidence) => {
    const { messageId } = await received(context, evidence, await context.zipped(), ZIPPED);
    const encoding = responseHeader(downloadOf(context.wire.all, messageId)[0], 'content-encoding');
    evidence.check('the payload arrived compressed: Content-Encoding gzip', encoding === 'gzip', encoding ?? 'not set');
  },
};

async function received(
  context: RunContext,
  evidence: Evidence,
  sent: SentMessage,
  text: string,
): Promise<SentMessage> {
  const { recipient, wire } = context;
  const { messageId } = sent;
  evidence.message(messageId);
  if (!(await context.arrived(recipient, [messageId]))) throw new NotPossibleHere(NOT_ARRIVED);
  const { message, sha256, bytes } = await recipient.receive(messageId);
  const expected = createHash('sha256').update(text).digest('hex');
  evidence.check('the payload is the one that was sent (SHA-256)', sha256 === expected, `${sha256}, ${bytes} bytes`);
  evidence.check(
    'the headers name the sender and the workflow',
    message.from !== '' && message.workflowId === sent.workflowId,
  );
  await context.acknowledge(messageId);
  evidence.check('the message was downloaded once', downloadOf(wire.all, messageId).length === 1);
  const [put] = acknowledgementsOf(wire.all, messageId);
  evidence.check('the acknowledgement got status 200', put?.status === 200, put?.status);
  return sent;
}

/** A late message is not a failure, because MESH is asynchronous. */
export const NOT_ARRIVED = 'The message did not arrive in time; MESH is asynchronous. Run this item again later.';
