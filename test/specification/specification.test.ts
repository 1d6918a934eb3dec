/** NHS England's specification as a test: every request of our client and every answer of our sandbox. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startSandbox } from '../../lib/sandbox';
import { afterThisTest } from '../harness/cleanup';
import { ANSWERS, REQUESTS } from './deviations';
import { Specification } from './openapi';
import { recorderFor, type Recorded } from './recorder';
import { clientTour, handTour } from './tour';

const FILE = process.env['MESH_API_YAML'] ?? join(__dirname, '..', '..', '..', 'shared', 'reference', 'mesh-api.yaml');

const title = existsSync(FILE)
  ? 'mesh-api.yaml'
  : 'mesh-api.yaml (skipped: the file is not there; get it from NHSDigital/mesh-api-specification and name it in MESH_API_YAML)';

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

  it('is kept by every request of our client, but for the reasoned deviations, each of which occurs', async () => {
    const own = (await tours()).filter(({ byClient }) => byClient);
    const seen = [...new Set(own.flatMap((each) => specification.requestDeviations(each)))].sort();
    assert.deepEqual(seen, Object.keys(REQUESTS).sort());
    const asked = new Set(own.map((each) => specification.nameOf(each)));
    // The client counts by listing.
    assert.deepEqual(
      specification.operations.filter((name) => !asked.has(name)),
      ['count_messages_in_inbox'],
    );
  });

  it('is kept by every answer of our sandbox, but for the reasoned deviations, each of which occurs', async () => {
    const all = await tours();
    const seen = [...new Set(all.flatMap((each) => specification.answerDeviations(each)))].sort();
    assert.deepEqual(seen, Object.keys(ANSWERS).sort());
    const asked = new Set(all.map((each) => specification.nameOf(each)));
    assert.deepEqual(
      specification.operations.filter((name) => !asked.has(name)),
      [],
    );
  });
});
