import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { LOINC, SNOMED_CT } from '../../../lib/mapping/codes/systems';
import { MAX_ROWS } from '../../../lib/mapping/codes/table';
import { readCodes } from '../../../lib/mapping/codes/index';
import { DIABETES, GLUCOSE_LOINC, places, read, SODIUM_LOINC, tableOf } from './support';

describe('code tables from CSV', () => {
  it('find a code by its own system, then among rows of any system', async () => {
    const table = await tableOf(
      [
        'sourceSystem,source,targetSystem,target,display',
        `urn:lab,NA,LN,${SODIUM_LOINC},Sodium`,
        `,GLU,LN,${GLUCOSE_LOINC},Glucose`,
      ].join('\n'),
    );
    assert.deepEqual(table.look('urn:lab', 'NA'), { system: LOINC, code: SODIUM_LOINC, display: 'Sodium', line: 2 });
    assert.equal(table.look('urn:other', 'NA'), undefined);
    assert.equal(table.look('urn:other', 'GLU')?.code, GLUCOSE_LOINC);
    assert.equal(table.look(undefined, 'GLU')?.code, GLUCOSE_LOINC);
    assert.equal(table.look(undefined, 'NA')?.code, SODIUM_LOINC);
  });

  it('take a code of two systems for ambiguous where no system is named', async () => {
    const table = await tableOf('sourceSystem,source,target\nurn:a,NA,1\nurn:b,NA,2\n');
    assert.deepEqual(table.find(undefined, 'NA'), { outcome: 'ambiguous' });
    assert.equal(table.look('urn:b', 'NA')?.code, '2');
  });

  it('compare codes without the blanks around them, with case, blanks within and leading zeros', async () => {
    const csv = 'source,target\n" Na ",1\n007,2\nFULL  BLOOD,3\nna,4\n';
    const table = await tableOf(csv);
    assert.equal(table.look(undefined, '\tNa ')?.code, '1');
    assert.equal(table.look(undefined, '\u00a0na')?.code, '4');
    assert.equal(table.look(undefined, 'NA'), undefined);
    assert.equal(table.look(undefined, '7'), undefined);
    assert.equal(table.look(undefined, 'FULL BLOOD'), undefined);
    assert.equal(table.look(undefined, 'FULL  BLOOD')?.code, '3');
  });

  it('ignore case if asked, and then refuse codes that differ in nothing else', async () => {
    assert.equal((await tableOf('source,target\nNa,1\n', { ignoreCase: true })).look(undefined, 'nA')?.code, '1');
    const { table, errors } = await read('source,target\nNa,1\nNA,2\n', { ignoreCase: true });
    assert.equal(table, undefined);
    assert.deepEqual(places(errors), ['3 source unique']);
  });

  it('refuse a code that is there twice, by line and column, also with the same target', async () => {
    const { table, errors } = await read('code,target\nNA,1\nK,2\n NA ,1\n', { columns: { source: 'code' } });
    assert.equal(table, undefined);
    assert.deepEqual(places(errors), ['4 code unique']);
    assert.match(errors[0]?.text ?? '', /line 2 already/);
  });

  it('order several targets by priority if asked, and refuse equal ones', async () => {
    const several = 'priority' as const;
    const table = await tableOf('source,target,priority\nNA,third,\nNA,second,2\nNA,first,1\n', { several });
    const found = table.find(undefined, 'NA');
    assert.ok(found.outcome === 'found');
    assert.equal(found.target.code, 'first');
    assert.deepEqual(
      found.alternatives.map(({ code }) => code),
      ['second', 'third'],
    );
    const equal = await read('source,target,priority\nNA,a,1\nNA,b,1\n', { several });
    assert.deepEqual(places(equal.errors), ['3 priority unique']);
    const none = await read('source,target\nNA,a\nNA,b\n', { several });
    assert.equal(none.errorCount, 1);
  });

  it('read columns by other names, by number without a header, and with another delimiter and encoding', async () => {
    const columns = { source: 'Lab', target: 'SCT', display: 'Term' };
    const csv = Buffer.from(`SCT|Term|Lab\n${DIABETES}|café|DM\n`, 'latin1');
    const named = await tableOf(csv, { columns, delimiter: '|' });
    assert.deepEqual(named.look(undefined, 'DM'), { code: DIABETES, display: 'café', line: 2 });
    const numbered = await tableOf(`${DIABETES}\tDM\n`, {
      columns: { source: '2', target: '1' },
      hasHeader: false,
      delimiter: '\t',
    });
    assert.equal(numbered.look(undefined, 'DM')?.code, DIABETES);
    const missing = await read('a,b\n1,2\n', { columns: { source: 'a', target: 'b', display: 'Term' } });
    assert.deepEqual(places(missing.errors), ['1 Term header']);
    const unnumbered = await read('a,b\n', { columns: { source: 'x' }, hasHeader: false });
    assert.deepEqual(places(unnumbered.errors), ['source header', 'target header']);
  });

  it('read a byte order mark, CR LF, quotes, line breaks within quotes and a last line without an end', async () => {
    const csv = '\ufeffsource,target,display\r\n"N,A",1,"says ""sodium"""\r\n"K",2,"two\r\nlines"\r\nGLU,3,x';
    const { errors, rows, endsWithLineEnd } = await read(csv);
    assert.deepEqual([errors, rows, endsWithLineEnd], [[], 3, false]);
    const table = await tableOf(csv);
    assert.equal(table.look(undefined, 'N,A')?.display, 'says "sodium"');
    assert.equal(table.look(undefined, 'GLU')?.line, 5);
  });

  it('keep __proto__, constructor and toString as codes and columns like others', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
    const empty = await tableOf('source,target\nNA,1\n');
    for (const name of names) assert.deepEqual(empty.find(name, name), { outcome: 'unknown' });
    const table = await tableOf(['source,target,__proto__', ...names.map((name) => `${name},${name},x`)].join('\n'));
    for (const name of names) assert.equal(table.look(undefined, name)?.code, name);
    assert.equal(({} as Record<string, unknown>)['x'], undefined);
  });

  it('read formula texts as they are, without the apostrophe that an export puts before them', async () => {
    const table = await tableOf(`source,target\n'=1+1,'@SUM\n"=cmd|' /C calc'!A0",-5\n`);
    assert.equal(table.look(undefined, '=1+1')?.code, '@SUM');
    assert.equal(table.look(undefined, "=cmd|' /C calc'!A0")?.code, '-5');
  });

  it('refuse by line and column what is missing, too long, or cannot be shown', async () => {
    const csv = ['source,target', ',1', 'A,', `${'x'.repeat(256)},1`, 'B\u202e,1', 'C', '"D\u0007",1'].join('\n');
    const { table, errors, errorCount, rows } = await read(csv);
    assert.equal(table, undefined);
    assert.deepEqual(places(errors), [
      '2 source required',
      '3 target required',
      '4 source length',
      '5 source characters',
      '6 column-count',
      '7 source characters',
    ]);
    assert.deepEqual([errorCount, rows], [6, 5]);
  });

  it('say nothing of a value in what they find', async () => {
    const { errors } = await read('source,target\nMARKED,\nMARKED2,1,MARKED3\nMARKED4,1\nMARKED4,2\n');
    assert.equal(errors.length, 3);
    assert.doesNotMatch(JSON.stringify(errors), /MARKED/);
  });

  it('warn of wrong check digits by line, and stay usable', async () => {
    const csv = [
      'source,targetSystem,target',
      `A,SCT,${DIABETES}`,
      'B,SCT,73211008',
      'C,LN,2345-8',
      'D,dm+d,39113311000001106',
      'E,SCT,1E5',
    ].join('\n');
    const { table, warnings } = await read(csv);
    assert.ok(table);
    assert.deepEqual(places(warnings), [
      '3 target snomed-check-digit',
      '4 target loinc-check-digit',
      '5 target snomed-check-digit',
      '6 target snomed-form',
    ]);
    assert.equal(table.look(undefined, 'B')?.system, SNOMED_CT);
  });

  it('say that a code has no target where the row says unmatched', async () => {
    const table = await tableOf('source,target,equivalence\nA,,unmatched\nB,1,narrower\n');
    assert.deepEqual(table.find(undefined, 'A'), { outcome: 'unmatched' });
    assert.equal(table.look(undefined, 'A'), undefined);
    assert.equal(table.look(undefined, 'B')?.equivalence, 'narrower');
    assert.deepEqual(places((await read('source,target,equivalence\nA,1,same\n')).errors), ['2 equivalence values']);
  });

  it('stop where a quote does not close, with its line', async () => {
    const { table, errors } = await read('source,target\nA,1\n"B,2\nC,3\n');
    assert.equal(table, undefined);
    assert.deepEqual(places(errors), ['3 quote']);
  });

  it('refuse an empty file, a header without rows, and UTF-16', async () => {
    assert.equal((await read('')).table, undefined);
    assert.deepEqual(places((await read('source,target\n')).errors), ['rows']);
    await assert.rejects(read(Buffer.from('\ufeffsource,target', 'utf16le')), { code: 'MESH_UNREADABLE' });
  });

  it('have the version of their owner, or one that changes with the content', async () => {
    const [one, same, other] = await Promise.all(
      ['A,1', 'A,1', 'A,2'].map((row) => tableOf(`source,target\n${row}\n`)),
    );
    assert.equal(one?.version, same?.version);
    assert.notEqual(one?.version, other?.version);
    assert.equal((await tableOf('source,target\nA,1\n', { version: '2026-11' })).version, '2026-11');
  });

  it(`refuse ten million rows after the first ${MAX_ROWS}, and say the limit`, async function () {
    this.timeout(60_000);
    const block = Buffer.from(Array.from({ length: 1000 }, (_, index) => `${index},1\n`).join(''));
    let read10 = 0;
    const source = {
      // Of rows without a target, so that nothing but the count is in the way.
      size: block.length * 10_000,
      async *open(start: number, end: number) {
        for await (const piece of Readable.from(
          Array.from({ length: Math.ceil((end - start) / block.length) }, () => block),
        )) {
          read10 += 1;
          yield piece as Buffer;
        }
      },
    };
    const options = {
      name: 'large',
      columns: { source: '1', target: '2' },
      hasHeader: false,
      encoding: 'ascii' as const,
    };
    const { table, errorCount, rows } = await readCodes(source, options);
    assert.equal(table, undefined);
    assert.equal(rows, MAX_ROWS + 1);
    assert.ok(errorCount > 0);
    assert.ok(read10 < 30_000);
  });
});
