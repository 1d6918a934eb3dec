/** Writes the figures of a run between the markers of docs/performance.md. */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { replacePart } from '../../scripts/docs-part';
import type { Results } from '../parts';
import type { Settings } from '../settings';
import { svg } from './svg';
import { comparisonTable, otherFigures } from './table';

const DOCS = resolve(__dirname, '..', '..', 'docs');
const FILE = join(DOCS, 'performance.md');
const MARKERS = ['<!-- figures: begin, written by npm run bench -- --docs -->', '<!-- figures: end -->'] as const;

/** Replaces all that was there. */
export function writeDocs(results: Results, settings: Settings): void {
  const figures = [machine(settings), comparisonTable(results), otherFigures(results)].filter(Boolean).join('\n\n');
  replacePart(FILE, MARKERS, figures);
}

/** Draws docs/performance.svg. */
export function writePicture({ send, receive }: NonNullable<Results['plot']>): void {
  writeFileSync(join(DOCS, 'performance.svg'), svg(send, receive));
}

function machine({ rounds }: Settings): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const memory = Math.round(totalmem() / 1024 ** 3);
  const day = new Date().toISOString().slice(0, 10);
  return `${day}, Node.js ${process.version}, ${process.platform}, ${availableParallelism()} × ${model}, ${memory} GiB; ${rounds} rounds.`;
}
