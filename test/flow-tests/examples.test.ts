import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { exampleFlows, ROOT } from '../harness/node-red';

describe('every example that can be deployed', () => {
  it('has tests of its own, which npm run test:flows runs', () => {
    const folder = join(ROOT, 'test', 'flow-tests', 'examples');
    const tested = readdirSync(folder)
      .filter((name) => name.endsWith('.test.yaml'))
      .map(
        (name) => /^flow: \.\.\/\.\.\/\.\.\/examples\/(.+)\.json$/m.exec(readFileSync(join(folder, name), 'utf8'))?.[1],
      );
    const flows = readdirSync(join(ROOT, 'examples'))
      .filter((name) => name.endsWith('.json'))
      .map((name) => basename(name, '.json'))
      .filter((name) => exampleFlows(name).some(({ type }) => type === 'tab'));
    assert.deepEqual(new Set(tested), new Set(flows));
  });
});
