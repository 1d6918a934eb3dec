/** The package in the editor, in a real browser. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { exampleFlows, ROOT } from '../harness/node-red';
import { Editor, MAJORS, needsChromium } from '../harness/browser';

const EXAMPLES = readdirSync(join(ROOT, 'examples'))
  .filter((file) => file.endsWith('.json'))
  .map((file) => basename(file, '.json'));

for (const major of MAJORS) {
  describe(`the editor of Node-RED ${major}`, function () {
    needsChromium(this);
    let editor: Editor;
    before(async () => {
      editor = await Editor.open({ major, flows: exampleFlows('first-message') });
    });
    after(() => editor.close());

    it('shows the flow of the first message, and every node of the package in the palette', async () => {
      const ours = await editor.page
        .locator('#red-ui-palette .red-ui-palette-node[data-palette-type^="mesh-"]')
        .count();
      assert.ok(ours >= 13, `${ours} nodes`);
      assert.ok((await editor.page.locator('.red-ui-flow-node').count()) > 3);
    });

    for (const name of EXAMPLES) {
      it(`imports the example ${name} from Node-RED's examples menu, and deploys it`, async () => {
        // Each example alone: a deploy with the nodes of all the others takes longer and longer.
        await editor.nodeRed.deploy([]);
        await editor.reload();
        await editor.importExample(name);
        await editor.deploy();
      });
    }

    it('shows no error on the console', () => editor.noErrors());
  });
}
