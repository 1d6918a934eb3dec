/**
 * The names of files in a spool folder. Every name is ours and holds a random id or a keyed hash, so that it is never
 * that of a file of somebody else's: what has another name is never touched (docs/design.md, rule 7).
 *
 * Every file with bytes or headers of a message has the message's tag in its name, so that all of its copies are found
 * when it is erased, damaged and incomplete ones too, in the spool or its quarantine, without reading any content.
 */
import { createHmac } from 'node:crypto';

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const TAG = '[0-9a-f]{32}';
const NAMES = [
  // A payload, sent or received; while it is copied between stores.
  `(?:out-${TAG}|in-${TAG}-${UUID})(?:\\.copying)?`,
  // A compressed body of a sent message, chunk by chunk; an upload of the sidebar.
  `out-${TAG}\\.[0-9]{1,6}\\.gz`,
  `upload-${TAG}`,
  // A partial download: its bytes, and its note.
  `part-${TAG}-${UUID}(?:\\.taken)?`,
  `part-${TAG}\\.json(?:\\.new)?`,
  // An instance's probe, which has no content.
  `probe-${UUID}`,
];
const NAME = new RegExp(`^(?:${NAMES.join('|')})$`);
const TAGGED = new RegExp(`^(?:in|out|part|upload)-(${TAG})`);
const PART = new RegExp(`^part-${TAG}-${UUID}$`);
const NOTE = new RegExp(`^part-${TAG}\\.json$`);

/** Whether a file of this name in a spool folder is ours. */
export function isSpoolName(name: string): boolean {
  return NAME.test(name);
}

/**
 * Returns a message's tag: 32 hexadecimal digits, from which nobody without the store's key finds the message.
 * @param key the store's spool key, which every copy of the store keeps
 * @param mailbox the mailbox's key in the store
 * @param id our id of a sent message, MESH's id of a received one
 */
export function messageTag(key: string, mailbox: string, id: string): string {
  const hmac = createHmac('sha256', key).update(`${mailbox}\n${id.toUpperCase()}`);
  return hmac.digest('hex').slice(0, 32);
}

/** Returns the tag in a file's name; undefined if the file is of no message. */
export function tagOf(name: string): string | undefined {
  return isSpoolName(name) ? TAGGED.exec(name)?.[1] : undefined;
}

/** Returns the name of a sent message's payload. */
export const sentName = (tag: string): string => `out-${tag}`;

/** Returns the name of a sent message's compressed body: a chunk, or the whole as chunk 1. */
export const bodyName = (tag: string, chunk: number): string => `out-${tag}.${chunk}.gz`;

/** Returns the name of a payload that is uploaded from the sidebar, until its message has a copy of its own. */
export const uploadName = (tag: string): string => `upload-${tag}`;

/** Returns the name of a received payload. `download`: a UUID of this download of the message. */
export const receivedName = (tag: string, download: string): string => `in-${tag}-${download}`;

/** Returns how the names of a message's payloads begin, sent or received. */
export const payloadPrefixes = (tag: string): string[] => [`out-${tag}`, `in-${tag}`];

/** Returns the name of a partial download's bytes. `download`: as in its final name. */
export const partName = (tag: string, download: string): string => `part-${tag}-${download}`;

/** Returns the name of a partial download's note. */
export const noteName = (tag: string): string => `part-${tag}.json`;

/** Whether the name is that of a partial download's bytes. */
export const isPartName = (name: string): boolean => PART.test(name);

/** Whether the name is that of a partial download's note. */
export const isNoteName = (name: string): boolean => NOTE.test(name);
