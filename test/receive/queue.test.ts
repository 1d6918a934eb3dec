import assert from 'node:assert/strict';
import { Queue } from '../../lib/receive/queue';

describe('a queue', () => {
  it('of nothing has no first', () => assert.equal(new Queue<number>().first(), undefined));

  it('has as its first what was added before all others', () => {
    const queue = new Queue<string>();
    for (const member of ['a', 'b', 'a', 'c']) queue.add(member);
    assert.equal(queue.size, 3);
    const order: Array<string | undefined> = [];
    for (let first = queue.first(); first !== undefined; first = queue.first()) {
      order.push(first);
      queue.delete(first);
    }
    assert.deepEqual(order, ['a', 'b', 'c']);
  });

  it('puts what was deleted and added again at its end', () => {
    const queue = new Queue<string>();
    for (const member of ['a', 'b']) queue.add(member);
    assert.equal(queue.first(), 'a');
    queue.delete('a');
    queue.add('a');
    assert.equal(queue.first(), 'b');
    queue.delete('b');
    assert.equal(queue.first(), 'a');
  });

  it('goes on after it was empty', () => {
    const queue = new Queue<number>();
    for (let n = 0; n < 5; n += 1) {
      queue.add(n);
      assert.equal(queue.first(), n);
      queue.delete(n);
      assert.equal(queue.first(), undefined);
    }
  });

  it('is as a plain set is, whatever is done to it', () => {
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const queue = new Queue<number>();
    const set = new Set<number>();
    for (let step = 0; step < 20_000; step += 1) {
      const member = random(30);
      if (random(2) === 0) {
        queue.add(member);
        set.add(member);
      } else {
        queue.delete(member);
        set.delete(member);
      }
      if (random(3) === 0) assert.equal(queue.first(), [...set][0]);
      assert.equal(queue.size, set.size);
      assert.equal(queue.has(member), set.has(member));
    }
  });
});
