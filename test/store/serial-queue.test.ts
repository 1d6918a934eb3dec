import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { SerialQueue } from '../../lib/store/serial-queue';

describe('SerialQueue', () => {
  it('runs work in order of arrival, one at a time, however long each takes', async () => {
    const queue = new SerialQueue();
    const events: string[] = [];
    await Promise.all(
      [5, 1, 3].map((ms) =>
        queue.run(async () => {
          events.push(`start ${ms}`);
          await delay(ms);
          events.push(`end ${ms}`);
        }),
      ),
    );
    assert.deepEqual(events, ['start 5', 'end 5', 'start 1', 'end 1', 'start 3', 'end 3']);
  });

  it('returns the result of the work, and goes on after work that fails', async () => {
    const queue = new SerialQueue();
    const failing = queue.run(() => Promise.reject(new Error('no')));
    const thrown = queue.run(() => {
      throw new Error('at once');
    });
    const next = queue.run(async () => 'next');
    await assert.rejects(failing, /no/);
    await assert.rejects(thrown, /at once/);
    assert.equal(await next, 'next');
  });

  it('lanes do not wait for each other', async () => {
    const queue = new SerialQueue();
    const held = queue.enter('a');
    assert.equal(await queue.run(() => 'b', 'b'), 'b');
    let isDone = false;
    const behind = queue.run(() => (isDone = true), 'a');
    await delay(2);
    assert.equal(isDone, false);
    held.leave();
    assert.equal(await behind, true);
  });

  it('a place that is left early, or twice, does not overtake the places before it', async () => {
    const queue = new SerialQueue();
    const [first, second, third] = [queue.enter(), queue.enter(), queue.enter()];
    const turns: number[] = [];
    void first.turn.then(() => turns.push(1));
    void second.turn.then(() => turns.push(2));
    void third.turn.then(() => turns.push(3));
    second.leave();
    second.leave();
    await delay(2);
    assert.deepEqual(turns, [1]);
    first.leave();
    await delay(2);
    assert.deepEqual(turns, [1, 2, 3]);
    third.leave();
    await delay(2);
    assert.equal(await queue.run(() => 'empty again'), 'empty again');
  });
});
