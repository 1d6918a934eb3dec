/** 501 and 502: more than 200 MB are sent and received in chunks, and compared by MD5. */
import { join } from 'node:path';
import { NotPossibleHere, type Item, type Evidence } from '../item';
import type { RunContext } from '../run-context';
import { acknowledgementsOf, downloadOf, requestHeader, uploadOf } from '../wire-queries';
import { md5Of } from '../large-file';
import { NOT_ARRIVED } from './receive';

/** The size that the catalogue requires (bytes). */
const WANTED_BYTES = 200_000_000;
/** "Each chunk but the last has to be larger than 5 MB" (docs/mesh.md, Chunks). */
const SMALLEST_CHUNK_BYTES = 5_000_000;

export const sendChunks: Item = {
  id: '501',
  title: 'Send a message of more than 200 MB in chunks',
  run: async (context, evidence) => {
    const { messageId, localId, chunks, file } = await context.large();
    evidence.message(messageId);
    noteSize(evidence, file.bytes);
    const uploads = uploadOf(context.wire.all, localId, messageId);
    const ranges = uploads.map((upload) => requestHeader(upload, 'mex-chunk-range'));
    const inOrder = ranges.every((range, index) => range === `${index + 1}:${chunks}`);
    evidence.check('the message was sent in several chunks', chunks > 1, chunks);
    evidence.check('each chunk was sent once, in order', inOrder && ranges.length === chunks, ranges.join(' '));
    evidence.check(
      'every chunk got status 202',
      uploads.every(({ status }) => status === 202),
    );
    const encodings = new Set(uploads.map((upload) => requestHeader(upload, 'content-encoding') ?? 'none'));
    evidence.check('all chunks have the same Content-Encoding', encodings.size === 1, [...encodings].join(', '));
    const sizes = uploads.slice(0, -1).map(({ requestBytes }) => requestBytes);
    if (file.bytes >= WANTED_BYTES) {
      const smallest = Math.min(...sizes);
      evidence.check(
        'every chunk except the last has more than 5 MB',
        smallest > SMALLEST_CHUNK_BYTES,
        `smallest ${smallest} bytes`,
      );
    }
    evidence.check('the MD5 of the sent file is recorded', true, file.md5);
  },
};

export const receiveChunks: Item = {
  id: '502',
  title: 'Receive a message of more than 200 MB in chunks and compare it',
  run: (context, evidence) => receive(context, evidence),
};

async function receive(context: RunContext, evidence: Evidence): Promise<void> {
  const { messageId, chunks, file } = await context.large();
  const { recipient, wire } = context;
  evidence.message(messageId);
  noteSize(evidence, file.bytes);
  if (!(await context.arrived(recipient, [messageId]))) throw new NotPossibleHere(NOT_ARRIVED);
  const received = join(context.folder, 'received.txt');
  const { bytes } = await recipient.receive(messageId, { file: received });
  await context.acknowledge(messageId);
  const downloads = downloadOf(wire.all, messageId);
  const statuses = downloads.map(({ status }) => status);
  const expected = statuses.every((status, index) => status === (index === chunks - 1 ? 200 : 206));
  evidence.check('every chunk except the last got status 206, the last 200', expected, statuses.join(' '));
  evidence.check('each chunk was downloaded once', downloads.length === chunks, downloads.length);
  const md5 = await md5Of(received);
  evidence.check('the MD5 of the received file matches the sent one', md5 === file.md5, `${md5}, ${bytes} bytes`);
  const [put] = acknowledgementsOf(wire.all, messageId);
  evidence.check('the message was acknowledged after the last chunk', put?.status === 200, put?.status);
}

function noteSize(evidence: Evidence, bytes: number): void {
  if (bytes > WANTED_BYTES) return;
  evidence.shortfall = `It was run with ${bytes} bytes; the catalogue requires more than 200 MB.`;
}
