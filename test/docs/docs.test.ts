/** What the documents say of files and tests is there. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../harness/node-red';
import { anchors, brokenCitation, brokenLink, citations, markdownFiles, relativeLinks, textOf } from './markdown';

/** Links to what is still to be made. An entry that has become true fails the test: take it out then. */
const NOT_YET = new Set<string>();

const links = markdownFiles().flatMap((file) => relativeLinks(textOf(file)).map((target) => ({ file, target })));

describe('documents', () => {
  it('are found, with their links, headings and cited tests', () => {
    assert.ok(markdownFiles().includes('README.md'));
    assert.ok(markdownFiles().includes('docs/safety/hazard-log.md'));
    assert.ok(links.length > 50);
    assert.deepEqual(anchors('# A `b`: C, D’s\n```\n# none\n```\n## A b c ds'), ['a-b-c-ds', 'a-b-c-ds-1']);
    assert.match(brokenLink('README.md', 'docs/none.md') ?? '', /no such file/);
    assert.match(brokenLink('README.md', 'CONTRIBUTING.md#none') ?? '', /no such heading/);
    const cited = citations('`test/docs/docs.test.ts` “documents”, “no such\ntitle”; `test/none.test.ts`');
    assert.deepEqual(cited.flatMap(brokenCitation), [
      'test/docs/docs.test.ts: “no such title”',
      'test/none.test.ts: no such file',
    ]);
  });

  it('link to what is there', () => {
    const isExpected = ({ file, target }: { file: string; target: string }): boolean =>
      NOT_YET.has(`${file}: ${target}`);
    assert.deepEqual(
      links.flatMap((link) => (isExpected(link) ? [] : (brokenLink(link.file, link.target) ?? []))),
      [],
    );
  });

  it('link to nothing on the list of what is still to be made that has been made', () => {
    const made = links.filter(
      ({ file, target }) => NOT_YET.has(`${file}: ${target}`) && brokenLink(file, target) === undefined,
    );
    assert.deepEqual(made, []);
  });

  it('cite tests that are there, by titles that they have', () => {
    const all = markdownFiles().flatMap((file) =>
      citations(textOf(file)).flatMap((one) => brokenCitation(one).map((what) => `${file}: ${what}`)),
    );
    assert.deepEqual(all, []);
  });

  it('name files of lib and nodes that are there', () => {
    const named = markdownFiles().flatMap((file) =>
      [...textOf(file).matchAll(/`((?:lib|nodes|scripts)\/[\w/.-]+\.(?:ts|html|json))`/g)].map(([, path = '']) => ({
        file,
        path,
      })),
    );
    assert.ok(named.length > 10);
    assert.deepEqual(
      named.filter(({ path }) => !existsSync(join(ROOT, path))),
      [],
    );
  });
});

describe('the hazard log', () => {
  const sections = textOf('docs/safety/hazard-log.md')
    .split(/^(?=### H\d+ )/m)
    .slice(1);

  it('has a test, a residual risk and something to do for the organisation with each hazard', () => {
    assert.ok(sections.length >= 12);
    for (const section of sections) {
      const [title = ''] = section.split('\n');
      assert.ok(
        citations(section).some(({ titles }) => titles.length > 0),
        `${title}: no test`,
      );
      for (const row of ['Causes', 'Effect', 'Controls', 'Shown by', 'Residual', 'To do']) {
        assert.match(section, new RegExp(`^\\*\\*${row}\\.\\*\\* \\S`, 'm'), `${title}: ${row}`);
      }
      assert.match(section, /\| initial +\| .*\n\| residual +\| /, `${title}: the scores to be filled in`);
    }
  });

  it('numbers its hazards from 1', () =>
    assert.deepEqual(
      sections.map((section) => /^### H(\d+) /.exec(section)?.[1]),
      sections.map((_, index) => String(index + 1)),
    ));
});

describe('the threat model', () => {
  const rows = textOf('docs/security/threat-model.md')
    .split(/^## Threats$/m)[1]
    ?.split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2);

  it('has a test with each threat that the pack does something about', () => {
    assert.ok(rows && rows.length >= 18);
    const bare: string[] = [];
    for (const row of rows) {
      const [, threat = '', , does = '', shown = ''] = row.split('|').map((cell) => cell.trim());
      const isTested = citations(shown).length > 0 || /npm run [\w:]+/.test(shown);
      if (!isTested) bare.push(`${threat}: ${does}`);
    }
    assert.deepEqual(bare, []);
  });
});

describe('the version', () => {
  const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
  const { name, version } = JSON.parse(read('package.json')) as { name: string; version: string };

  it('is the same in package.json, in the lock file and as the newest of the changes', () => {
    const lock = JSON.parse(read('package-lock.json')) as {
      version: string;
      packages: Record<string, { version: string }>;
    };
    assert.deepEqual([lock.version, lock.packages['']?.version], [version, version]);
    const [, newest, date = ''] = /^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$/m.exec(textOf('CHANGELOG.md')) ?? [];
    assert.equal(newest, version);
    assert.equal(new Date(date).toISOString().slice(0, 10), date);
  });

  it('is that of the conformance evidence', () =>
    assert.ok(read('docs/conformance-evidence.html').includes(`(${name}), version ${version}, run on `)));
});
