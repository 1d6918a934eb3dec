/** Makes file names from outside safe for a folder (docs/design.md, rule 13). */

/** Device names, which Windows reserves with any extension. */
const DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?$/i;

/** File systems allow 255 bytes; the message id and a temporary suffix need some of them. */
const MAX_NAME_BYTES = 150;

/**
 * Returns a file name for a received message: `<messageId>_<name>`, unique because the id is. The sender's name loses
 * its path, control characters, characters that Windows refuses, leading and trailing dots and spaces, and everything
 * beyond 150 bytes (its extension stays). If nothing is left, the name is `<messageId>.dat`.
 */
export function safeFileName(messageId: string, fileName: string | undefined): string {
  const id = avoidDeviceName(messageId.replace(/[^\w.-]/g, '_').slice(0, 100));
  const last = withoutMiddle((fileName ?? '').split(/[/\\]/).at(-1) ?? '');
  const name = shorten(
    last
      .normalize('NFC')
      // oxlint-disable-next-line no-control-regex -- control characters are what is removed
      .replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff<>:"|?*]/g, '_')
      .replace(/^[. ]+|[. ]+$/g, ''),
  );
  if (name === '') return `${id}.dat`;
  return `${id}_${avoidDeviceName(name)}`;
}

/** Shortens a long name to its two ends: the patterns that follow take quadratic time on a name of blanks. */
function withoutMiddle(name: string): string {
  return name.length > 1000 ? name.slice(0, 500) + name.slice(-500) : name;
}

/** Returns the name, prefixed with `_` if Windows would take it for a device (`CON`, `nul.txt`). */
export function avoidDeviceName(name: string): string {
  return DEVICE.test(name) ? `_${name}` : name;
}

function shorten(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name;
  const extension = /\.[A-Za-z0-9]{1,10}$/.exec(name)?.[0] ?? '';
  let stem = name.slice(0, name.length - extension.length);
  while (Buffer.byteLength(stem) + extension.length > MAX_NAME_BYTES) stem = stem.slice(0, -1);
  // A cut through a surrogate pair leaves half a character, and Windows drops blanks and dots at the end: both go.
  return (stem.replace(/[\ud800-\udbff]$/, '') + extension).replace(/[. ]+$/, '');
}
