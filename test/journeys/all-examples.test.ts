/** Rules for every file of examples/: it can be imported on its own, it is listed, and it is explained. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exampleFlows, ROOT } from '../harness/node-red';
import { allFindings, RULES } from '../harness/layout';
import { examples, pictureOf, PICTURES, welcomeFlow } from '../harness/welcome';

/** Examples for the first steps, which README.md explains. */
const WITHOUT_RECIPE = new Set(['first-message', 'file-transfer']);
/** Returns the name of an example's recipe; the subflows share one. */
const recipeOf = (name: string): string => (name.startsWith('subflow-') ? 'subflows' : name);

describe('the example flows', () => {
  for (const [name, findings] of allFindings()) {
    it(`${name} is drawn by the rules of test/harness/layout.ts`, () => {
      assert.deepEqual(
        findings.map(({ rule, text }) => `${rule}: ${text}. ${RULES[rule]}`),
        [],
      );
    });
  }

  for (const { name } of examples()) {
    const nodes = exampleFlows(name);
    const ids = new Set(nodes.map(({ id }) => id));

    it(`${name} contains every node that it refers to`, () => {
      for (const node of nodes) {
        const wires = ((node['wires'] ?? []) as string[][]).flat();
        const references = [...wires, node['z'], node['g'], node['mailbox']].filter(
          (id) => id !== undefined && id !== '',
        );
        const type = node.type.startsWith('subflow:') ? [node.type.slice('subflow:'.length)] : [];
        for (const id of [...references, ...type]) assert.ok(ids.has(String(id)), `${node.id} refers to ${String(id)}`);
      }
    });

    it(`${name} is explained and has no code and no secret`, () => {
      const tab = nodes.find(({ type }) => type === 'tab');
      if (tab) {
        assert.ok(nodes.some(({ type, info }) => type === 'comment' && typeof info === 'string' && info !== ''));
      }
      const text = JSON.stringify(nodes);
      assert.doesNotMatch(text, /"type":"(function|exec)"|"credentials"|"password"|"sharedKey"/);
    });

    it(`${name} has a recipe and a picture`, () => {
      if (WITHOUT_RECIPE.has(name)) return;
      const recipe = join(ROOT, 'docs', 'recipes', `${recipeOf(name)}.md`);
      assert.ok(existsSync(recipe), recipe);
      assert.match(readFileSync(recipe, 'utf8'), new RegExp(`\\(pictures/${recipeOf(name)}\\.png\\)`));
      assert.ok(existsSync(join(ROOT, 'docs', 'recipes', 'pictures', `${recipeOf(name)}.png`)));
    });
  }

  it('share no id except those of identical subflows and of mailboxes', () => {
    const seen = new Map<string, string>();
    for (const { name } of examples()) {
      for (const node of exampleFlows(name)) {
        const text = JSON.stringify(node);
        if (seen.has(node.id)) {
          const isShared =
            node.type === 'mesh-config' || node.type === 'subflow' || String(node['z']).startsWith('mesh-');
          assert.ok(isShared, `${node.id} is in ${name} and in another example`);
          if (node.type !== 'mesh-config') assert.equal(text, seen.get(node.id), `${node.id} of ${name} differs`);
        }
        seen.set(node.id, text);
      }
    }
  });

  it('are all shown on the welcome tab, with their purpose and their picture', () => {
    const flow = welcomeFlow('the-pack', ['first-message']) as Array<{ id: string; name?: string; info?: string }>;
    const { template: page = '' } = flow.find(({ id }) => id === 'welcome-page') as { template?: string };
    for (const { name, title, info } of examples()) {
      const line = flow.find(({ id }) => id === `welcome-${name}`);
      assert.ok(line?.name?.startsWith(`${name}: ${title}`), name);
      assert.ok(info.length > 40, `${name} does not say its purpose`);
      assert.ok(page.includes(`<img src="${PICTURES.address}${pictureOf(name)}" alt="${title}">`), name);
      assert.ok(existsSync(join(PICTURES.folder, pictureOf(name))), `${name} has no picture`);
    }
    assert.equal(flow.length, examples().length + 5);
    assert.match(flow.find(({ id }) => id === 'welcome-how')?.name ?? '', /Import > Examples > the-pack/);
  });
});
