/** What the Markdown of this repository says about other files: its links, its headings and the tests that it cites. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ROOT } from '../harness/node-red';

const FOLDERS = ['', 'docs', 'examples', '.github'];

/** Every Markdown file that is ours, as a path from the root with slashes. */
export function markdownFiles(): string[] {
  return FOLDERS.flatMap((folder) => {
    const path = join(ROOT, folder);
    if (!existsSync(path)) return [];
    const names = readdirSync(path, { recursive: folder !== '', encoding: 'utf8' });
    return names.filter((name) => name.endsWith('.md')).map((name) => join(folder, name).replaceAll('\\', '/'));
  });
}

export function textOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** Without what is code: there, nothing is a link or a heading. */
function prose(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ' '));
}

/** The relative links of a text (pictures too), as they stand there. */
export function relativeLinks(text: string): string[] {
  return [...prose(text).matchAll(/\]\(([^)\s]+)(?:\s"[^"]*")?\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z][a-z+.-]*:/i.test(target));
}

/** What is wrong with a link of `file`; undefined where it leads somewhere. */
export function brokenLink(file: string, target: string): string | undefined {
  const [path = '', anchor] = target.split('#');
  const to = path === '' ? file : relative(ROOT, join(ROOT, dirname(file), decodeURI(path))).replaceAll('\\', '/');
  if (!existsSync(join(ROOT, to))) return `${file}: ${target}: no such file`;
  if (anchor === undefined || !to.endsWith('.md')) return undefined;
  return anchors(textOf(to)).includes(anchor) ? undefined : `${file}: ${target}: no such heading`;
}

/** The anchors that GitHub makes of headings. */
export function anchors(text: string): string[] {
  const seen = new Map<string, number>();
  const headings = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/^#{1,6}\s+(.*)$/gm)];
  return headings.map(([, heading = '']) => {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
}

/** A test that a text names: its file, and titles (or parts of them) in “quotation marks” behind it. */
export interface Citation {
  file: string;
  titles: string[];
}

/** In the form: `test/send/outbox-kill.test.ts` “a title”, “another title”. */
export function citations(text: string): Citation[] {
  const found = text.matchAll(/`(test\/[\w/.-]+\.ts)`((?:[,;]?\s*“[^”]+”)*)/g);
  return [...found].map(([, file = '', quoted = '']) => ({
    file,
    titles: [...quoted.matchAll(/“([^”]+)”/g)].map(([, title = '']) => title.replaceAll(/\s+/g, ' ')),
  }));
}

/** What does not exist of a citation. */
export function brokenCitation({ file, titles }: Citation): string[] {
  if (!existsSync(join(ROOT, file))) return [`${file}: no such file`];
  const known = titlesIn(textOf(file));
  return titles.filter((title) => !known.some((one) => one.includes(title))).map((title) => `${file}: “${title}”`);
}

/** The titles of a test file as its source has them, `${…}` and all. */
function titlesIn(source: string): string[] {
  const found = source.matchAll(/\b(?:it|describe)\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g);
  return [...found].map(([, , title = '']) => title.replaceAll(/\\(.)/g, '$1'));
}
