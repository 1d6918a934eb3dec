/**
 * Recorded figures: bench/recorded.json has the result of each part's last run with `--docs`; docs/performance.md shows
 * the same as tables. The contestants of a part always ran in turn in one run; the parts may come from different runs.
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

/** For each part: where and when it was run, and its result. */
type Recorded = { [Name in PartName]?: { run: string; result: NonNullable<Results[Name]> } };

/** Replaces the recorded result of one part, and rewrites the document. */
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
