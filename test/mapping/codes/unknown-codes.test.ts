import assert from 'node:assert/strict';
import { UnknownCodes } from '../../../lib/mapping/codes/index';
import { MAX_LISTED } from '../../../lib/mapping/codes/unknown-codes';

const NHS_NUMBER = '9997877896';

describe('the list of unknown codes', () => {
  it('counts each code of each system, the most frequent first, with its first and last time', () => {
    const list = new UnknownCodes();
    list.add('urn:lab', 'NA', 1);
    list.add(undefined, 'K', 2);
    list.add(' urn:lab ', ' NA ', 3);
    assert.deepEqual(list.list(), [
      { system: 'urn:lab', code: 'NA', count: 2, first: 1, last: 3 },
      { code: 'K', count: 1, first: 2, last: 2 },
    ]);
  });

  it('survives being stored, and takes anything else for an empty list', () => {
    const list = new UnknownCodes();
    list.add('urn:lab', '__proto__', 1);
    list.add(undefined, NHS_NUMBER, 1);
    const again = new UnknownCodes(JSON.parse(JSON.stringify(list)));
    assert.deepEqual([again.list(), again.notListed], [list.list(), 1]);
    for (const other of [undefined, null, [], { codes: [{ code: 1 }] }, 'x']) {
      assert.deepEqual(new UnknownCodes(other).list(), []);
    }
  });

  it('lists no NHS number, no long text and nothing that cannot be shown; they are counted', () => {
    const list = new UnknownCodes();
    const refused = [NHS_NUMBER, '999 787 7896', '999-787-7896', 'x'.repeat(65), 'A\u202eB', 'A\nB', '', '  '];
    for (const code of refused) list.add(undefined, code, 1);
    list.add('s'.repeat(300), 'NA', 1);
    assert.deepEqual([list.list(), list.notListed], [[], refused.length + 1]);
    // Ten digits that are no NHS number.
    list.add(undefined, '9997877895', 1);
    assert.equal(list.list().length, 1);
  });

  it('lists at most a thousand codes, whatever is looked up, and counts the rest', () => {
    const list = new UnknownCodes();
    for (let index = 0; index < MAX_LISTED + 500; index += 1) list.add(undefined, `code ${index}`, index);
    list.add(undefined, 'code 0', 9);
    assert.deepEqual([list.list().length, list.notListed, list.list()[0]?.count], [MAX_LISTED, 500, 2]);
  });

  it('forgets what the table has now, and all', () => {
    const list = new UnknownCodes();
    for (const code of ['A', 'B']) list.add(undefined, code, 1);
    list.forget(({ code }) => code === 'A');
    assert.deepEqual(
      list.list().map(({ code }) => code),
      ['B'],
    );
    list.clear();
    assert.deepEqual(list.toJSON(), { codes: [], notListed: 0 });
  });
});
