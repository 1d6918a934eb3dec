/**
 * Each check of a download, and the hostile case that it finds: takes the check out, and sees that case fail.
 * `npx tsx test/receive/mutations.ts [words of a case]`; it changes files of lib while it runs, and puts them back.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface Mutation {
  /** Words of the title of the case. */
  case: string;
  /** Below lib. */
  file: string;
  /** The check, and what stands in its place. */
  check: string;
  without: string;
}

const CHUNK = 'receive/incoming-chunk.ts';
const EXPAND = 'payload/expand.ts';
const DOWNLOAD = 'receive/download.ts';
const TRANSPORT = 'client/transport.ts';

const MUTATIONS: Mutation[] = [
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
    case: 'a chunk that is found broken while the next one hangs',
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
  { case: 'chunk 1 once more, as the last', file: CHUNK, check: 'range.chunk !== chunk', without: 'false' },
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
    case: 'status 200 before a chunk that is there',
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
    case: 'another Mex-Total-Chunks than its range',
    file: CHUNK,
    check: 'said !== undefined && said.trim() !== String(totalChunks)',
    without: "said === ''",
  },
  {
    case: 'a second chunk of another sender',
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
    case: 'a REPORT where chunk 2 was asked for',
    file: CHUNK,
    check: 'if (chunk > 1 || hasSink) throw',
    without: 'if (chunk < 1 && hasSink) throw',
  },
  { case: 'an MD5 that is not', file: DOWNLOAD, check: '    this.#checkChecksum();\n', without: '' },
  {
    case: 'a payload larger than the limit is too large',
    file: DOWNLOAD,
    check: 'this.#bytes + bytes > maxExpandedBytes',
    without: 'this.#bytes + bytes < 0',
  },
  {
    case: 'a chunk that expands absurdly',
    file: DOWNLOAD,
    check: 'bytes > wireBytes * MAX_RATIO',
    without: 'bytes < 0',
  },
];

const ROOT = join(__dirname, '..', '..');

/** Whether the case fails without its check. */
function isFound({ case: title, file, check, without }: Mutation): boolean {
  const path = join(ROOT, 'lib', file);
  const before = readFileSync(path, 'utf8');
  if (!before.includes(check)) throw new Error(`lib/${file} has no such check: ${check}`);
  try {
    writeFileSync(path, before.replaceAll(check, without));
    const args = [
      require.resolve('mocha/bin/mocha.js'),
      '--timeout',
      '8000',
      '--exit',
      '-f',
      title,
      'test/receive/hostile.test.ts',
    ];
    return spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'ignore' }).status !== 0;
  } finally {
    writeFileSync(path, before);
  }
}

const wanted = process.argv.slice(2).join(' ');
for (const mutation of MUTATIONS.filter(({ case: title }) => title.includes(wanted))) {
  const found = isFound(mutation);
  if (!found) process.exitCode = 1;
  console.log(`${found ? 'found' : 'MISSED'}: ${mutation.case} (lib/${mutation.file})`);
}
