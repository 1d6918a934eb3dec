/**
 * `npm run test:fhir-examples [-- --all]`: the published FHIR R4 examples through `nhs-mesh corpus`, XML and JSON. Needs
 * Maven, and Maven Central or a filled ~/.m2: Maven keeps the archive there and unpacks it. Skipped, with the reason,
 * without them.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tally } from '../../../lib/cli/corpus-tally';
import { ROOT } from '../../harness/node-red';

/** How many files there are, and how many are no FHIR (a list of packages). */
const EXAMPLES = [
  { kind: 'xml', count: 1138, others: 0 },
  { kind: 'json', count: 2912, others: 1 },
];
/** The largest of each kind are FHIR's own definitions, with half of all bytes: they take part only with --all. */
const LARGEST = process.argv.includes('--all') ? 0 : 4;

function unpack(folder: string): string | undefined {
  const { status, stdout, stderr, error } = spawnSync(
    'mvn',
    // Maven unpacks once and marks it: the mark goes with the folder.
    ['-q', '-B', 'dependency:unpack-dependencies', `-DoutputDirectory=${folder}`, `-DmarkersDirectory=${folder}/marks`],
    { cwd: __dirname, encoding: 'utf8' },
  );
  if (status === 0) return undefined;
  return error?.message ?? `${stderr}${stdout}`.split('\n').find((line) => line.startsWith('[ERROR]')) ?? 'mvn failed';
}

function removeLargest(folder: string): void {
  const paths = readdirSync(folder).map((name) => join(folder, name));
  const bySize = paths.toSorted((one, other) => statSync(other).size - statSync(one).size);
  for (const path of bySize.slice(0, LARGEST)) rmSync(path);
}

function main(): void {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-fhir-examples-'));
  let [passed, failed] = [0, 0];
  try {
    const reason = unpack(folder);
    if (reason !== undefined) {
      process.stdout.write(
        `Skipped: Maven has no FHIR examples here: ${reason}\n\nTests: 0 passed, 0 failed, 1 skipped\n`,
      );
      return;
    }
    for (const { kind, count, others } of EXAMPLES) {
      removeLargest(join(folder, kind, 'spec'));
      const args = ['corpus', '--folder', join(folder, kind, 'spec'), '--format', 'fhir', '--release', 'R4'];
      const { stdout, stderr } = spawnSync(
        process.execPath,
        [join(ROOT, 'dist', 'lib', 'cli', 'main.js'), ...args, '--json'],
        {
          encoding: 'utf8',
          maxBuffer: 64 * 1024 * 1024,
        },
      );
      try {
        assert.notEqual(stdout, '', stderr);
        const { messages, outcomes, classes } = JSON.parse(stdout) as Tally;
        process.stdout.write(`${kind}: ${messages} examples, ${JSON.stringify(outcomes)}\n`);
        assert.equal(messages, count - LARGEST);
        assert.equal(outcomes.equal + outcomes.canonical, messages - others, JSON.stringify(classes, null, 2));
        passed += 1;
      } catch (error) {
        failed += 1;
        process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
      }
    }
    process.stdout.write(`\nTests: ${passed} passed, ${failed} failed, 0 skipped\n`);
    if (failed > 0) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

main();
