/**
 * The subset of HTTP/1.1 that the bench's clients use, directly on a TLS socket: node:http costs more for a small
 * request than the client under test, so the bench would measure the server. Bodies are counted and discarded.
 */
import type { TLSSocket } from 'node:tls';

/** The head of a request. */
export interface RequestHead {
  method: string;
  path: string;
  /** Returns the value of a header by its name in lower case. */
  header(name: string): string | undefined;
}

/** How the server handles one request. */
export interface Exchange {
  /** Called with each piece of the body. Without it the pieces are discarded. */
  piece?: (piece: Buffer) => void;
  /** Called when the request is complete. `bodyBytes` is the size on the wire, without framing. */
  respond: (bodyBytes: number) => ServerResponse;
}

/** The status line and headers with their line ends, but without Content-Length and the empty line; and the body. */
export interface ServerResponse {
  head: string;
  body: Buffer;
}

/** States of `chunkLeft`, which otherwise counts the bytes left in the current chunk of a chunked body. */
const SIZE_LINE = -1;
const TRAILER = -2;
const PIECE = 256 * 1024;
const NOTHING = Buffer.alloc(0);

const patterns = new Map<string, RegExp>();

/** Returns the pattern of a header, compiled once: the server must cost as little as possible. */
function patternOf(name: string): RegExp {
  const pattern = patterns.get(name) ?? new RegExp(`\r\n${name}: *([^\r]*)`, 'i');
  patterns.set(name, pattern);
  return pattern;
}

/** Serves one connection until it ends. */
export function serveConnection(socket: TLSSocket, begin: (head: RequestHead) => Exchange): void {
  let unparsed: Buffer = NOTHING;
  let exchange: Exchange | undefined;
  let left = 0;
  let isChunked = false;
  let chunkLeft = SIZE_LINE;
  let bytes = 0;
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (piece: Buffer) => {
    let rest = unparsed.length > 0 ? Buffer.concat([unparsed, piece]) : piece;
    unparsed = NOTHING;
    while (rest.length > 0) {
      const before = rest;
      rest = exchange ? body(rest) : head(rest);
      if (rest !== before) continue;
      // The head or the size line is incomplete.
      unparsed = rest;
      return;
    }
  });

  function head(rest: Buffer): Buffer {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return rest;
    const text = rest.toString('latin1', 0, end + 2);
    const [method = '', path = ''] = text.slice(0, text.indexOf('\r\n')).split(' ');
    const header = (name: string): string | undefined => patternOf(name).exec(text)?.[1];
    exchange = begin({ method, path, header });
    bytes = 0;
    left = Number(header('content-length') ?? 0);
    isChunked = header('transfer-encoding') === 'chunked';
    chunkLeft = SIZE_LINE;
    if (left === 0 && !isChunked) finish();
    return rest.subarray(end + 4);
  }

  function body(rest: Buffer): Buffer {
    if (isChunked) return chunked(rest);
    const data = rest.length > left ? rest.subarray(0, left) : rest;
    take(data);
    left -= data.length;
    if (left === 0) finish();
    return rest.subarray(data.length);
  }

  function chunked(rest: Buffer): Buffer {
    if (chunkLeft > 0) {
      // The data and the line end after it: the last two bytes of a chunk are not data.
      const data = rest.subarray(0, chunkLeft);
      take(data.subarray(0, Math.min(data.length, Math.max(0, chunkLeft - 2))));
      chunkLeft -= data.length;
      if (chunkLeft === 0) chunkLeft = SIZE_LINE;
      return rest.subarray(data.length);
    }
    const end = rest.indexOf('\r\n');
    if (end < 0) return rest;
    if (chunkLeft === TRAILER) {
      if (end === 0) finish();
    } else {
      const size = Number.parseInt(rest.toString('latin1', 0, end), 16);
      chunkLeft = size === 0 ? TRAILER : size + 2;
    }
    return rest.subarray(end + 2);
  }

  function take(piece: Buffer): void {
    bytes += piece.length;
    exchange?.piece?.(piece);
  }

  function finish(): void {
    const response = exchange?.respond(bytes);
    exchange = undefined;
    if (response) void write(socket, response);
  }
}

async function write(socket: TLSSocket, { head, body }: ServerResponse): Promise<void> {
  const start = Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`, 'latin1');
  if (body.length <= PIECE) {
    socket.write(body.length > 0 ? Buffer.concat([start, body]) : start);
    return;
  }
  socket.write(start);
  for (let at = 0; at < body.length && !socket.destroyed; at += PIECE) {
    if (socket.write(body.subarray(at, at + PIECE))) continue;
    // events.once would wait for ever: a connection that breaks here never drains.
    await new Promise<void>((resolve) => {
      const go = (): void => {
        socket.off('drain', go).off('close', go);
        resolve();
      };
      socket.once('drain', go).once('close', go);
    });
  }
}
