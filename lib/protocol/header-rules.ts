/**
 * The values that MESH accepts in a message's headers. Limits are in characters as MESH counts them, one for each byte
 * (header-text.ts). Sources: mesh-api.yaml, send_message (limits); docs/mesh.md, Limits (control characters, URLs,
 * characters of a checksum).
 */
import { headerBytes } from './header-text';

/** The rule of one header. */
export interface HeaderRule {
  /** Spelt as in the specification; MESH ignores its case. */
  readonly header: string;
  readonly maxLength: number;
  /** The value must not begin with `http://` or `https://`. */
  readonly noUrl?: boolean;
  /** The allowed characters; all printable ones if missing. */
  readonly characters?: RegExp;
}

/** The rules, by this library's name for the field. */
export const HEADER_RULES = {
  to: { header: 'Mex-To', maxLength: 100, noUrl: true },
  workflowId: { header: 'Mex-WorkflowID', maxLength: 300, noUrl: true },
  subject: { header: 'Mex-Subject', maxLength: 500 },
  localId: { header: 'Mex-LocalID', maxLength: 300 },
  fileName: { header: 'Mex-FileName', maxLength: 300 },
  partnerId: { header: 'Mex-PartnerID', maxLength: 500 },
  checksum: { header: 'Mex-Content-Checksum', maxLength: 100, noUrl: true, characters: /^[A-Za-z0-9 :/-]*$/ },
  contentType: { header: 'Content-Type', maxLength: 100 },
  chunkRange: { header: 'Mex-Chunk-Range', maxLength: 20 },
} as const satisfies Record<string, HeaderRule>;

/** A field of a message that is sent as a header. */
export type HeaderField = keyof typeof HEADER_RULES;

/**
 * Returns what is wrong with a header's value, as the end of a sentence that begins with the header's name; undefined
 * if MESH accepts it. The value itself is never repeated: it may be patient data.
 */
export function headerProblem(rule: HeaderRule, value: string): string | undefined {
  const { length } = headerBytes(value);
  if (length > rule.maxLength) {
    const unit = length === value.length ? 'characters' : 'bytes in UTF-8';
    return `has ${length} ${unit}; MESH takes at most ${rule.maxLength}`;
  }
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  const control = /[\u0000-\u001f\u007f-\u009f]/.exec(value);
  if (control) {
    return `has a control character (${controlName(control[0])}) at position ${control.index + 1}; MESH refuses those`;
  }
  if (!value.isWellFormed()) {
    return `has half a character at position ${value.search(/\p{Cs}/u) + 1}; it cannot be sent`;
  }
  if (rule.noUrl && /^\s*https?:\/\//i.test(value)) return 'is a URL, which MESH refuses';
  if (rule.characters && !rule.characters.test(value)) {
    return 'has characters other than letters, digits, space, colon, hyphen and slash';
  }
  return undefined;
}

function controlName(character: string): string {
  if (character === '\r') return 'carriage return';
  if (character === '\n') return 'line feed';
  if (character === '\t') return 'tab';
  return `U+${character.charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()}`;
}
