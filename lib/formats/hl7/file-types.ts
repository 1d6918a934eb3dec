/** The kinds of files in ED values, by their subtype or by the end of a file's name. */

// cspell:ignore msword openxmlformats officedocument wordprocessingml
const FILE_TYPES: Readonly<Record<string, string>> = {
  PDF: 'application/pdf',
  RTF: 'application/rtf',
  HTML: 'text/html',
  DOC: 'application/msword',
  DOCX: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  TXT: 'text/plain',
  PLAIN: 'text/plain',
  XML: 'application/xml',
  JPG: 'image/jpeg',
  JPEG: 'image/jpeg',
  PNG: 'image/png',
  TIF: 'image/tiff',
  TIFF: 'image/tiff',
};

/** Returns the media type of a subtype in capitals: a kind of file, or a media type; undefined for an unknown one. */
export const mediaTypeOf = (kind: string): string | undefined =>
  FILE_TYPES[kind] ?? (/^[A-Z]+\/[A-Z0-9.+-]+$/.test(kind) ? kind.toLowerCase() : undefined);

/** Returns the media type of a file by the end of its name; undefined for an unknown one. */
export const fileTypeOf = (name: string): string | undefined =>
  FILE_TYPES[name.slice(name.lastIndexOf('.') + 1).toUpperCase()];
