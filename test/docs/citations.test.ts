/** Comments and documents cite rules, sections, operations and files that exist. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOT } from '../harness/node-red';
import { RECEIVED_STATES, SENT_STATES } from '../../lib/message-states';
import { markdownFiles, textOf } from './markdown';

const ROOMS = ['lib', 'nodes', 'resources', 'test', 'scripts', 'bench'];
const SPECIFICATION = process.env['MESH_API_YAML'] ?? join(ROOT, '..', 'shared', 'reference', 'mesh-api.yaml');

/** A comment, as one line without its stars and slashes, and the file it is in. */
interface Comment {
  file: string;
  text: string;
}

/** Every source file of ours, as a path from the root with slashes. */
function sourceFiles(): string[] {
  return ROOMS.flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(?:ts|js|cjs|mjs|html|css|py)$/.test(entry.name))
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/')),
  );
}

/** The comments of a source; line comments that follow each other are one. */
function commentsOf(source: string): string[] {
  const found = source.matchAll(/\/\*[\s\S]*?\*\/|<!--[\s\S]*?-->|(?:(?:^|(?<=\s))\/\/[^\n]*(?:\n[ \t]*(?=\/\/))?)+/gm);
  return [...found].map(([comment]) =>
    comment
      .split('\n')
      .map((line) => line.replace(/^\s*(?:\/\*\*?|\*\/|\*|\/\/|<!--)?\s?/, '').replace(/\s*(?:\*\/|-->)\s*$/, ''))
      .join(' ')
      .replaceAll(/\s+/g, ' '),
  );
}

const comments: Comment[] = sourceFiles().flatMap((file) => commentsOf(textOf(file)).map((text) => ({ file, text })));
const headings = (text: string): string[] =>
  [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/^#{2,6} (.+)$/gm)].map(([, heading = '']) => heading);

const design = textOf('docs/design.md');
const rulesText = design.split(/^## /m).find((section) => section.startsWith('Rules\n')) ?? '';
const rules = [...rulesText.matchAll(/^(\d+)\. /gm)].map(([, number]) => Number(number));
const sections: Record<string, string[]> = { design: headings(design), mesh: headings(textOf('docs/mesh.md')) };

/** Citations of the design's rules and sections, or of the MESH page's, in a text that name none. */
function brokenSections(text: string): string[] {
  return [...text.matchAll(/\bdocs\/(design|mesh)\.md(?!#)(?=(.{0,80}))/g)].flatMap(([name, page = '', after = '']) => {
    const [, cited = ''] = /^(?:, |: )["“]?(.*)$/.exec(after) ?? [];
    const whole = name + after.slice(0, 30);
    const rule = /^rules? (\d+)(?: and (\d+))?/.exec(cited);
    if (page === 'design' && rule) {
      return rule.slice(1).some((number) => number !== undefined && !rules.includes(Number(number))) ? [whole] : [];
    }
    return sections[page]?.some((heading) => cited.startsWith(heading)) ? [] : [whole];
  });
}

/** The operations and chapters of the specification, as the MESH page lists them. */
const mesh = textOf('docs/mesh.md');
const sources = mesh.split(/^## /m).find((section) => section.startsWith('Sources\n')) ?? '';
const operations = [...sources.matchAll(/^\| `([a-z_]+)`/gm)].map(([, name = '']) => name);
const chapters = [...sources.replaceAll('\n', ' ').matchAll(/"([^"]+)"/g)].map(([, name = '']) => name);

/** What a text cites of the specification, to the end of the sentence or bracket, that the MESH page does not list. */
function brokenOperations(text: string): string[] {
  return [...text.matchAll(/\bmesh-api\.yaml\b([^.;()]*)/g)].flatMap(([, cited = '']) => {
    const quoted = [...cited.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name);
    const named = cited.match(/\b[a-z]+(?:_[a-z]+)+\b/g) ?? [];
    const isListed = (name: string): boolean => operations.includes(name) || name === 'workflow_filter';
    return quoted.filter((name) => !chapters.includes(name)).concat(named.filter((name) => !isListed(name)));
  });
}

/** What a text names in backticks or brackets like an operation of MESH (`send_message`), and is none. */
function unknownOperations(text: string): string[] {
  const like = /(?<=[`(])(?:acknowledge|head|list|retrieve|send|tracking|validate)_[a-z_]+(?=[`),])/g;
  return (text.match(like) ?? []).filter((name) => !operations.includes(name));
}

/** The paths of this repository that a text names: with an extension anywhere, a folder's in backticks. */
function pathsIn(text: string): string[] {
  const rooms = 'lib|nodes|resources|test|scripts|bench|docs|examples|icons';
  const files = new RegExp(`(?<![\\w/.@:-])(?:\\.{1,2}/)*((?:${rooms})/[\\w./-]+\\.[a-z]{2,4})\\b(?![*{<])`, 'g');
  const folders = new RegExp(`\`((?:${rooms})/[\\w/-]+)\``, 'g');
  return [...text.matchAll(files), ...text.matchAll(folders)].map(([, path = '']) => path);
}

const withFile = (file: string, found: readonly string[]): string[] => found.map((what) => `${file}: ${what}`);

describe('citations', () => {
  it('are found in comments of every form', () => {
    assert.ok(comments.length > 1000);
    assert.deepEqual(commentsOf('/** One\n * two. */\ncode();\n// three\n// four\nhttp://x'), [
      'One two.',
      'three four',
    ]);
    assert.deepEqual(
      rules,
      Array.from({ length: 16 }, (_, index) => index + 1),
    );
    assert.deepEqual(
      brokenSections('docs/design.md, rule 3; docs/mesh.md, Chunks; docs/design.md, rules 1 and 16'),
      [],
    );
    assert.equal(brokenSections('docs/design.md, rule 17; docs/mesh.md, Nowhere; docs/mesh.md 1.4').length, 3);
    assert.deepEqual(brokenOperations('(mesh-api.yaml, send_message and send_junk, "Error codes"; other_name)'), [
      'send_junk',
    ]);
    assert.deepEqual(pathsIn('lib/a.ts, `lib/b`, dist/lib/c.js, @x/nodes/core/d.js, (docs/e.md)'), [
      'lib/a.ts',
      'docs/e.md',
      'lib/b',
    ]);
  });

  it('of docs/design.md and docs/mesh.md name a rule or a section that they have', () =>
    assert.deepEqual(
      comments.flatMap(({ file, text }) => withFile(file, brokenSections(text))),
      [],
    ));

  it('name no document that is not in the repository', () => {
    const gone = /\b(?:DESIGN|DOMAIN|VOCABULARY|LETTERS|FILE-FLOWS)\.md\b/;
    const named = [...sourceFiles(), ...markdownFiles()].filter((file) => gone.test(textOf(file)));
    assert.deepEqual(
      named.filter((file) => file !== 'test/docs/citations.test.ts'),
      [],
    );
  });

  it('of the specification name operations and chapters that docs/mesh.md lists', () => {
    const texts = [...comments, ...markdownFiles().map((file) => ({ file, text: textOf(file) }))];
    assert.ok(operations.length >= 12);
    assert.deepEqual(
      texts.flatMap(({ file, text }) => withFile(file, brokenOperations(text))),
      [],
    );
  });

  it('of operations by name alone name one that docs/mesh.md lists', () =>
    assert.deepEqual(
      comments.flatMap(({ file, text }) => withFile(file, unknownOperations(text))),
      [],
    ));

  it('name files and folders that exist', () => {
    const texts = [...comments, ...markdownFiles().map((file) => ({ file, text: textOf(file) }))];
    assert.deepEqual(
      texts.flatMap(({ file, text }) =>
        withFile(
          file,
          pathsIn(text).filter((path) => !existsSync(join(ROOT, path)) && !existsSync(join(ROOT, `${path}.ts`))),
        ),
      ),
      [],
    );
  });
});

describe('docs/mesh.md', () => {
  it('lists operations and chapters that the specification has', function () {
    if (!existsSync(SPECIFICATION)) return this.skip();
    const specification = readFileSync(SPECIFICATION, 'utf8');
    const ids = [...specification.matchAll(/operationId: (\w+)/g)].map(([, id = '']) => id);
    const isThere = (name: string): boolean =>
      ids.some((id) => id === name || id.startsWith(`${name}_messageexchange`));
    assert.deepEqual(
      operations.filter((name) => !isThere(name)),
      [],
    );
    const lines = specification.matchAll(/^\s+(?:#{2,4} |- )([A-Z][\w ]+)$/gm);
    const known = new Set([...lines].map(([, name = '']) => name.trim()));
    assert.deepEqual(
      chapters.filter((name) => !known.has(name)),
      [],
    );
  });
});

describe('docs/glossary.md', () => {
  it('has each term once, in alphabetical order, with one meaning', () => {
    const rows = [...textOf('docs/glossary.md').matchAll(/^\| (?!term |-)([^|]+?) +\| ([^|]+?) +\|$/gm)];
    const terms = rows.map(([, term = '']) => term);
    assert.ok(terms.length > 80);
    assert.deepEqual(
      terms,
      [...new Set(terms)].sort((one, other) => one.localeCompare(other, 'en', { sensitivity: 'base' })),
    );
  });
});

describe('docs/design.md', () => {
  it('has a row for each state of a message, with the label that a person reads', () => {
    const table = (heading: string): string[][] => {
      const section = design.split(/^### /m).find((one) => one.startsWith(`${heading}\n`)) ?? '';
      return [...section.matchAll(/^\| `([\w-]+)` +\| ([^|]+?) +\|/gm)].map(([, name = '', label = '']) => [
        name,
        label,
      ]);
    };
    const labels = (states: Readonly<Record<string, { label: string }>>): string[][] =>
      Object.entries(states).map(([name, { label }]) => [name, label]);
    assert.deepEqual(table('A sent message'), labels(SENT_STATES));
    assert.deepEqual(table('A received message'), labels(RECEIVED_STATES));
  });
});
