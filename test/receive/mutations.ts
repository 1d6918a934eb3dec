/**
 * Removes each check against a hostile server, one at a time, and sees its test fail.
 * `npx tsx test/receive/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Taken extends Mutation {
  /** Words from the title of the test. */
  case: string;
  /** Default: test/receive/hostile.test.ts. */
  test?: string;
}

const CHUNK = 'lib/receive/download/incoming-chunk.ts';
const EXPAND = 'lib/payload/expand.ts';
const DOWNLOAD = 'lib/receive/download/download.ts';
const BODY = 'lib/client/download-body.ts';

const ANSWERS = 'test/client/hostile-responses.test.ts';
const TLS = 'test/client/tls.test.ts';
const BUDGET = 'test/receive/parked-budget.test.ts';
const TRANSPORT = 'lib/client/transport.ts';

const MUTATIONS: Taken[] = [
  {
    case: 'stops the inbox when it is used up',
    test: BUDGET,
    file: 'lib/receive/download/parked-budget.ts',
    check: 'bytes >= maxParkedBytes',
    without: 'bytes < 0',
  },
  {
    case: 'is at most half of what would be free',
    test: BUDGET,
    file: 'lib/receive/download/parked-budget.ts',
    check: ' * MAX_SHARE',
    without: '',
  },
  {
    case: 'lets it go on when a message is ended',
    test: BUDGET,
    file: 'lib/receive/download/parked-budget.ts',
    check: 'this.#isExhausted || this.#countedAt',
    without: 'this.#countedAt',
  },
  {
    case: 'counts what is parked while a list is being taken',
    test: BUDGET,
    file: 'lib/receive/incoming-rows.ts',
    check: 'if (parked) this.parkedCount += 1;',
    without: '',
  },
  {
    case: 'a chunked body that breaks off',
    file: TRANSPORT,
    check: 'this.#body?.fail(error);',
    without: 'this.#body?.end();',
  },
  { case: 'a plain body without a length', file: CHUNK, check: '  checkEnd(download);', without: '  void checkEnd;' },
  {
    case: 'a gzip that ends too early',
    file: EXPAND,
    check: ".once('error', (cause) =>",
    without:
      ".once('error', (cause) => { void cause; this.#ended = true; this.#wakeNow(); }) .once('never', (cause) =>",
  },
  {
    case: 'a gzip with a wrong checksum',
    file: EXPAND,
    check: ".once('error', (cause) =>",
    without:
      ".once('error', (cause) => { void cause; this.#ended = true; this.#wakeNow(); }) .once('never', (cause) =>",
  },
  {
    case: 'zeros after the gzip',
    file: EXPAND,
    check: 'this.#gunzip.bytesWritten >= this.#compressed - this.#ahead',
    without: 'this.#ahead >= 0',
  },
  {
    case: 'a wrong checksum in a gzip, and then nothing more',
    file: DOWNLOAD,
    check: '(error) => body.cancel(error)',
    without: '() => undefined',
  },
  {
    case: 'zeros after a gzip, and then nothing more',
    file: EXPAND,
    check: '    this.#ahead -= bytes;\n    this.#checkRead();',
    without: '    this.#ahead -= bytes;',
  },
  {
    case: 'a broken chunk is downloaded again at once, even while the next one hangs',
    file: DOWNLOAD,
    check: 'this.#dropAhead(chunk);',
    without: 'void chunk;',
  },
  {
    case: 'an unknown encoding',
    file: CHUNK,
    check: '  checkEncoding(download.message);',
    without: '  void checkEncoding;',
  },
  { case: 'chunk 1 again, as the last', file: CHUNK, check: 'range.chunk !== chunk', without: 'false' },
  {
    case: 'a total that becomes larger',
    file: CHUNK,
    check: 'totalBefore !== undefined && totalChunks !== totalBefore',
    without: 'totalBefore === 0',
  },
  {
    case: 'status 206 at the last chunk',
    file: CHUNK,
    check: 'status === 206 && chunk === totalChunks',
    without: 'status === 206 && chunk === 0',
  },
  {
    case: 'status 200 before an existing chunk',
    file: CHUNK,
    check: 'status === 200 && chunk < totalChunks',
    without: 'status === 200 && chunk < 0',
  },
  {
    case: 'a chunk range that cannot be read',
    file: CHUNK,
    check: "parseChunkRange(chunkRange ?? '');",
    without: "(parseChunkRange(chunkRange ?? '') ?? { chunk, totalChunks: chunk });",
  },
  {
    case: 'a Mex-Total-Chunks that differs from its range',
    file: CHUNK,
    check: 'declaredTotal !== undefined && declaredTotal.trim() !== String(totalChunks)',
    without: "declaredTotal === ''",
  },
  {
    case: 'a second chunk from another sender',
    file: CHUNK,
    check: '  if (first) checkSame(download.message, first);',
    without: '  void checkSame;',
  },
  {
    case: 'a second chunk that MESH does not have',
    file: DOWNLOAD,
    check: 'if (chunk > 1 && error instanceof NotFoundError)',
    without: 'if (chunk < 1 && error instanceof NotFoundError)',
  },
  {
    case: 'a REPORT where chunk 2 was requested',
    file: CHUNK,
    check: 'if (chunk > 1 || hasSink) throw',
    without: 'if (chunk < 1 && hasSink) throw',
  },
  { case: 'an MD5 that does not match', file: DOWNLOAD, check: '    this.#checkChecksum();\n', without: '' },
  {
    case: 'a payload larger than the limit is too large',
    file: DOWNLOAD,
    check: 'this.#bytes + bytes > maxExpandedBytes',
    without: 'this.#bytes + bytes < 0',
  },
  {
    case: 'a chunk that expands absurdly',
    file: DOWNLOAD,
    check: 'expanded > (this.#wireBytes + wireBytes) * maxExpansionRatio',
    without: 'expanded < 0',
  },
  {
    case: 'a payload may expand as far as maxExpansionRatio says',
    file: DOWNLOAD,
    check: 'if (maxExpansionRatio === 0) return;',
    without: '',
  },
  {
    case: 'a body shorter than its Content-Length',
    file: TRANSPORT,
    check: 'this.#body?.fail(error);',
    without: 'this.#body?.end();',
  },
  {
    case: 'garbage after the gzip, later',
    file: EXPAND,
    check: ".once('error', (cause) =>",
    without:
      ".once('error', (cause) => { void cause; this.#ended = true; this.#wakeNow(); }) .once('never', (cause) =>",
  },
  {
    // As if only the first member were read.
    case: 'several gzip members in a row',
    file: EXPAND,
    check: 'createGunzip({ chunkSize: PIECE_BYTES })',
    without:
      "(() => { const raw = require('node:zlib').createInflateRaw(); const write = raw.write.bind(raw); let head = 10; raw.write = (piece, done) => { const cut = Math.min(head, piece.length); head -= cut; return write(piece.subarray(cut), done); }; return raw; })()",
  },
  {
    case: 'a body that stalls',
    file: TRANSPORT,
    check: 'bodyTimeout: timeouts.bodyMs',
    without: 'bodyTimeout: 0',
    also: { file: BODY, check: 'else if (isTooSlow())', without: 'else if (ms < 0)' },
  },
  { case: 'a body that drips', file: BODY, check: 'else if (isTooSlow())', without: 'else if (ms < 0)' },
  {
    case: 'an endless body',
    file: DOWNLOAD,
    check: 'this.#bytes + bytes > maxExpandedBytes',
    without: 'this.#bytes + bytes < 0',
  },
  {
    case: 'a body that arrives faster than it is read',
    file: 'lib/client/incoming-body.ts',
    check: '      this.#connection.pause();',
    without: '',
  },
  {
    case: 'headers drip',
    test: ANSWERS,
    file: TRANSPORT,
    check: 'timeouts.headersMs',
    without: '0',
  },
  ...['endless headers (many)', 'endless headers (one)'].map((title) => ({
    case: title,
    test: ANSWERS,
    file: TRANSPORT,
    check: 'allowH2: false,',
    without: 'allowH2: false, maxHeaderSize: 1_000_000_000,',
  })),
  {
    case: '200 OK whose body drips',
    test: ANSWERS,
    file: 'lib/client/body.ts',
    check: 'after(ms, () => body.cancel(tooSlow()))',
    without: '(void after, void tooSlow, undefined)',
  },
  {
    case: '200 OK with an endless body',
    test: ANSWERS,
    file: 'lib/client/body.ts',
    check: 'if (bytes > MAX_JSON_BYTES) return { isEmpty: false, json: undefined };',
    without: '',
    // The time limit would end it as well.
    also: {
      file: 'lib/client/body.ts',
      check: 'after(ms, () => body.cancel(tooSlow()))',
      without: '(void after, void tooSlow, undefined)',
    },
  },
  {
    // As if it were expanded, as fetch does.
    case: 'that is a zip bomb',
    test: ANSWERS,
    file: 'lib/client/body.ts',
    check: 'all.push(...pieces);',
    without: 'all.push(...pieces.map((piece) => Buffer.alloc(piece.length * 1000, 1)));',
  },
  {
    case: 'that redirects is not followed',
    test: ANSWERS,
    file: TRANSPORT,
    check: 'new Agent({ ...common, connect: connectDirectly(connectOptions) })',
    without:
      "new Agent({ ...common, connect: connectDirectly(connectOptions) }).compose(require('undici').interceptors.redirect({ maxRedirections: 5 }))",
  },
  {
    case: 'about another message is refused',
    test: ANSWERS,
    file: 'lib/client/tracking.ts',
    check: 'tracking[field]?.toUpperCase() === requested.toUpperCase()',
    without: 'tracking[field] !== requested || field',
  },
  {
    case: 'about another message is refused',
    test: ANSWERS,
    file: 'lib/client/origin.ts',
    check: "ensure(typeof named === 'string' && isSame(named, messageId));",
    without: "ensure(typeof named === 'string');",
  },
  {
    case: 'a replayed response settles nothing',
    test: 'test/send/outbox-follow.test.ts',
    file: 'lib/send/follower.ts',
    check: 'if (found && isAnother(row, found)) found = undefined;',
    without: 'void isAnother;',
  },
  {
    case: 'within one call that is tried again',
    test: 'test/client/tokens.test.ts',
    file: 'lib/client/exchange.ts',
    check: 'Authorization: this.#tokens.take()',
    without: 'Authorization: ((this as never as { once?: string }).once ??= this.#tokens.take())',
  },
  {
    case: 'whose error code, event and id are huge',
    test: ANSWERS,
    file: 'lib/protocol/responses.ts',
    check: 'printable(value.slice(0, 100)) || undefined',
    without: 'value',
  },
  ...[
    'an unknown issuer',
    'another host name',
    'server certificate that has expired',
    'trusts the operating system',
  ].map((title) => ({
    case: title,
    test: TLS,
    file: TRANSPORT,
    check: 'rejectUnauthorized: true,',
    without: 'rejectUnauthorized: false,',
  })),
  {
    case: 'TLS 1.1 at most',
    test: TLS,
    file: TRANSPORT,
    check: "minVersion: 'TLSv1.2',",
    without: "minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0',",
  },
  {
    case: 'with a broken body is fetched twice in a poll',
    test: 'test/receive/hopeless.test.ts',
    file: 'lib/client/retry.ts',
    check: '  if (error instanceof DownloadError && attempt >= BROKEN_BODY_ATTEMPTS) return undefined;',
    without: '  void BROKEN_BODY_ATTEMPTS;',
  },
  {
    case: 'is tried after the new messages of a later poll',
    test: 'test/receive/hopeless.test.ts',
    file: 'lib/receive/receiving-line.ts',
    check: 'if (this.listed.comesLast(messageId)) last.push(messageId);',
    without: "if (messageId === '') last.push(messageId);",
  },
  ...['(a broken body) raises one error', '(a second chunk that is gone) raises', '(a status 500) raises'].map(
    (title) => ({
      case: title,
      test: 'test/receive/hopeless.test.ts',
      file: 'lib/receive/poll/listed-messages.ts',
      check: 'Math.min(LONGEST_POSTPONEMENT, 2 ** Math.max(0, failures - 1))',
      without: 'Math.min(LONGEST_POSTPONEMENT, 1 + 0 * failures)',
    }),
  ),
  {
    case: '(a second chunk that is gone) raises',
    test: 'test/receive/hopeless.test.ts',
    file: 'lib/receive/receiving-line.ts',
    check: 'problems.raise(`gone ${messageId}`, error, [consumer], messageId);',
    without: 'consumer.failed(error, messageId);',
  },
  {
    case: 'but gets a chunk further each time is not given up',
    test: 'test/receive/hopeless.test.ts',
    file: 'lib/receive/receiving-line.ts',
    check: 'chunks > message.chunks ? 1 : message.failures + 1',
    without: 'message.failures + 1',
  },
  {
    case: 'is acknowledged only after a line in the ledger',
    test: 'test/receive/offered-again.test.ts',
    file: 'lib/receive/receiving-line.ts',
    check: 'await this.#offeredAgain.acknowledge(messageId);',
    without: 'await this.#parts.acknowledger.acknowledgeNow(messageId);',
  },
  {
    case: 'stays unacknowledged if the line cannot be written',
    test: 'test/receive/offered-again.test.ts',
    file: 'lib/receive/poll/offered-again.ts',
    check: 'await rows.noteOfferedAgain(messageId, detail);',
    without: 'void rows.noteOfferedAgain(messageId, detail).catch(() => undefined);',
  },
  {
    case: 'with another mex-from is another message',
    test: 'test/receive/offered-again.test.ts',
    file: 'lib/receive/poll/offered-again.ts',
    check: 'return COMPARED.filter((name) => isDifferent(stored, offered, name));',
    without: 'return COMPARED.filter((name) => isDifferent(stored, offered, name) && false);',
  },
  {
    case: 'is replaced in every text of every error',
    test: 'test/client/unprintable.test.ts',
    file: 'lib/errors.ts',
    check: 'super(printable(message),',
    without: 'super(message,',
  },
  {
    case: 'is replaced in every text of every error',
    test: 'test/client/unprintable.test.ts',
    file: 'lib/errors.ts',
    check: "typeof value === 'string' ? printable(value) : value",
    without: 'value',
  },
  {
    case: 'makes a list with such an id not MESH’s',
    test: 'test/client/unprintable.test.ts',
    file: 'lib/protocol/responses.ts',
    check: 'id === printable(id)',
    without: "id !== ''",
  },
  {
    case: 'keeps control characters',
    test: TLS,
    file: 'lib/client/missing-issuer.ts',
    check: ".replace(/[^\\x20-\\x7e]/g, '?')",
    without: '',
    // Every error's text has a guard of its own.
    also: { file: 'lib/errors.ts', check: 'super(printable(message),', without: 'super(message,' },
  },
  {
    case: 'delivers a message that is leased or done again now',
    test: 'test/receive/durable-parked.test.ts',
    file: 'lib/receive/durable-inbox.ts',
    check: 'this.#leases.expire(messageId);',
    without: '',
  },
  {
    case: 'records the acknowledgement to MESH with the delivery',
    test: 'test/receive/durable-inbox.test.ts',
    file: 'lib/receive/incoming-rows.ts',
    check: '...(unrecorded && { acknowledgedAt: unrecorded.acknowledgedAt })',
    without: '',
  },
  {
    case: 'records the acknowledgement to MESH with the delivery; without one, in a moment, by itself',
    test: 'test/receive/durable-inbox.test.ts',
    file: 'lib/receive/incoming-rows.ts',
    check: 'if (!this.#isRecordingPlanned) after(RECORD_WITHIN_MS, () => this.#recordUndelivered());',
    without: '',
  },
  {
    case: 'lists what waits in the store once',
    test: 'test/receive/durable-inbox.test.ts',
    file: 'lib/receive/receiving-line.ts',
    check: 'if (row) lanes.stored(row);',
    without: '',
  },
  {
    case: 'is never the message’s fault: it is tried again',
    test: 'test/receive/hopeless.test.ts',
    file: 'lib/receive/inbox-rules.ts',
    check: 'if (isSystemError(error)) {',
    without: 'if (isSystemError(error) && messageId === undefined) {',
  },
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title, test = 'test/receive/hostile.test.ts' }) => mochaArgs(title, test, 8000),
);
