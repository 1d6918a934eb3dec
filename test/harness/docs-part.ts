/** What runs write into documents: a part between two markers, and Markdown tables as prettier would have them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

/** Replaces all that stands between the markers of a file. Throws where it has lost them. */
export function replacePart(file: string, [begin, end]: readonly [begin: string, end: string], content: string): void {
  const text = readFileSync(file, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/${basename(file)} has lost its markers`);
  writeFileSync(file, `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`);
}

/** The first line is the head. */
export function markdownTable(lines: readonly string[][]): string {
  const [head = [], ...rest] = lines;
  const widths = head.map((_, i) => Math.max(3, ...lines.map((line) => line[i]?.length ?? 0)));
  const text = (line: readonly string[]): string =>
    `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [text(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rest.map(text)].join('\n');
}
