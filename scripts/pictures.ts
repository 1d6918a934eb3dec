/**
 * `npm run pictures [-- name …]`: writes a cropped screenshot of every example, as the editor shows it, into
 * docs/recipes/pictures. Needs Chromium.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { closeBrowser, Editor } from '../test/harness/browser';
import { exampleFlows, ROOT } from '../test/harness/node-red';
import { examples } from '../test/harness/welcome';

const FOLDER = join(ROOT, 'docs', 'recipes', 'pictures');
/** Name of the picture of the subflows: one instance of each, on a separate tab. */
const SUBFLOWS = 'subflows';
const MARGIN = 15;

type FlowNode = ReturnType<typeof exampleFlows>[number];

/** Returns the name of every picture, and the flows that it shows. */
function pictures(): Map<string, FlowNode[]> {
  const names = examples().map(({ name }) => name);
  const all = new Map(
    names.filter((name) => !name.startsWith('subflow-')).map((name) => [name, exampleFlows(name)] as const),
  );
  const subflows = exampleFlows(...names.filter((name) => name.startsWith('subflow-')));
  const tab = { id: SUBFLOWS, type: 'tab', label: 'Subflows' };
  const instances = subflows
    .filter(({ type }) => type === 'subflow')
    .map(({ id }, index) => {
      return {
        id: `use-${id}`,
        type: `subflow:${id}`,
        z: SUBFLOWS,
        name: '',
        x: 160 + index * 240,
        y: 60,
        wires: [[]],
      };
    });
  return all.set(SUBFLOWS, [tab, ...subflows, ...instances]);
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2);
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, flows] of pictures()) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const editor = await Editor.open({ flows, size: { width: 1900, height: 2400 } });
    try {
      await picture(editor, join(FOLDER, `${name}.png`));
      process.stdout.write(`${name}\n`);
    } finally {
      await editor.close();
    }
  }
  await closeBrowser();
}

/** Takes a screenshot of nodes and groups with a small margin, without grid, statuses and notifications. */
async function picture({ page }: Editor, path: string): Promise<void> {
  await page.addStyleTag({
    content:
      '.red-ui-workspace-chart-grid, .red-ui-flow-node-status-group, .red-ui-flow-node-changed, #red-ui-notifications { display: none }',
  });
  const boxes = await page.locator('.red-ui-flow-node, .red-ui-flow-group').evaluateAll((nodes) =>
    nodes.map((node) => {
      const { left, top, right, bottom } = node.getBoundingClientRect();
      return { left, top, right, bottom };
    }),
  );
  const [left, top] = [Math.min(...boxes.map((box) => box.left)), Math.min(...boxes.map((box) => box.top))];
  const [right, bottom] = [Math.max(...boxes.map((box) => box.right)), Math.max(...boxes.map((box) => box.bottom))];
  await page.screenshot({
    path,
    clip: { x: left - MARGIN, y: top - MARGIN, width: right - left + 2 * MARGIN, height: bottom - top + 2 * MARGIN },
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
