/**
 * Completes a build by tsc: copies the .html files, locales/ and icons/, which Node-RED looks for beside the built .js of
 * a node, and FHIR's definitions and the maps, which the library reads beside its own; and removes files built from sources that no
 * longer exist, which would be published.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(__dirname, '..');
const target = join(root, 'dist', 'nodes');
mkdirSync(target, { recursive: true });
for (const name of readdirSync(join(root, 'nodes'))) {
  if (name.endsWith('.html')) cpSync(join(root, 'nodes', name), join(target, name));
}
cpSync(join(root, 'nodes', 'locales'), join(target, 'locales'), { recursive: true });
cpSync(join(root, 'icons'), join(target, 'icons'), { recursive: true });

const PROFILES = join('lib', 'formats', 'fhir', 'profiles');
for (const name of readdirSync(join(root, PROFILES))) {
  if (name.endsWith('.gz')) cpSync(join(root, PROFILES, name), join(root, 'dist', PROFILES, name));
}

const MAPS = join('lib', 'mapping', 'maps');
cpSync(join(root, MAPS), join(root, 'dist', MAPS), { recursive: true });

for (const file of readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })) {
  const source = file.replace(/\.(js|js\.map|d\.ts)$/, '.ts');
  if (source !== file && !existsSync(join(root, source))) rmSync(join(root, 'dist', file));
}
