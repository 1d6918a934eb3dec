/** Writes generated parts of documents: the text between two markers, and Markdown tables as prettier formats them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

/**
 * Replaces the text between the markers of a file.
 * @throws Error when the file does not have both markers
 */
export function replacePart(file: string, [begin, end]: readonly [begin: string, end: string], content: string): void {
  const text = readFileSync(file, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/${basename(file)} does not have its markers`);
  writeFileSync(file, `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`);
}

/** Returns a Markdown table. The first line is its head. */
export function markdownTable(lines: readonly string[][]): string {
  const [head = [], ...rest] = lines;
  const widths = head.map((_, i) => Math.max(3, ...lines.map((line) => line[i]?.length ?? 0)));
  const text = (line: readonly string[]): string =>
    `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [text(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rest.map(text)].join('\n');
}
