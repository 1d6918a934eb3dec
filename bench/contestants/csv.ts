/** One way with a delimited file, in a process of its own: csv-parse alone, or the library as mesh-csv uses it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parse } from 'csv-parse';
import type * as Library from '../../lib/index';
import { measured, serve, type Work } from '../harness/serve';
import { ROWS_OF_A_GROUP, SCHEMA } from '../csv-file';

// eslint-disable-next-line typescript/no-require-imports -- the built library, as users call it
const library = (): typeof Library => require(join(__dirname, '../../dist/lib/index.js')) as typeof Library;

/** Milliseconds between two looks at the event loop. */
const LOOK_MS = 5;

type Result = Work & { groups: number; longestMs: number; sha256?: string };

/** Does the work, and notes for how long a timer had to wait at most. */
async function watched(work: () => Promise<{ bytes: number; messages: number; groups: number }>): Promise<Result> {
  let last = performance.now();
  let longestMs = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    longestMs = Math.max(longestMs, now - last - LOOK_MS);
    last = now;
  }, LOOK_MS);
  try {
    const done = await measured(work);
    return { ...done, longestMs };
  } finally {
    clearInterval(timer);
  }
}

/** The file, and what the last check has found. */
interface Opened {
  source: Library.CsvSource;
  check?: Library.CsvCheck;
}
let opened: Opened;

serve({
  async open({ file }: { file: string }) {
    opened = { source: await library().payloadSource({ file }) };
  },
  alone: ({ file }: { file: string }): Promise<Result> =>
    watched(async () => {
      let rows = 0;
      const parser = parse({ columns: false });
      parser.on('data', () => {
        rows += 1;
      });
      await pipeline(createReadStream(file, { highWaterMark: 512 * 1024 }), parser);
      return { bytes: opened.source.size, messages: rows - 1, groups: 0 };
    }),
  /** Checks every rule of the schema, then takes all groups of rows. */
  checkAndSplit: (): Promise<Result> =>
    watched(async () => {
      const { checkCsv, readCsvSchema, splitCsv } = library();
      opened.check = await checkCsv(opened.source, readCsvSchema(SCHEMA));
      if (opened.check.findings.length > 0) throw new Error('the file of the bench has findings');
      let groups = 0;
      let bytes = 0;
      for await (const part of splitCsv(opened.source, opened.check, { rows: ROWS_OF_A_GROUP })) {
        for await (const piece of part.pieces()) bytes += piece.length;
        groups += 1;
      }
      return { bytes, messages: opened.check.rows, groups };
    }),
  /** Takes all groups of a checked file, and writes them into one file again. */
  join: ({ to }: { to: string }): Promise<Result> =>
    watched(async () => {
      const { readCsvRange, splitCsv } = library();
      const { source, check } = opened;
      if (!check) throw new Error('the file is not checked');
      const file = await open(to, 'w');
      let groups = 0;
      try {
        await file.write(await readCsvRange(source, 0, check.layout.headEnd));
        for await (const part of splitCsv(source, check, { rows: ROWS_OF_A_GROUP })) {
          for await (const piece of part.pieces()) await file.write(piece);
          groups += 1;
        }
        await file.write(await readCsvRange(source, check.layout.tailStart, source.size));
      } finally {
        await file.close();
      }
      return { bytes: source.size, messages: check.rows, groups };
    }),
  async digest({ file }: { file: string }) {
    const hash = createHash('sha256');
    for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
    return { sha256: hash.digest('hex') };
  },
});
