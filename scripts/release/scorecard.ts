/**
 * The points of Node-RED's scorecard (`node-red-dev validate`) that need no network, checked here. The tool itself asks
 * catalogue.nodered.org after its third check and stops where that is not reached; it also weighs 48 MB in 300 packages with
 * a deprecated HTTP client, so it is no dependency of ours. P08 and N01 (no other package or node of the name), D02 and D03
 * are left to it: run it by hand before a publication.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import manifest from '../../package.json';
import { NODE_RED_PACKAGES, ROOT } from '../../test/harness/node-red';

/** More count against a package. */
const FEW_DEPENDENCIES = 6;

/** What is met, and what is still open, each with the scorecard's number. */
export function scorecard(): { met: string[]; open: string[] } {
  const all: Record<string, unknown> = manifest;
  const dependencies = Object.keys(manifest.dependencies).length;
  const bare = withoutExample();
  const points: Array<[string, boolean]> = [
    ['P01 a licence', manifest.license !== ''],
    ['P03 a repository or an address for bugs', 'repository' in all || 'bugs' in all],
    ['P04 a scoped name', /^@[a-z\d][\w-.]+\/[a-z\d][\w-.]*$/.test(manifest.name)],
    ['P05 the keyword node-red', manifest.keywords.includes('node-red')],
    ['P06 both Node-REDs that it is tested with', takesBoth(manifest['node-red'].version)],
    ['P07 the Node.js it needs', manifest.engines.node !== ''],
    [`D01 at most ${FEW_DEPENDENCIES} dependencies (${dependencies})`, dependencies <= FEW_DEPENDENCIES],
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

/** Palette nodes that no example uses; config nodes are left out, as the scorecard does. */
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
