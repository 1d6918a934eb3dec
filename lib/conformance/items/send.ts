/** 201 and 202: a message is sent plain, and compressed. */
import type { Item, Note } from '../item';
import type { Stage } from '../stage';
import type { SentMessage } from '../../index';
import { requestHeader, uploadOf } from '../wire-questions';

export const sendPlain: Item = {
  id: '201',
  title: 'Send a message, uncompressed',
  run: async (stage, note) => accepted(stage, note, await stage.plain(), undefined),
};

export const sendCompressed: Item = {
  id: '202',
  title: 'Send a message, compressed (gzip)',
  run: async (stage, note) => accepted(stage, note, await stage.zipped(), 'gzip'),
};

function accepted(stage: Stage, note: Note, sent: SentMessage, encoding: string | undefined): void {
  note.message(sent.messageId);
  const uploads = uploadOf(stage.wire.all, sent.localId, sent.messageId);
  const [upload] = uploads;
  const seen = requestHeader(upload, 'content-encoding');
  note.check('one request carried the message', uploads.length === 1, uploads.length);
  note.check('MESH answered 202 with a message id', upload?.status === 202, upload?.status);
  note.check(`Content-Encoding was ${encoding ?? 'not set'}`, seen === encoding, seen ?? 'not set');
}
