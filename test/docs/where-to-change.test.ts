/** CONTRIBUTING's "Where do I change …?" names files that are there, and few of them. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../harness/node-red';
import { textOf } from './markdown';

const CHANGES = [
  'a header',
  'the back-off',
  'an error code',
  'a sidebar column',
  'a state',
  'poll hours',
  'a FHIR release',
  'an acknowledgement form',
  'payloads elsewhere',
  'a metric',
  'a sub-command',
  'a sandbox rule',
  'an MLLP option',
  'a language',
];

/** The most source files that such a change may touch. */
const LIMITS: Record<string, number> = { 'a state': 6, 'an error code': 2, 'a metric': 2, 'a sub-command': 2 };

/** The files and folders that each row of the table names. */
function rows(): Map<string, string[]> {
  const text = textOf('CONTRIBUTING.md');
  const section = text.slice(text.indexOf('## Where do I change'), text.indexOf('## Commands'));
  const cells = [...section.matchAll(/^\| (\S[^|]*?) +\| ([^|]+)\|$/gm)];
  return new Map(
    cells.map(([, change = '', where = '']) => [
      change,
      [...where.matchAll(/`((?:lib|nodes|resources|scripts|docs|test)\/[\w./-]+)`/g)].map(([, path = '']) => path),
    ]),
  );
}

describe('CONTRIBUTING, "Where do I change …?"', () => {
  it('is the first section, and has the fourteen changes', () => {
    assert.match(textOf('CONTRIBUTING.md'), /^# Contributing\n\n## Where do I change/);
    assert.deepEqual(
      CHANGES.filter((change) => !rows().has(change)),
      [],
    );
  });

  for (const change of CHANGES) {
    it(`names at least one file for ${change}, and each one is there`, () => {
      const paths = rows().get(change) ?? [];
      assert.ok(paths.length > 0);
      assert.deepEqual(
        paths.filter((path) => !existsSync(join(ROOT, path))),
        [],
      );
    });
  }

  for (const [change, limit] of Object.entries(LIMITS)) {
    it(`names at most ${limit} source files for ${change}`, () => {
      const sources = (rows().get(change) ?? []).filter((path) => /\.(?:ts|js|css|html)$/.test(path));
      assert.ok(sources.length <= limit, sources.join(', '));
    });
  }
});
