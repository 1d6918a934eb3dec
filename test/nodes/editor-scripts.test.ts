/** Runs the scripts of the edit dialogs like the palette, which may load the package's editor plugin after them. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';

const ROOT = join(__dirname, '..', '..');
const PLUGINS = new Set(['mesh-editor.html', 'mesh-sidebar.html']);
const files = readdirSync(join(ROOT, 'nodes'))
  .filter((name) => name.endsWith('.html'))
  .map((name) => ({ name, html: readFileSync(join(ROOT, 'nodes', name), 'utf8') }));

describe('the script of each edit dialog', () => {
  for (const { name, html } of files.filter(({ name }) => !PLUGINS.has(name))) {
    it(`${name} registers its node without the editor plugin, which may load later`, () => {
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

describe('the html file of each editor plugin', () => {
  for (const { name, html } of files.filter(({ name }) => PLUGINS.has(name))) {
    it(`${name} loads scripts and styles that exist, and has none of its own`, () => {
      const loaded = [...html.matchAll(/(?:src|href)="resources\/@mesh-flows\/node-red-nhs-mesh\/([^"]+)"/g)];
      assert.ok(loaded.length >= 2);
      for (const [, file = ''] of loaded) assert.ok(existsSync(join(ROOT, 'resources', file)), file);
      assert.doesNotMatch(html, /<style|<script(?![^>]*\ssrc=)/);
    });
  }
});
