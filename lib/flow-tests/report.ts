/** Reports of flow tests: for a person, and as JUnit for a build server. */
import { basename } from 'node:path';
import type { RanFile, Unreached } from './run-files';

/** Returns what a person reads of one file. */
export function readableFile({ path, results, failed }: RanFile): string {
  const lines = [basename(path)];
  if (failed !== undefined) lines.push(`  FAILED  ${failed}`);
  for (const { name, failures, written, ms } of results) {
    lines.push(`  ${failures.length === 0 ? 'ok    ' : 'FAILED'}  ${name} (${(ms / 1000).toFixed(1)} s)`);
    for (const failure of failures) lines.push(`          ${failure.replaceAll('\n', '\n        ')}`);
    for (const snapshot of written) lines.push(`          snapshot ${snapshot} written`);
  }
  return `${lines.join('\n')}\n`;
}

/** Returns the nodes that no test reached, by flow; empty if there are none. */
export function readableUnreached(unreached: readonly Unreached[]): string {
  const byFlow = Map.groupBy(unreached, ({ flow }) => flow);
  return [...byFlow]
    .map(([flow, nodes]) => `No test reached in ${basename(flow)}: ${nodes.map(({ node }) => node).join(', ')}\n`)
    .join('');
}

/** Counts of all files. A file whose tests could not run counts as one failed test. */
export function countTests(files: readonly RanFile[]): { tests: number; passed: number; failed: number } {
  const results = files.flatMap((file) => file.results);
  const passed = results.filter(({ failures }) => failures.length === 0).length;
  const tests = results.length + files.filter(({ failed }) => failed !== undefined).length;
  return { tests, passed, failed: tests - passed };
}

/** Returns the report in the form of JUnit that GitLab, GitHub, Jenkins and Azure DevOps read. */
export function junitReport(files: readonly RanFile[]): string {
  const { tests, failed } = countTests(files);
  const suites = files.map(({ path, results, failed: why }) => {
    const suite = basename(path);
    const cases = results.map(({ name, failures, ms }) => {
      const attributes = `classname="${escaped(suite)}" name="${escaped(name)}" time="${(ms / 1000).toFixed(3)}"`;
      if (failures.length === 0) return `    <testcase ${attributes}/>`;
      const text = failures.map((each) => `<failure message="${escaped(firstLine(each))}">${escaped(each)}</failure>`);
      return `    <testcase ${attributes}>${text.join('')}</testcase>`;
    });
    if (why !== undefined)
      cases.push(
        `    <testcase classname="${escaped(suite)}" name="starts"><failure message="${escaped(firstLine(why))}">${escaped(why)}</failure></testcase>`,
      );
    const counts = countTests([{ path, flow: '', results, ...(why !== undefined && { failed: why }) }]);
    return `  <testsuite name="${escaped(suite)}" tests="${counts.tests}" failures="${counts.failed}">\n${cases.join('\n')}\n  </testsuite>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="${tests}" failures="${failed}">\n${suites.join('\n')}\n</testsuites>\n`;
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? '';

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** XML has no control characters but tab and line ends. */
const escaped = (text: string): string =>
  text
    // oxlint-disable-next-line no-control-regex
    .replaceAll(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/g, '\uFFFD')
    .replaceAll(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
