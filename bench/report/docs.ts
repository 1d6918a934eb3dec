/**
 * Recorded figures: bench/recorded.json has what each part came to when it was last run with `--docs`, and
 * docs/performance.md the same for people. The contestants of a part always ran side by side; the parts need not have.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { replacePart } from '../../test/harness/docs-part';
import type { PartName, Results } from '../parts';
import type { Settings } from '../settings';
import { svg } from './svg';
import { comparisonTable, otherFigures } from './table';

const DOCS = resolve(__dirname, '..', '..', 'docs');
const RECORDED = resolve(__dirname, '..', 'recorded.json');
const FILE = join(DOCS, 'performance.md');
const MARKERS = ['<!-- figures: begin, written by npm run bench -- --docs -->', '<!-- figures: end -->'] as const;

/** By part: where and when it was run, and what it came to. */
type Recorded = { [Name in PartName]?: { run: string; result: NonNullable<Results[Name]> } };

/** Records one part in place of what was recorded of it, and writes the document anew. */
export function record<Name extends PartName>(name: Name, result: Results[Name], settings: Settings): void {
  const recorded = JSON.parse(readFileSync(RECORDED, 'utf8')) as Recorded;
  Object.assign(recorded, { [name]: { run: machine(settings), result } });
  writeFileSync(RECORDED, `${JSON.stringify(recorded, null, 1)}\n`);
  writeDocs(recorded);
}

function writeDocs(recorded: Recorded): void {
  const results = Object.fromEntries(Object.entries(recorded).map(([name, { result }]) => [name, result])) as Results;
  const runs = new Map<string, string[]>();
  for (const [name, { run }] of Object.entries(recorded)) runs.set(run, [...(runs.get(run) ?? []), `\`${name}\``]);
  const where = [...runs].map(([run, names]) => `- ${run}: ${names.join(', ')}.`).join('\n');
  replacePart(FILE, MARKERS, [where, comparisonTable(results), otherFigures(results)].filter(Boolean).join('\n\n'));
}

/** Draws docs/performance.svg. */
export function writePicture({ send, receive }: NonNullable<Results['plot']>): void {
  writeFileSync(join(DOCS, 'performance.svg'), svg(send, receive));
}

function machine({ rounds }: Settings): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const memory = Math.round(totalmem() / 1024 ** 3);
  const day = new Date().toISOString().slice(0, 10);
  return `${day}, Node.js ${process.version}, ${process.platform}, ${availableParallelism()} × ${model}, ${memory} GiB; ${rounds} rounds`;
}
