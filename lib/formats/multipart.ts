/**
 * Reads multipart/form-data (RFC 7578) piece by piece, as browsers and HTTP clients write it. A parser of our own:
 * busboy and @fastify/busboy leave out parts that they do not understand, and say nothing of it.
 */
import { UnreadableError } from '../errors';

/** What a part's own headers say. */
export interface PartHeaders {
  /** The name of the field. */
  name: string;
  /** As the sender gave it: hostile, and never a path. */
  fileName?: string;
  contentType?: string;
  /** Only if it is not the bytes themselves: `base64` or `quoted-printable`, which is not decoded. */
  transferEncoding?: string;
}

/** What the parser found: a part begins, some of its bytes, or its end. */
export type MultipartEvent =
  { kind: 'begin'; headers: PartHeaders } | { kind: 'bytes'; bytes: Buffer } | { kind: 'end' };

/** More parts than any form has. */
const MAX_PARTS = 1000;
/** The headers of one part (bytes). */
const MAX_HEADER_BYTES = 16 * 1024;

/**
 * Returns the boundary that a content type names; undefined if it is not multipart/form-data.
 * @throws UnreadableError when it is, and has no valid boundary (RFC 2046, 5.1.1: 1 to 70 characters)
 */
export function boundaryOf(contentType: string | undefined): string | undefined {
  if (!/^\s*multipart\/form-data\s*(?:;|$)/i.test(contentType ?? '')) return undefined;
  const boundary = parametersOf(contentType ?? '').get('boundary') ?? '';
  if (/^[\x20-\x7e]{0,69}[\x21-\x7e]$/.test(boundary)) return boundary;
  throw unreadable('its content type names no boundary');
}

/** Reads one payload: its pieces go to `read`, in order, then `finish` is called. */
export class MultipartParser {
  /** The boundary with the line end before it, which belongs to it. Known once the first one was found. */
  #delimiter: Buffer;
  #lineEnd = '\r\n';
  readonly #boundary: string;
  /** Bytes that were not handled yet. */
  #rest: Buffer = Buffer.alloc(0);
  #state: 'preamble' | 'after-boundary' | 'headers' | 'body' | 'epilogue' = 'preamble';
  #parts = 0;

  /** @param boundary from {@link boundaryOf} */
  constructor(boundary: string) {
    this.#boundary = boundary;
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  }

  /**
   * Yields what the next piece completes. Bytes of a part are views of the pieces.
   * @throws UnreadableError when the payload is malformed, or has too many parts
   */
  *read(piece: Buffer): Generator<MultipartEvent> {
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    for (let isMore = true; isMore;) {
      if (this.#state === 'preamble') isMore = this.#readPreamble();
      else if (this.#state === 'after-boundary') isMore = this.#readBoundaryEnd();
      else if (this.#state === 'headers') isMore = yield* this.#readHeaders();
      else if (this.#state === 'body') isMore = yield* this.#readBody();
      else isMore = false;
    }
    // What follows the last boundary means nothing (RFC 2046).
    if (this.#state === 'epilogue') this.#rest = Buffer.alloc(0);
  }

  /** @throws UnreadableError when the last boundary is missing, or there is no part */
  finish(): void {
    if (this.#state === 'preamble') throw unreadable('the boundary of its content type is not in it');
    // A sender may leave out the line end after the last boundary, but not its hyphens.
    if (this.#state !== 'epilogue') throw unreadable('it ends before its last boundary');
    if (this.#parts === 0) throw unreadable('it has no parts');
  }

  /** The first boundary begins the payload or follows a line end. Its own line end decides what ends all lines. */
  #readPreamble(): boolean {
    const start = Buffer.from(`--${this.#boundary}`, 'latin1');
    for (let at = this.#rest.indexOf(start); at >= 0; at = this.#rest.indexOf(start, at + 1)) {
      const isAtLineStart = at === 0 || this.#rest[at - 1] === LF;
      if (!isAtLineStart) continue;
      const after = this.#after(at + start.length);
      if (isUndecided(after)) return false;
      const found = /^(?:--|[ \t]*(\r?\n))/.exec(after);
      if (found === null) continue;
      this.#lineEnd = found[1] ?? '\r\n';
      this.#delimiter = Buffer.from(`${this.#lineEnd}--${this.#boundary}`, 'latin1');
      this.#take(at + start.length);
      this.#state = 'after-boundary';
      return true;
    }
    // Something before the first boundary is allowed, and left out; a payload of something else is not searched for ever.
    if (this.#rest.length > MAX_HEADER_BYTES) throw unreadable('the boundary of its content type is not in it');
    return false;
  }

  /** After a boundary come two hyphens, or the end of its line; spaces before that mean nothing. */
  #readBoundaryEnd(): boolean {
    const text = this.#after(0);
    if (text.startsWith('--')) {
      this.#state = 'epilogue';
      return true;
    }
    const [padding] = /^[ \t]*/.exec(text) ?? [''];
    if (text.length < padding.length + this.#lineEnd.length) return false;
    this.#take(padding.length + this.#lineEnd.length);
    this.#parts += 1;
    if (this.#parts > MAX_PARTS) throw unreadable(`it has more than ${MAX_PARTS} parts`);
    this.#state = 'headers';
    return true;
  }

  *#readHeaders(): Generator<MultipartEvent, boolean> {
    const end = this.#lineEnd;
    // A part without headers begins with the empty line.
    const length = this.#rest.indexOf(end) === 0 ? 0 : this.#rest.indexOf(end + end);
    if (length > MAX_HEADER_BYTES || (length < 0 && this.#rest.length > MAX_HEADER_BYTES)) {
      throw unreadable(`the headers of part ${this.#parts} are longer than ${MAX_HEADER_BYTES} bytes, or have no end`);
    }
    if (length < 0) return false;
    const headers = partHeaders(decoded(this.#rest.subarray(0, length)), this.#parts);
    // The line end after the headers stays: it may begin the next boundary, of a part without bytes.
    this.#take(length === 0 ? 0 : length + end.length);
    this.#state = 'body';
    this.#isBodyStart = true;
    yield { kind: 'begin', headers };
    return true;
  }

  /** The line end before the body is still to come. */
  #isBodyStart = false;

  *#readBody(): Generator<MultipartEvent, boolean> {
    let from = 0;
    for (let at = this.#rest.indexOf(this.#delimiter); at >= 0; at = this.#rest.indexOf(this.#delimiter, from)) {
      const after = this.#after(at + this.#delimiter.length);
      if (isUndecided(after)) {
        yield* this.#bytesUpTo(at);
        return false;
      }
      from = at + 1;
      // Without either it is the beginning of a longer line.
      if (!after.startsWith('--') && !after.replace(/^[ \t]+/, '').startsWith(this.#lineEnd)) continue;
      yield* this.#bytesUpTo(at);
      this.#take(this.#delimiter.length);
      this.#state = 'after-boundary';
      yield { kind: 'end' };
      return true;
    }
    // A boundary may have begun in the last bytes.
    yield* this.#bytesUpTo(Math.max(0, this.#rest.length - this.#delimiter.length));
    return false;
  }

  /** Yields the bytes of the body before `end`, without the line end that separates it from the headers. */
  *#bytesUpTo(end: number): Generator<MultipartEvent> {
    const skipped = this.#isBodyStart ? this.#lineEnd.length : 0;
    if (end < skipped) {
      // The boundary follows the headers at once: their line end is its own.
      return;
    }
    const bytes = this.#rest.subarray(skipped, end);
    this.#isBodyStart = false;
    this.#take(end);
    if (bytes.length > 0) yield { kind: 'bytes', bytes };
  }

  /** What may follow a boundary: two hyphens, or spaces and a line end. */
  #after(place: number): string {
    return this.#rest.toString('latin1', place, place + MAX_PADDING);
  }

  #take(length: number): void {
    this.#rest = this.#rest.subarray(length);
  }
}

const LF = 0x0a;
/** Spaces after a boundary (bytes). */
const MAX_PADDING = 1000;

/** Returns whether only more bytes can tell what follows a boundary. */
function isUndecided(after: string): boolean {
  return after.length < MAX_PADDING && /^(?:-?|[ \t]*\r?)$/.test(after);
}

/** Browsers write headers in UTF-8; where the bytes are none, they are Latin-1. */
function decoded(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}

/** Reads the headers of part `number`. */
function partHeaders(text: string, number: number): PartHeaders {
  const found = new Map<string, string>();
  for (const line of text.replaceAll(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    if (line === '') continue;
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+)[ \t]*:[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined) throw unreadable(`a header of part ${number} has no name`);
    found.set(name.toLowerCase(), value ?? '');
  }
  const disposition = found.get('content-disposition') ?? '';
  const parameters = parametersOf(disposition);
  const name = /^form-data\s*;/i.test(disposition) ? parameters.get('name') : undefined;
  if (name === undefined) throw unreadable(`part ${number} has no name (Content-Disposition: form-data; name=…)`);
  const fileName = extended(parameters.get('filename*')) ?? parameters.get('filename');
  const contentType = found.get('content-type');
  const encoding = found.get('content-transfer-encoding')?.toLowerCase() ?? '';
  return {
    name,
    ...(fileName !== undefined && { fileName }),
    ...(contentType !== undefined && { contentType }),
    ...(!['', '7bit', '8bit', 'binary'].includes(encoding) && { transferEncoding: encoding }),
  };
}

/**
 * Returns the parameters of a header's value by their names in lower case, the first of each. Browsers write a quote
 * in one as `%22`, others as `\"`; careless ones write spaces without quotes.
 */
function parametersOf(value: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name = '', quoted, plain = ''] of value.matchAll(PARAMETER)) {
    const text = quoted === undefined ? plain.trim() : quoted.replaceAll('\\"', '"').replaceAll('%22', '"');
    if (!found.has(name.toLowerCase())) found.set(name.toLowerCase(), text);
  }
  return found;
}

const PARAMETER = /;\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))/g;

/** Decodes `filename*` (RFC 5987), which some senders write beside the plain one. */
function extended(value: string | undefined): string | undefined {
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(value ?? '')?.[1];
  try {
    return encoded === undefined ? undefined : decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

function unreadable(why: string): UnreadableError {
  return new UnreadableError(`The payload is not multipart/form-data as its content type says: ${why}.`, {
    advice: 'Switch the unwrapping off for this workflow, or ask the sender; the message is kept whole.',
  });
}
