/**
 * XML files of the MESH Client: a control file and its configuration. Their values are text between tags, without
 * attributes or namespaces. They are read leniently, in any encoding that a program on Windows writes.
 */
import { SaxesParser } from 'saxes';

/** Reports what such a file contains. Each function may throw what says what is wrong; so does `fail`. */
interface TextXmlHandlers {
  /** A start tag; `path` ends with it. */
  open?: (path: readonly string[]) => void;
  /** An end tag and the text before it, trimmed; `path` ends with it. */
  close: (path: readonly string[], text: string) => void;
  /** The file is no such XML. */
  fail: (reason: string) => never;
}

/** Reads the file once, in its order. */
export function readTextXml(bytes: Buffer, { open, close, fail }: TextXmlHandlers): void {
  const path: string[] = [];
  let text = '';
  const parser = new SaxesParser();
  parser.on('error', () => fail(`it is not well-formed XML (line ${parser.line})`));
  parser.on('doctype', () => fail('it has a document type declaration'));
  parser.on('opentag', ({ name }) => {
    path.push(name);
    open?.(path);
    text = '';
  });
  parser.on('text', (piece) => (text += piece));
  parser.on('cdata', (piece) => (text += piece));
  parser.on('closetag', () => {
    close(path, text.trim());
    path.pop();
    text = '';
  });
  parser.write(decode(bytes)).close();
}

/** Decodes UTF-16 by its byte order mark, otherwise UTF-8, otherwise windows-1252, which a PAS on Windows may write. */
function decode(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}
