/** The scripts of the edit dialogs, run as the palette runs them: the package's editor plugin may come after them. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';

const NODES = join(__dirname, '..', '..', 'nodes');
const scripts = readdirSync(NODES)
  .filter((name) => name.endsWith('.html') && !['mesh-editor.html', 'mesh-sidebar.html'].includes(name))
  .map((name) => ({ name, html: readFileSync(join(NODES, name), 'utf8') }));

describe('the script of each edit dialog', () => {
  for (const { name, html } of scripts) {
    it(`${name} registers its node without the editor plugin, which may be fetched later`, () => {
      const registered: string[] = [];
      const RED = {
        nodes: { registerType: (type: string) => registered.push(type) },
        validators: new Proxy({}, { get: () => () => () => true }),
      };
      for (const [, script = ''] of html.matchAll(/<script type="text\/javascript">([\s\S]*?)<\/script>/g)) {
        runInNewContext(script, { RED });
      }
      assert.deepEqual(registered, [name.replace('.html', '')]);
    });
  }
});
