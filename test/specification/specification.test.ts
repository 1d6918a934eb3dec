/** Checks every request of our client and every response of our sandbox against NHS England's specification. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startSandbox } from '../../lib/sandbox';
import { afterThisTest } from '../harness/cleanup';
import { REQUESTS, RESPONSES } from './deviations';
import { Specification } from './openapi';
import { recorderFor, type Recorded } from './recorder';
import { clientTour, handTour } from './tour';

const FILE = process.env['MESH_API_YAML'] ?? join(__dirname, '..', '..', '..', 'shared', 'reference', 'mesh-api.yaml');

const title = existsSync(FILE)
  ? 'mesh-api.yaml'
  : 'mesh-api.yaml (skipped: the file is missing; get it from NHSDigital/mesh-api-specification and set MESH_API_YAML)';

(existsSync(FILE) ? describe : describe.skip)(title, () => {
  let specification: Specification;
  before(() => {
    specification = new Specification(FILE);
  });

  async function tours(): Promise<Recorded[]> {
    const sandbox = await startSandbox({ protocol: 'http' });
    afterThisTest(() => sandbox.close());
    const recorder = await recorderFor(sandbox);
    afterThisTest(() => recorder.close());
    await clientTour(sandbox, recorder.url);
    await handTour(sandbox, recorder.url);
    return recorder.all;
  }

  it('is met by every request of our client, except for the listed deviations, each of which occurs', async () => {
    const own = (await tours()).filter(({ byClient }) => byClient);
    const seen = [...new Set(own.flatMap((each) => specification.requestDeviations(each)))].sort();
    assert.deepEqual(seen, Object.keys(REQUESTS).sort());
    const requested = new Set(own.map((each) => specification.nameOf(each)));
    // The client lists instead of counting.
    assert.deepEqual(
      specification.operations.filter((name) => !requested.has(name)),
      ['count_messages_in_inbox'],
    );
  });

  it('is met by every response of our sandbox, except for the listed deviations, each of which occurs', async () => {
    const all = await tours();
    const seen = [...new Set(all.flatMap((each) => specification.responseDeviations(each)))].sort();
    assert.deepEqual(seen, Object.keys(RESPONSES).sort());
    const requested = new Set(all.map((each) => specification.nameOf(each)));
    assert.deepEqual(
      specification.operations.filter((name) => !requested.has(name)),
      [],
    );
  });
});
