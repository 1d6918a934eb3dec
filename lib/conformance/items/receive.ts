/** 401 and 402: a message is listed, received, compared with what was sent, and acknowledged. */
import { createHash } from 'node:crypto';
import type { SentMessage } from '../../index';
import { NotPossibleHere, type Item, type Note } from '../item';
import { PLAIN, ZIPPED, type Stage } from '../stage';
import { acknowledgementsOf, downloadOf, responseHeader } from '../wire-questions';

export const receivePlain: Item = {
  id: '401',
  title: 'Receive a message that was sent uncompressed',
  run: async (stage, note) => {
    await received(stage, note, await stage.plain(), PLAIN);
  },
};

export const receiveCompressed: Item = {
  id: '402',
  title: 'Receive a message that was sent compressed (gzip)',
  run: async (stage, note) => {
    const { messageId } = await received(stage, note, await stage.zipped(), ZIPPED);
    const encoding = responseHeader(downloadOf(stage.wire.all, messageId)[0], 'content-encoding');
    note.check('it came compressed: Content-Encoding gzip', encoding === 'gzip', encoding ?? 'not set');
  },
};

async function received(stage: Stage, note: Note, sent: SentMessage, text: string): Promise<SentMessage> {
  const { recipient, wire } = stage;
  const { messageId } = sent;
  note.message(messageId);
  if (!(await stage.arrived(recipient, [messageId]))) throw new NotPossibleHere(NOT_ARRIVED);
  const { message, sha256, bytes } = await recipient.receive(messageId);
  const expected = createHash('sha256').update(text).digest('hex');
  note.check('the payload is the one that was sent (SHA-256)', sha256 === expected, `${sha256}, ${bytes} bytes`);
  note.check('the headers name sender and workflow', message.from !== '' && message.workflowId === sent.workflowId);
  await stage.acknowledge(messageId);
  note.check('it was downloaded once', downloadOf(wire.all, messageId).length === 1);
  const [put] = acknowledgementsOf(wire.all, messageId);
  note.check('its acknowledgement was answered 200', put?.status === 200, put?.status);
  return sent;
}

/** MESH is asynchronous: that a message takes long is nobody's failure. */
export const NOT_ARRIVED = 'The message was not in the inbox in time; MESH is asynchronous. Run this item again later.';
