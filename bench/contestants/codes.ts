/** A table of codes looked up, or a bare Map with the same codes, in a process of its own. */
import { equal } from 'node:assert/strict';
import { join } from 'node:path';
import type * as Library from '../../lib/index';
import { measured, serve, type Work } from '../harness/serve';

// eslint-disable-next-line typescript/no-require-imports -- the built library, as users call it
const library = (): typeof Library => require(join(__dirname, '../../dist/lib/index.js')) as typeof Library;

const SYSTEM = 'urn:laboratory';
/** A prime: the codes are looked up in an order that the table does not have. */
const STEP = 7919;

const codeOf = (row: number): string => `LAB-${row}`;
let codes: string[] = [];
let look: (code: string) => unknown;

/** The memory of what lives, in MiB. */
function liveMiB(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().heapUsed / 1024 / 1024;
}

serve({
  /** Reads a table of so many rows. Resolves with the milliseconds that takes, and the memory of the table. */
  async table({ rows }: { rows: number }) {
    const lines = Array.from({ length: rows }, (_, row) => `${SYSTEM},${codeOf(row)},T${row},Result number ${row}\n`);
    const csv = Buffer.from(`sourceSystem,source,target,display\n${lines.join('')}`);
    lines.length = 0;
    const before = liveMiB();
    const began = performance.now();
    const { table } = await library().readCodes(await library().payloadSource(csv), { name: 'bench' });
    const readMs = performance.now() - began;
    if (!table) throw new Error('the table of the bench has errors');
    look = (code) => table.look(SYSTEM, code);
    return { readMs, tableMiB: liveMiB() - before };
  },
  map({ rows }: { rows: number }) {
    const map = new Map(Array.from({ length: rows }, (_, row) => [codeOf(row), { code: `T${row}` }]));
    look = (code) => map.get(code);
  },
  /** Makes the codes to look up: texts of their own, as a message has them. */
  codes({ rows }: { rows: number }) {
    codes = Array.from({ length: rows }, (_, index) => Buffer.from(codeOf((index * STEP) % rows)).toString());
  },
  looks: (): Promise<Work> =>
    measured(async () => {
      let found = 0;
      for (const code of codes) if (look(code) !== undefined) found += 1;
      equal(found, codes.length);
      return Promise.resolve({ bytes: 0, messages: codes.length });
    }),
});
