import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import type { NodeMessage } from 'node-red';
import { wholeOf, writeTarGz } from '../../lib/index';
import { deploy, helper, Recorder, statusesOf, stop, takeMissingTexts, type Flow } from './support';

const SCHEMA = JSON.stringify({
  columns: [
    { name: 'reference', required: true, unique: true },
    { name: 'nhsNumber', type: 'nhs-number', required: true },
  ],
});
const GOOD = '"reference",nhsNumber\r\n"a-1",9997877896\r\na-2,9991742182\na-3,9999081002';
const FAULTY = 'reference,nhsNumber\na-1,9997877896\na-2,9991742181\na-1,9999081002\n';

type Msg = Record<string, unknown> & { payload: unknown; csv: Record<string, unknown> };

const node = (id: string, settings: object, out = 'out'): Flow[number] => ({
  id,
  type: 'mesh-csv',
  schema: SCHEMA,
  schemaType: 'json',
  wires: [[out], ['findings']],
  ...settings,
});
const FLOW: Flow = [
  { id: 'out', type: 'helper' },
  { id: 'findings', type: 'helper' },
  { id: 'catcher', type: 'catch', wires: [['caught']] },
  { id: 'caught', type: 'helper' },
  { id: 'complete', type: 'complete', scope: ['node'], wires: [['completed']] },
  { id: 'completed', type: 'helper' },
];

const give = (id: string, msg: object): void => helper.getNode(id).receive(msg as NodeMessage);
const next = async (recorder: Recorder, count: number): Promise<Msg> => (await recorder.get(count)) as unknown as Msg;

describe('mesh-csv', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mesh-csv-'));
  });
  afterEach(async function () {
    this.timeout(20_000);
    await stop();
    await rm(folder, { recursive: true });
    assert.deepEqual(takeMissingTexts(), []);
  });

  it('passes a good file on as it came, and says what is in it', async () => {
    await deploy([node('node', { action: 'check' }), ...FLOW]);
    const out = new Recorder('out');
    const statuses = statusesOf('node');
    give('node', { payload: GOOD, topic: 'kept' });
    const { payload, topic, csv } = await next(out, 1);
    assert.deepEqual([payload, topic], [GOOD, 'kept']);
    assert.deepEqual(csv, {
      rows: 3,
      rejectedRows: 0,
      columns: ['reference', 'nhsNumber'],
      encoding: 'utf-8',
      byteOrderMark: false,
      lineEnds: { LF: 1, CRLF: 2, none: 1 },
      counts: {},
    });
    assert.deepEqual(statuses.at(-1), { fill: 'green', shape: 'dot', text: '3 rows' });
  });

  it('sends what is wrong with a file out of its second output, without a value, and writes both files', async () => {
    await deploy([node('node', { action: 'check', folder }), ...FLOW]);
    const found = new Recorder('findings');
    give('node', { payload: Buffer.from(FAULTY) });
    const { payload, csv } = await next(found, 1);
    assert.deepEqual(
      (payload as Array<Record<string, unknown>>).map(({ line, column, rule }) => [line, column, rule]),
      [
        [3, 'nhsNumber', 'nhs-number-check-digit'],
        [4, 'reference', 'unique'],
      ],
    );
    assert.deepEqual([csv['rows'], csv['rejectedRows']], [3, 2]);
    const rejected = await readFile(csv['rejectedFile'] as string, 'utf8');
    assert.equal(rejected, 'reference,nhsNumber\na-2,9991742181\na-1,9999081002\n');
    const findings = await readFile(csv['findingsFile'] as string, 'utf8');
    assert.match(findings, /^line,column,rule,text\r\n"3","nhsNumber","nhs-number-check-digit",".*"\r\n"4",/);
    assert.doesNotMatch(findings + JSON.stringify(payload), /99917|a-2/);
  });

  it('reports findings that no node receives as an error without a value', async () => {
    await deploy([{ ...node('node', { action: 'check' }), wires: [['out'], []] }, ...FLOW]);
    const caught = new Recorder('caught');
    give('node', { payload: FAULTY });
    const { error } = (await next(caught, 1)) as unknown as { error: { code: string; message: string } };
    assert.equal(error.code, 'MESH_UNREADABLE');
    assert.doesNotMatch(error.message, /99917|a-1/);
  });

  it('splits a file into parts, each when the one before has come back, and is complete with the last', async () => {
    await deploy([node('node', { action: 'split', size: 2, output: 'objects' }), ...FLOW]);
    const out = new Recorder('out');
    const completed = new Recorder('completed');
    give('node', { payload: Buffer.from(GOOD) });
    const first = await next(out, 1);
    assert.deepEqual(first.payload, [
      { reference: 'a-1', nhsNumber: '9997877896' },
      { reference: 'a-2', nhsNumber: '9991742182' },
    ]);
    const { index, count, len, type } = first['parts'] as Record<string, unknown>;
    assert.deepEqual([index, count, len, type, first.csv['firstRow']], [0, 2, 2, 'array', 1]);
    // Nothing goes out until it comes back; a part that comes back twice asks for one part only.
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(out.messages.length, 1);
    give('node', first);
    give('node', first);
    const second = await next(out, 2);
    assert.deepEqual(second.payload, [{ reference: 'a-3', nhsNumber: '9999081002' }]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(completed.messages.length, 0);
    give('node', second);
    assert.equal('parts' in (await next(completed, 1)), false);
  });

  it('gives a file up with msg.reset, and takes the next one', async () => {
    await deploy([node('node', { action: 'split', size: 1, output: 'bytes' }), ...FLOW]);
    const out = new Recorder('out');
    give('node', { payload: GOOD });
    give('node', { payload: GOOD.replaceAll('a-', 'b-') });
    await next(out, 1);
    give('node', { reset: true });
    assert.match(String((await next(out, 2)).payload), /b-1/);
  });

  it('joins parts, in whatever order they come, to the file that was split, byte by byte', async () => {
    for (const output of ['objects', 'bytes', 'file']) {
      await deploy([
        node('node', { action: 'split', size: 1, output, next: 'at-once', folder }),
        node('joiner', { action: 'join', output: output === 'file' ? 'file' : 'bytes', folder }, 'joined'),
        { id: 'joined', type: 'helper' },
        ...FLOW,
      ]);
      const out = new Recorder('out');
      const joined = new Recorder('joined');
      give('node', { payload: Buffer.from(`\uFEFF${GOOD}`) });
      await next(out, 3);
      for (const part of out.messages.toReversed()) give('joiner', part);
      const { payload, csv, parts } = await next(joined, 1);
      const bytes = output === 'file' ? await readFile(payload as string) : (payload as Buffer);
      assert.equal(bytes.toString(), `\uFEFF${GOOD}`);
      assert.deepEqual([csv['rows'], parts], [3, undefined]);
      await stop();
    }
  });

  it('leaves out faulty rows, if it is set to, after it has told them', async () => {
    await deploy([
      node('node', { action: 'split', size: 5, output: 'bytes', next: 'at-once', faulty: 'set-aside' }),
      ...FLOW,
    ]);
    const out = new Recorder('out');
    const found = new Recorder('findings');
    give('node', { payload: FAULTY });
    assert.equal(String((await next(out, 1)).payload), 'reference,nhsNumber\na-1,9997877896\n');
    assert.equal(found.messages.length, 1);
    // A fault of the file as a whole refuses it.
    give('node', { payload: 'nhsNumber\n9997877896\n' });
    await next(found, 2);
    assert.equal(out.messages.length, 1);
  });

  it('reads a file at a path as mesh-poll sends it, and names no path in an error', async () => {
    await deploy([node('node', { action: 'split', size: 2, output: 'file', next: 'at-once', folder }), ...FLOW]);
    const path = join(folder, 'in.csv');
    await writeFile(path, GOOD);
    const out = new Recorder('out');
    give('node', { payload: path, filename: path });
    const { payload, filename } = await next(out, 2);
    assert.equal(payload, filename);
    assert.equal(await readFile(payload as string, 'utf8'), '"reference",nhsNumber\r\na-3,9999081002');
    assert.equal((await readdir(folder)).length, 3);
    const caught = new Recorder('caught');
    const missing = join(folder, 'PATIENT.csv');
    give('node', { payload: missing, filename: missing });
    const { error } = (await next(caught, 1)) as unknown as { error: { message: string } };
    assert.doesNotMatch(error.message, /PATIENT/);
  });

  it('writes an array of rows as a file, and refuses a schema that is wrong with the place of its fault', async () => {
    await deploy([
      node('node', { action: 'join', output: 'bytes', schema: '{"lineEnd":"LF"}' }),
      node('wrong', { action: 'check', schema: '{"delimiters":";"}' }),
      ...FLOW,
    ]);
    const out = new Recorder('out');
    give('node', { payload: [{ a: 1, b: 'x,y' }, { b: 'z' }] });
    assert.equal(String((await next(out, 1)).payload), 'a,b\n1,"x,y"\n,z\n');
    const caught = new Recorder('caught');
    give('wrong', { payload: GOOD });
    const { error } = (await next(caught, 1)) as unknown as { error: { code: string; message: string } };
    assert.equal(error.code, 'MESH_CONFIGURATION');
    assert.match(error.message, /delimiters/);
  });

  it('opens an archive to a message for each file, and nothing of one with a link', async () => {
    await deploy([node('node', { action: 'open', output: 'bytes', next: 'returned' }), ...FLOW]);
    const out = new Recorder('out');
    const files = [
      { name: 'my_submission.csv', bytes: Buffer.from(GOOD) },
      { name: 'submission.json', bytes: Buffer.from('{}') },
    ];
    give('node', { payload: await wholeOf(writeTarGz(files)) });
    const first = await next(out, 1);
    assert.deepEqual(
      [first.payload, first['archive']],
      [files[0]?.bytes, { name: 'my_submission.csv', size: GOOD.length }],
    );
    give('node', first);
    assert.deepEqual((await next(out, 2)).payload, files[1]?.bytes);
    const caught = new Recorder('caught');
    const link = { header: { name: 'a', size: 0, type: 'symlink' as const, linkname: '/etc/passwd' } };
    const good = { header: { name: 'b', size: 1 }, body: 'x' };
    give('node', out.messages[1] ?? {});
    give('node', { payload: gzipSync(await packTar([good, link])) });
    const { error } = (await next(caught, 1)) as unknown as { error: { code: string } };
    assert.equal(error.code, 'MESH_UNREADABLE');
    assert.equal(out.messages.length, 2);
  });

  it('opens an archive within the limits of its dialog', async () => {
    const limited = (id: string, limit: object): Flow[number] =>
      node(id, { action: 'open', output: 'bytes', ...limit });
    await deploy([
      node('node', { action: 'open', output: 'bytes', next: 'at-once', maxFiles: 2, maxMegabytes: 1, maxName: 8 }),
      limited('files', { maxFiles: 1 }),
      limited('size', { maxMegabytes: '0.1' }),
      limited('bytes', { maxMegabytes: 1 }),
      limited('ratio', { maxRatio: '1' }),
      limited('name', { maxName: 3 }),
      ...FLOW,
    ]);
    const files = [
      { name: 'long.csv', bytes: Buffer.from(randomBytes(650_000).toString('hex')) },
      { name: 'b', bytes: Buffer.from('y') },
    ];
    const payload = await wholeOf(writeTarGz(files));
    const caught = new Recorder('caught');
    const expected = [
      ['files', /more than 1 files/],
      ['size', /maxMegabytes/],
      ['bytes', /larger than 1000000 bytes/],
      ['ratio', /more than 1 times/],
      ['name', /too long/],
    ] as const;
    for (const [index, [id, words]] of expected.entries()) {
      give(id, { payload });
      const { error } = (await next(caught, index + 1)) as unknown as { error: { message: string } };
      assert.match(error.message, words);
    }
    const out = new Recorder('out');
    give('node', { payload: await wholeOf(writeTarGz(files.slice(1))) });
    assert.deepEqual((await next(out, 1))['archive'], { name: 'b', size: 1 });
  });
});
