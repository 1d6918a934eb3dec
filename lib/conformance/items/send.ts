/** 201 and 202: a message is sent uncompressed and compressed. */
import type { Item, Evidence } from '../item';
import type { RunContext } from '../run-context';
import type { SentMessage } from '../../index';
import { requestHeader, uploadOf } from '../wire-queries';

export const sendPlain: Item = {
  id: '201',
  title: 'Send an uncompressed message',
  run: async (context, evidence) => accepted(context, evidence, await context.plain(), undefined),
};

export const sendCompressed: Item = {
  id: '202',
  title: 'Send a compressed message (gzip)',
  run: async (context, evidence) => accepted(context, evidence, await context.zipped(), 'gzip'),
};

function accepted(context: RunContext, evidence: Evidence, sent: SentMessage, encoding: string | undefined): void {
  evidence.message(sent.messageId);
  const uploads = uploadOf(context.wire.all, sent.localId, sent.messageId);
  const [upload] = uploads;
  const seen = requestHeader(upload, 'content-encoding');
  evidence.check('one request carried the message', uploads.length === 1, uploads.length);
  evidence.check('MESH returned status 202 and a message id', upload?.status === 202, upload?.status);
  evidence.check(`Content-Encoding was ${encoding ?? 'not set'}`, seen === encoding, seen ?? 'not set');
}
