/**
 * Node-RED looks for a node's .html, its locales/ and its icons/ beside the built .js: tsc does not copy them, this does.
 */
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(__dirname, '..');
const target = join(root, 'dist', 'nodes');
mkdirSync(target, { recursive: true });
for (const name of readdirSync(join(root, 'nodes'))) {
  if (name.endsWith('.html')) cpSync(join(root, 'nodes', name), join(target, name));
}
cpSync(join(root, 'nodes', 'locales'), join(target, 'locales'), { recursive: true });
cpSync(join(root, 'icons'), join(target, 'icons'), { recursive: true });
