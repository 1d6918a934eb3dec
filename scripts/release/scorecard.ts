/**
 * Checks the points of Node-RED's scorecard (`node-red-dev validate`) that need no network. The tool itself contacts
 * catalogue.nodered.org after its third check and stops if it gets no response; it also installs 48 MB in 300 packages
 * with a deprecated HTTP client, so it is not a dependency. P08 and N01 (no other package or node has the name), D02
 * and D03 are not checked here: run the tool by hand before a publication.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import manifest from '../../package.json';
import { NODE_RED_PACKAGES, ROOT } from '../../test/harness/node-red';

/** The scorecard marks a package down for more dependencies. */
const MAX_DEPENDENCIES = 6;

/** Returns the points that are met and those that are open, each with the scorecard's number. */
export function scorecard(): { met: string[]; open: string[] } {
  const all: Record<string, unknown> = manifest;
  const dependencies = Object.keys(manifest.dependencies).length;
  const bare = withoutExample();
  const points: Array<[string, boolean]> = [
    ['P01 a licence', manifest.license !== ''],
    ['P03 a repository or an issue tracker', 'repository' in all || 'bugs' in all],
    ['P04 a scoped name', /^@[a-z\d][\w-.]+\/[a-z\d][\w-.]*$/.test(manifest.name)],
    ['P05 the keyword node-red', manifest.keywords.includes('node-red')],
    ['P06 both tested versions of Node-RED', takesBoth(manifest['node-red'].version)],
    ['P07 the required Node.js version', manifest.engines.node !== ''],
    [`D01 at most ${MAX_DEPENDENCIES} dependencies (${dependencies})`, dependencies <= MAX_DEPENDENCIES],
    [`N02 an example with each node${bare.length > 0 ? ` (not ${bare.join(', ')})` : ''}`, bare.length === 0],
  ];
  const named = (wanted: boolean): string[] => points.filter(([, ok]) => ok === wanted).map(([name]) => name);
  return { met: named(true), open: named(false) };
}

function takesBoth(range: string): boolean {
  const require = createRequire(__filename);
  const parts = (version: string): number[] => version.split('.').map(Number);
  const [major = 0, minor = 0] = parts(/^>=(\d+\.\d+\.\d+)$/.exec(range)?.[1] ?? '999.0.0');
  return Object.values(NODE_RED_PACKAGES).every((name) => {
    const [itsMajor = 0, itsMinor = 0] = parts((require(`${name}/package.json`) as { version: string }).version);
    return itsMajor > major || (itsMajor === major && itsMinor >= minor);
  });
}

/** Returns the palette nodes that no example uses; config nodes are not counted, as in the scorecard. */
function withoutExample(): string[] {
  const files = readdirSync(join(ROOT, 'examples'), { recursive: true, encoding: 'utf8' });
  const flows = files.filter((file) => file.endsWith('.json')).map((file) => read(join('examples', file)));
  return Object.keys(manifest['node-red'].nodes).filter(
    (type) =>
      !/category:\s*'config'/.test(read(join('nodes', `${type}.html`))) &&
      !flows.some((flow) => new RegExp(`"type":\\s*"${type}"`).test(flow)),
  );
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}
