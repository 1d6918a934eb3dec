/**
 * The names of files in a spool folder. Every name is ours and holds a random id or a hash, so that it is never that of
 * a file of somebody else's: what has another name is never touched (docs/design.md, rule 7).
 */

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const NAMES = [
  // A payload: `<id>` of a sent message, `in-<uuid>` of a received one; while it is copied between stores.
  `(?:in-)?${UUID}(?:\\.copying)?`,
  // A compressed body of a sent message, chunk by chunk; an upload of the sidebar; an instance's probe.
  `${UUID}\\.[0-9]{1,6}\\.gz`,
  `upload-${UUID}`,
  `probe-${UUID}`,
  // A partial download: its bytes, and its note.
  `part-${UUID}(?:\\.taken)?`,
  `part-[0-9a-f]{40}\\.json(?:\\.new)?`,
];
const NAME = new RegExp(`^(?:${NAMES.join('|')})$`);

/** Whether a file of this name in a spool folder is ours. */
export function isSpoolName(name: string): boolean {
  return NAME.test(name);
}
