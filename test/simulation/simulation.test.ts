import assert from 'node:assert/strict';
import { Disk } from './disk';
import { Faults, KINDS, NOTHING_LEFT_OUT } from './faults';
import { Model, type Sending } from './model';
import { SeededRandom } from './random';
import { simulate } from './world';

/** Statuses after which a request may succeed later. */
const PASSING = [408, 421, 423, 425, 429, 500, 502, 503, 504];

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
    assert.ok(kinds.length > 0);
    // Others that are in this world may strike instead.
    assert.deepEqual([kinds.filter((kind) => struck.has(kind)), violations], [[], []]);
  }).timeout(60_000);

  it('has faults of the chosen kinds alone', async () => {
    const { struck } = await simulate(7, { ...NOTHING_LEFT_OUT, only: ['response lost'] });
    assert.deepEqual([...struck.keys()], ['response lost']);
  }).timeout(60_000);

  it('finds nothing wrong in a few worlds', async () => {
    for (let seed = 1; seed <= 10; seed += 1) assert.deepEqual((await simulate(seed)).violations, [], `seed ${seed}`);
  }).timeout(120_000);

  it('responds with every status after which a request may succeed later', async () => {
    const missing = new Set(PASSING);
    const kinds = new Set(KINDS.filter((kind) => !['MESH busy', 'MESH fault', 'foreign response'].includes(kind)));
    for (let seed = 1; seed <= 40 && missing.size > 0; seed += 1) {
      const { statuses } = await simulate(seed, { ...NOTHING_LEFT_OUT, kinds });
      for (const status of statuses.keys()) missing.delete(status);
    }
    assert.deepEqual([...missing], []);
  }).timeout(120_000);

  it('notices a file of somebody else’s that a program writes, cuts off, renames, replaces or removes', () => {
    const disk = new Disk(new Faults(new SeededRandom(1), { ...NOTHING_LEFT_OUT, only: [] }), () => 0);
    const noticed: string[] = [];
    disk.onForeign = (what) => noticed.push(what);
    disk.makeFolders('/ours', 0o700);
    for (const name of ['one', 'two', 'theirs/three']) disk.putForeign(`/ours/${name}`, 'text');
    const one = disk.get('/ours/one', 'open');
    disk.write(one, 0, Buffer.from('x'));
    disk.truncate(one, 0);
    disk.create('/ours/theirs/four', 0o600);
    disk.rename('/ours/one', '/ours/two');
    disk.remove('/ours/two');
    assert.deepEqual(noticed, [
      'a file was written',
      'a file was cut off',
      '/ours/theirs/four was made',
      '/ours/one was renamed',
      '/ours/two was replaced',
      '/ours/two was removed',
    ]);
  });

  it('lets a message need a person only where a fault or an act has hit it', () => {
    const model = new Model();
    const sending = { name: 'out1', copies: 1, isGivenUp: false, isErased: false, atMesh: [], hits: new Set() };
    model.sent.set('out1', sending as unknown as Sending);
    const shown = { id: 'A', state: 'parked', needsDecision: true, messageId: null } as const;
    model.checkCause(sending as unknown as Sending, shown as never);
    assert.deepEqual(model.violations.splice(0), ['out1: needs a decision, and nothing has hit it']);
    model.hit('out1', 'response lost');
    model.checkCause(sending as unknown as Sending, shown as never);
    assert.deepEqual(model.violations, []);
  });
});
