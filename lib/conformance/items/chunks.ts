/** 501 and 502: more than 200 MB in chunks, sent and received, compared by MD5. */
import { join } from 'node:path';
import { NotPossibleHere, type Item, type Note } from '../item';
import type { Stage } from '../stage';
import { acknowledgementsOf, downloadOf, requestHeader, uploadOf } from '../wire-questions';
import { md5Of } from '../large-file';
import { NOT_ARRIVED } from './receive';

/** The catalogue's size (bytes). */
const WANTED_BYTES = 200_000_000;
/** "Each chunk but the last has to be larger than 5 MB" (DOMAIN.md 1.8). */
const SMALLEST_CHUNK_BYTES = 5_000_000;

export const sendChunks: Item = {
  id: '501',
  title: 'Send a message of more than 200 MB in chunks',
  run: async (stage, note) => {
    const { messageId, localId, chunks, file } = await stage.large();
    note.message(messageId);
    sizeNote(note, file.bytes);
    const uploads = uploadOf(stage.wire.all, localId, messageId);
    const ranges = uploads.map((upload) => requestHeader(upload, 'mex-chunk-range'));
    const inOrder = ranges.every((range, index) => range === `${index + 1}:${chunks}`);
    note.check('it went in several chunks', chunks > 1, chunks);
    note.check('each chunk was sent once, in order', inOrder && ranges.length === chunks, ranges.join(' '));
    note.check(
      'every chunk was answered 202',
      uploads.every(({ status }) => status === 202),
    );
    const encodings = new Set(uploads.map((upload) => requestHeader(upload, 'content-encoding') ?? 'none'));
    note.check('all chunks have the same Content-Encoding', encodings.size === 1, [...encodings].join(', '));
    const sizes = uploads.slice(0, -1).map(({ requestBytes }) => requestBytes);
    if (file.bytes >= WANTED_BYTES) {
      const smallest = Math.min(...sizes);
      note.check(
        'chunks but the last have more than 5 MB',
        smallest > SMALLEST_CHUNK_BYTES,
        `smallest ${smallest} bytes`,
      );
    }
    note.check('MD5 of what was sent', true, file.md5);
  },
};

export const receiveChunks: Item = {
  id: '502',
  title: 'Receive a message of more than 200 MB in chunks, and compare',
  run: (stage, note) => receive(stage, note),
};

async function receive(stage: Stage, note: Note): Promise<void> {
  const { messageId, chunks, file } = await stage.large();
  const { recipient, wire } = stage;
  note.message(messageId);
  sizeNote(note, file.bytes);
  if (!(await stage.arrived(recipient, [messageId]))) throw new NotPossibleHere(NOT_ARRIVED);
  const received = join(stage.folder, 'received.txt');
  const { bytes } = await recipient.receive(messageId, { file: received });
  await stage.acknowledge(messageId);
  const downloads = downloadOf(wire.all, messageId);
  const statuses = downloads.map(({ status }) => status);
  const expected = statuses.every((status, index) => status === (index === chunks - 1 ? 200 : 206));
  note.check('206 for each chunk but the last, 200 for the last', expected, statuses.join(' '));
  note.check('each chunk was downloaded once', downloads.length === chunks, downloads.length);
  const md5 = await md5Of(received);
  note.check('MD5 of what was received is that of what was sent', md5 === file.md5, `${md5}, ${bytes} bytes`);
  const [put] = acknowledgementsOf(wire.all, messageId);
  note.check('it was acknowledged after the last chunk', put?.status === 200, put?.status);
}

function sizeNote(note: Note, bytes: number): void {
  if (bytes > WANTED_BYTES) return;
  note.short = `It was run with ${bytes} bytes; the catalogue asks for more than 200 MB.`;
}
