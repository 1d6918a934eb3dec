/** Which part of a received message is the last one that mesh-ack waits for. */
import { strict as assert } from 'node:assert';
import { forgetParts, isLastPart } from '../../nodes/receive/parts';

const part = (id: string, index: number, count: number, outer?: object, ofMessage = 'M1'): object => ({
  ...(outer && { parts: outer }),
  id,
  index,
  count,
  ofMessage,
  type: 'array',
  len: 1,
});

describe('the last part of a received message', () => {
  it('is any of them once all others have come, and each counts once', () => {
    const inbox = {};
    assert.deepEqual(
      [2, 0, 2, 0, 1].map((index) => isLastPart(inbox, 'M1', part('a', index, 3))),
      [false, false, false, false, true],
    );
  });

  it('of a batch within form data is the last of the last', () => {
    const inbox = {};
    const batch = (index: number): object => part('b', index, 2, part('a', 0, 2));
    assert.deepEqual(
      [batch(0), part('a', 1, 2), batch(0), batch(1)].map((parts) => isLastPart(inbox, 'M1', parts)),
      [false, false, false, true],
    );
  });

  it('is looked for behind the parts of a core split node, which are not counted', () => {
    const row = (outer: object): object => ({ id: 'csv', index: 5, count: 99, parts: outer });
    const inbox = {};
    assert.equal(isLastPart(inbox, 'M1', row(part('a', 0, 2))), false);
    assert.equal(isLastPart(inbox, 'M1', row(part('a', 1, 2))), true);
    assert.equal(isLastPart(inbox, 'M1', { id: 'csv', index: 5, count: 99 }), true);
  });

  it('is the message itself if it has no parts, or another message’s', () => {
    for (const parts of [undefined, null, 'x', {}, part('a', 0, 2, undefined, 'M2')]) {
      assert.equal(isLastPart({}, 'M1', parts), true);
    }
  });

  it('is not waited for in another delivery, another inbox, or once the message is done', () => {
    const [inbox, other] = [{}, {}];
    assert.equal(isLastPart(inbox, 'M1', part('first', 0, 2)), false);
    assert.equal(isLastPart(inbox, 'M1', part('again', 1, 2)), false);
    assert.equal(isLastPart(other, 'M1', part('first', 1, 2)), false);
    assert.equal(isLastPart(inbox, 'M1', part('first', 1, 2)), true);
    // Until it is done it stays the last one, so that a failed mesh-ack can be repeated.
    assert.equal(isLastPart(inbox, 'M1', part('first', 1, 2)), true);
    forgetParts(inbox, 'M1');
    assert.equal(isLastPart(inbox, 'M1', part('first', 1, 2)), false);
  });
});
