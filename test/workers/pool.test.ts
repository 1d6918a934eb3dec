import assert from 'node:assert/strict';
import { ConfigurationError, UnreadableError } from '../../lib/errors';
import type { ValidationRequest } from '../../lib/formats/fhir/profiles/validate-payload';
import { WorkerPool } from '../../lib/workers/pool';
import { until } from '../harness/until';

const request = (more: Partial<ValidationRequest> = {}): ValidationRequest => ({
  payload: { resourceType: 'Patient', gender: 'male' },
  release: 'R4',
  sources: [],
  profiles: [],
  ...more,
});

describe('the worker threads', function () {
  this.timeout(60_000);
  let pool: WorkerPool;
  beforeEach(() => (pool = new WorkerPool({ idleMs: 300, maxTaskMs: 30_000 })));
  afterEach(() => pool.end());

  it('start when there is work, are at most two, and end when idle', async () => {
    assert.equal(pool.size, 0);
    const results = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const result = pool.run('validate', request());
        assert.ok(pool.size >= 1 && pool.size <= 2);
        return result;
      }),
    );
    assert.deepEqual(
      results.map(({ valid, release }) => [valid, release]),
      Array.from({ length: 6 }, () => [true, 'R4']),
    );
    await until('the idle threads have ended', () => pool.size === 0);
  });

  it('hand back what the task refuses, and go on', async () => {
    const away = pool.run('validate', request({ sources: ['/nowhere/at/all'] }));
    await assert.rejects(away, (error) => error instanceof ConfigurationError && /nowhere/.test(error.message));
    const odd = pool.run(
      'validate',
      request({ payload: { resourceType: 'Patient', active: (() => true) as unknown as boolean } }),
    );
    await assert.rejects(odd, (error) => error instanceof UnreadableError && /not JSON/.test(error.message));
    assert.equal((await pool.run('validate', request({ payload: 'SMITH' }))).valid, false);
    assert.equal((await pool.run('validate', request())).valid, true);
  });

  it('give up a task that takes too long, and do the next one', async () => {
    const short = new WorkerPool({ idleMs: 300, maxTaskMs: 1 });
    await assert.rejects(short.run('validate', request()), /took too long/);
    await assert.rejects(short.run('validate', request()), /took too long/);
    assert.equal(short.size, 0);
  });

  it('leave the event loop free while they validate', async () => {
    const contact = Array.from({ length: 2000 }, () => ({
      name: { family: 'Smith', given: ['Ann'] },
      gender: 'female',
    }));
    const payload = JSON.stringify({ resourceType: 'Patient', contact });
    const work = (): Promise<unknown> =>
      Promise.all(Array.from({ length: 6 }, () => pool.run('validate', request({ payload }))));
    await work();
    // Processor time, since a machine that is busy with something else delays this loop, too.
    const [mine, all] = [process.threadCpuUsage(), process.cpuUsage()];
    await work();
    const { user, system } = process.threadCpuUsage(mine);
    const { user: userOfAll, system: systemOfAll } = process.cpuUsage(all);
    const perMessage = (user + system) / 1000 / 6;
    assert.ok(perMessage < 20, `${perMessage} ms of the event loop for each message`);
    assert.ok((user + system) * 4 < userOfAll + systemOfAll, 'most of the work is done in the event loop');
  });
});
