import assert from 'node:assert/strict';
import { mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { helper, deploy, logText, Recorder, redeploy, statusesOf, until, useUserDir, type Flow } from './support';
import type { CodesNode } from '../../nodes/codes/codes-node';

const LOINC = 'http://loinc.org';
const NHS_NUMBER = '9997877896';

interface Looked {
  payload: unknown;
  codeLookup: {
    outcome: string;
    target?: { code: string; line?: number };
    table: { version: string; isOutdated: boolean };
  };
  error: { code: string; message: string };
}

const codes = (settings: object): Flow[number] => ({ id: 'codes', type: 'mesh-codes', name: 'lab', ...settings });
const typed = (rows: object[], settings: object = {}): Flow[number] =>
  codes({ from: 'rows', rows: JSON.stringify(rows), ...settings });
const lookup = (settings: object = {}, wires: string[][] = [['found'], ['not-found']]): Flow[number] => ({
  id: 'node',
  type: 'mesh-code-lookup',
  table: 'codes',
  wires,
  ...settings,
});
const FLOW: Flow = [
  { id: 'found', type: 'helper' },
  { id: 'not-found', type: 'helper' },
  { id: 'catcher', type: 'catch', wires: [['caught']] },
  { id: 'caught', type: 'helper' },
];
const SODIUM = { sourceSystem: 'urn:lab', source: 'NA', targetSystem: 'LN', target: '2951-2', display: 'Sodium' };

const give = (payload: unknown): void => helper.getNode('node').receive({ payload });
const next = async (recorder: Recorder, count: number): Promise<Looked> =>
  (await recorder.get(count)) as unknown as Looked;

describe('mesh-codes and mesh-code-lookup', () => {
  const userDir = useUserDir();
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mesh-codes-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('replace a code by the Coding of its target, and say which table and row it is from', async () => {
    await deploy([typed([SODIUM], { tableVersion: '2026-11' }), lookup(), ...FLOW]);
    const found = new Recorder('found');
    give(' NA ');
    const { payload, codeLookup } = await next(found, 1);
    assert.deepEqual(payload, { system: LOINC, code: '2951-2', display: 'Sodium' });
    assert.deepEqual(codeLookup, {
      outcome: 'found',
      source: { code: 'NA' },
      target: { system: LOINC, code: '2951-2', display: 'Sodium', line: 1 },
      table: { name: 'lab', version: '2026-11', isOutdated: false },
    });
  });

  it('take the system of a Coding, or of the node, and write the code alone if asked', async () => {
    await deploy([typed([SODIUM]), lookup({ result: 'code', system: 'urn:other', systemType: 'str' }), ...FLOW]);
    const found = new Recorder('found');
    const notFound = new Recorder('not-found');
    give({ system: 'urn:lab', code: 'NA' });
    assert.equal((await next(found, 1)).payload, '2951-2');
    give('NA');
    const { payload, codeLookup } = await next(notFound, 1);
    assert.deepEqual([payload, codeLookup.outcome], ['NA', 'unknown']);
  });

  it('refuse a number that has lost digits, and what is no code', async () => {
    await deploy([typed([{ source: '12', target: 'x' }]), lookup(), ...FLOW]);
    const found = new Recorder('found');
    const caught = new Recorder('caught');
    give(12);
    assert.deepEqual((await next(found, 1)).payload, { code: 'x' });
    let count = 0;
    // A SNOMED CT code of 18 digits, as JSON.parse would read it.
    for (const wrong of [Number('999000041000000102'), '', null, [], { text: 'NA' }]) {
      give(wrong);
      count += 1;
      assert.equal((await next(caught, count)).error.code, 'MESH_INVALID_MESSAGE');
    }
    assert.match((await next(caught, 1)).error.message, /lost digits/);
  });

  it('report a code that nothing receives as an error without the code', async () => {
    await deploy([typed([SODIUM]), lookup({}, [['found'], []]), ...FLOW]);
    const caught = new Recorder('caught');
    give('MARKED');
    const { error } = await next(caught, 1);
    assert.equal(error.code, 'MESH_NOT_FOUND');
    assert.match(error.message, /table lab/);
    assert.doesNotMatch(error.message + logText(), /MARKED/);
  });

  it('send targets that are not equivalent out of the second output if asked', async () => {
    const rows = ['equal', 'narrower', ''].map((equivalence, index) => ({
      source: `${index}`,
      target: 'x',
      equivalence,
    }));
    await deploy([typed(rows), lookup({ accept: 'equivalent' }), ...FLOW]);
    const found = new Recorder('found');
    const notFound = new Recorder('not-found');
    for (const code of ['0', '1', '2']) give(code);
    assert.equal((await next(notFound, 1)).codeLookup.outcome, 'not-equivalent');
    await next(found, 2);
  });

  it('list codes that were looked up in vain, also after a restart, until the table has them', async () => {
    const flow = [typed([SODIUM]), lookup(), ...FLOW];
    await deploy(flow);
    const notFound = new Recorder('not-found');
    for (const code of ['K', 'K', 'GLU', NHS_NUMBER, 'x'.repeat(100), '=cmd()']) give(code);
    await next(notFound, 6);
    await redeploy([typed([SODIUM, { source: 'GLU', target: '2345-7' }]), lookup(), ...FLOW]);
    const path = join(userDir(), 'mesh', 'codes', 'codes.json');
    await until(() => helper.getNode('node') !== null, 'the node');
    await (helper.getNode('codes') as CodesNode).table();
    await helper.unload();
    const stored = JSON.parse(await readFile(path, 'utf8')) as {
      codes: Array<{ code: string; count: number }>;
      notListed: number;
    };
    assert.deepEqual(
      stored.codes.map(({ code, count }) => [code, count]),
      [
        ['K', 2],
        ['=cmd()', 1],
      ],
    );
    assert.equal(stored.notListed, 2);
  });

  it('read a changed file without a deploy', async function () {
    this.timeout(30_000);
    const file = join(folder, 'codes.csv');
    await writeFile(file, 'source,target\nNA,1\n');
    await deploy([codes({ from: 'file', file }), lookup(), ...FLOW]);
    const found = new Recorder('found');
    const notFound = new Recorder('not-found');
    give('K');
    await next(notFound, 1);
    await writeFile(`${file}.new`, 'source,target\nNA,1\nK,2\n');
    await rename(`${file}.new`, file);
    await until(() => rowsOf() === 2, 'the new table', 15_000);
    give('K');
    assert.deepEqual((await next(found, 1)).payload, { code: '2' });
  });

  it('serve the last good table while its file is faulty, cut, shrunk or away, and say so', async function () {
    this.timeout(60_000);
    const file = join(folder, 'codes.csv');
    const good = 'source,target\nNA,1\nK,2\nGLU,3\nUREA,4\n';
    await writeFile(file, good);
    await deploy([codes({ from: 'file', file }), lookup(), ...FLOW]);
    const statuses = statusesOf('node');
    const found = new Recorder('found');
    await (helper.getNode('codes') as CodesNode).table();
    let count = 0;
    const stillServes = async (text: RegExp): Promise<void> => {
      await until(() => text.test(logText()), String(text), 15_000);
      give('UREA');
      count += 1;
      const { payload, codeLookup } = await next(found, count);
      assert.deepEqual([payload, codeLookup.table.isOutdated], [{ code: '4' }, true]);
      assert.equal(statuses.at(-1)?.fill, 'yellow');
    };
    await writeFile(file, `${good}NA,5\n`);
    await stillServes(/errors \(1\), the first one in line 6, column source.*earlier table serves on/);
    await writeFile(file, good.slice(0, -1));
    await stillServes(/last line of the table's file does not end/);
    await writeFile(file, 'source,target\nNA,1\n');
    await stillServes(/has only 1 of 4 rows/);
    await rm(file);
    await stillServes(/cannot be read \(ENOENT\)/);
    await writeFile(file, good.replace('UREA,4', 'UREA,5'));
    await until(() => /good again/.test(logText()), 'the good table', 15_000);
    give('UREA');
    const { payload, codeLookup } = await next(found, count + 1);
    assert.deepEqual([payload, codeLookup.table.isOutdated], [{ code: '5' }, false]);
  });

  it('do not take a file that is still written, however long that takes', async function () {
    this.timeout(30_000);
    const file = join(folder, 'codes.csv');
    await writeFile(file, 'source,target\nNA,1\n');
    await deploy([codes({ from: 'file', file }), lookup(), ...FLOW]);
    await (helper.getNode('codes') as CodesNode).table();
    let content = 'source,target\n';
    for (let row = 0; row < 12; row += 1) {
      content += `K${row},${row}\n`;
      await writeFile(file, content);
      assert.equal(rowsOf(), 1);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    await until(() => rowsOf() === 12, 'the whole table', 15_000);
  });

  it('follow a link to a file, as containers mount them, and read what it points to next', async function () {
    this.timeout(30_000);
    const link = join(folder, 'current.csv');
    for (const name of ['one', 'two']) await writeFile(join(folder, name), `source,target\nNA,${name}\n`);
    await symlink(join(folder, 'one'), link);
    await deploy([codes({ from: 'file', file: link }), lookup(), ...FLOW]);
    const found = new Recorder('found');
    give('NA');
    assert.deepEqual((await next(found, 1)).payload, { code: 'one' });
    await symlink(join(folder, 'two'), `${link}.new`);
    await rename(`${link}.new`, link);
    const before = versionOf();
    await until(() => versionOf() !== before, 'the other file', 15_000);
    give('NA');
    assert.deepEqual((await next(found, 2)).payload, { code: 'two' });
  });

  it('refuse every look-up while there is no good table, with what is wrong, and heal without a deploy', async function () {
    this.timeout(30_000);
    const file = join(folder, 'codes.csv');
    await writeFile(file, 'source,target\nNA,1\nNA,2\n');
    await deploy([codes({ from: 'file', file }), lookup(), ...FLOW]);
    const caught = new Recorder('caught');
    const found = new Recorder('found');
    give('NA');
    const { error } = await next(caught, 1);
    assert.equal(error.code, 'MESH_CONFIGURATION');
    assert.match(error.message, /line 3, column source.*No code can be looked up/);
    await writeFile(file, 'source,target\nNA,1\n');
    await until(() => rowsOf() === 1, 'the good table', 15_000);
    give('NA');
    await next(found, 1);
  });

  it('refuse a table without a file, a missing variable and no table at all', async () => {
    for (const table of [codes({ from: 'file', file: '' }), codes({ from: 'file', file: '${NOT_SET_HERE}' })]) {
      await deploy([table, lookup(), ...FLOW]);
      const caught = new Recorder('caught');
      give('NA');
      assert.equal((await next(caught, 1)).error.code, 'MESH_CONFIGURATION');
      await helper.unload();
    }
    await deploy([lookup({ table: '' }), ...FLOW]);
    const caught = new Recorder('caught');
    give('NA');
    assert.match((await next(caught, 1)).error.message, /No code table is selected/);
  });

  function rowsOf(): number {
    let rows = -1;
    (helper.getNode('codes') as CodesNode).onTable((state) => (rows = state.rows))();
    return rows;
  }

  function versionOf(): string | undefined {
    let version: string | undefined;
    (helper.getNode('codes') as CodesNode).onTable(({ table }) => (version = table?.version))();
    return version;
  }
});
