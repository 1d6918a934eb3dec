import assert from 'node:assert/strict';
import { NOTHING_LEFT_OUT } from './faults';
import { simulate } from './world';

describe('the simulation', () => {
  it('runs a seed again exactly as before', async () => {
    const [first, second] = [await simulate(7), await simulate(7)];
    assert.equal(first.digest, second.digest);
    assert.deepEqual(first.trace, second.trace);
    assert.ok(first.steps > 100);
  }).timeout(60_000);

  it('runs other worlds for other seeds', async () => {
    assert.notEqual((await simulate(8)).digest, (await simulate(9)).digest);
  }).timeout(60_000);

  it('leaves out what it is told to', async () => {
    const kinds = [...(await simulate(7)).struck.keys()];
    const { struck, violations } = await simulate(7, { ...NOTHING_LEFT_OUT, kinds: new Set(kinds) });
    assert.deepEqual([struck.size, violations], [0, []]);
  }).timeout(60_000);

  it('finds nothing wrong in a few worlds', async () => {
    for (let seed = 1; seed <= 10; seed += 1) assert.deepEqual((await simulate(seed)).violations, [], `seed ${seed}`);
  }).timeout(120_000);
});
