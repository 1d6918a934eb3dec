/**
 * As much HTTP/1.1 as the bench's clients speak, straight on a TLS socket: node:http costs more for a small request than
 * the client under test, and then the server is what is measured. Bodies are counted down and thrown away.
 */
import type { TLSSocket } from 'node:tls';

/** The head of a request. */
export interface RequestHead {
  method: string;
  path: string;
  /** A header's value by its name in lower case. */
  header(name: string): string | undefined;
}

/** What becomes of one request. */
export interface Exchange {
  /** Given each piece of the body. Without it they are thrown away. */
  piece?: (piece: Buffer) => void;
  /** The whole request is there. `bodyBytes` as they were on the wire, without the framing. */
  answer: (bodyBytes: number) => Answer;
}

/** Status line and headers, each with its line end, without Content-Length and the empty line; and the body. */
export interface Answer {
  head: string;
  body: Buffer;
}

/** Where in a body of unknown length we are: how many bytes of this chunk are left, or that a size line is next. */
const SIZE_LINE = -1;
const TRAILER = -2;
const PIECE = 256 * 1024;
const NOTHING = Buffer.alloc(0);

const patterns = new Map<string, RegExp>();

/** Of a header in a head, made once: the server has to cost as little as it can. */
function patternOf(name: string): RegExp {
  const pattern = patterns.get(name) ?? new RegExp(`\r\n${name}: *([^\r]*)`, 'i');
  patterns.set(name, pattern);
  return pattern;
}

/** Serves one connection until it ends. */
export function serveConnection(socket: TLSSocket, begin: (head: RequestHead) => Exchange): void {
  let held: Buffer = NOTHING;
  let exchange: Exchange | undefined;
  let left = 0;
  let isChunked = false;
  let chunkLeft = SIZE_LINE;
  let bytes = 0;
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (piece: Buffer) => {
    let rest = held.length > 0 ? Buffer.concat([held, piece]) : piece;
    held = NOTHING;
    while (rest.length > 0) {
      const before = rest;
      rest = exchange ? body(rest) : head(rest);
      if (rest !== before) continue;
      // A head or a size line that is not whole yet.
      held = rest;
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
    const mine = rest.length > left ? rest.subarray(0, left) : rest;
    take(mine);
    left -= mine.length;
    if (left === 0) finish();
    return rest.subarray(mine.length);
  }

  function chunked(rest: Buffer): Buffer {
    if (chunkLeft > 0) {
      // The data and the line end behind it; the last two bytes of what is left are no data.
      const mine = rest.subarray(0, chunkLeft);
      take(mine.subarray(0, Math.min(mine.length, Math.max(0, chunkLeft - 2))));
      chunkLeft -= mine.length;
      if (chunkLeft === 0) chunkLeft = SIZE_LINE;
      return rest.subarray(mine.length);
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
    const answer = exchange?.answer(bytes);
    exchange = undefined;
    if (answer) void write(socket, answer);
  }
}

async function write(socket: TLSSocket, { head, body }: Answer): Promise<void> {
  const start = Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`, 'latin1');
  if (body.length <= PIECE) {
    socket.write(body.length > 0 ? Buffer.concat([start, body]) : start);
    return;
  }
  socket.write(start);
  for (let at = 0; at < body.length && !socket.destroyed; at += PIECE) {
    if (socket.write(body.subarray(at, at + PIECE))) continue;
    // No events.once: a connection that breaks here never drains.
    await new Promise<void>((resolve) => {
      const go = (): void => {
        socket.off('drain', go).off('close', go);
        resolve();
      };
      socket.once('drain', go).once('close', go);
    });
  }
}
