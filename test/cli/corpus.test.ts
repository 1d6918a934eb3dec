/** `nhs-mesh corpus` over folders that the tests make, with every outcome. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { LOAD_TYPESCRIPT } from '../harness/typescript';
import type { Tally } from '../../lib/cli/corpus-tally';

const PROGRAM = join(__dirname, '../../lib/cli/main.ts');
const MARK = 'MARK9434765919';
const HL7 = `MSH|^~\\&|A|B|C|D|20260401||ADT^A01|M-1|P|2.4\rPID|||${MARK}\r`;
const EDIFACT = "UNB+UNOC:3+A+B+260401:1200+1'UNH+1+X'BGM+LSR'UNT+3+1'UNZ+1+1'";

/** Makes a folder of these files. */
async function folderOf(files: Record<string, string | Buffer>): Promise<string> {
  const folder = await emptyFolder();
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [...LOAD_TYPESCRIPT, PROGRAM, 'corpus', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  afterThisTest(() => child.kill());
  const texts = { out: '', err: '' };
  child.stdout.on('data', (piece: Buffer) => (texts.out += piece.toString()));
  child.stderr.on('data', (piece: Buffer) => (texts.err += piece.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...texts };
}

const tallyOf = async (...args: string[]): Promise<Tally & { code: number | null }> => {
  const { code, out } = await run(...args, '--json');
  return { ...(JSON.parse(out) as Tally), code };
};

describe('nhs-mesh corpus', function () {
  // Each run is a process: on a busy machine its start alone takes seconds.
  this.timeout(120_000);

  it('counts every file of a folder and its subfolders, by outcome and class, with two examples', async () => {
    const folder = await folderOf({
      'a.hl7': HL7,
      // Two messages of one file, of which one is an example.
      'ward/b.hl7': `${HL7}PV1|||\r${HL7}PV1|||\r`,
      'ward/c.hl7': `${HL7}PV1|||\r`,
      'ward/d.hl7': `${HL7}PV1|||\r`,
      'ward/old/batch.hl7': `BHS|^~\\&|A\r${HL7}${HL7}${HL7}PV1|1|\rBTS|3\r`,
      'x.txt': `${MARK} was seen`,
      'y.hl7': `${HL7}${MARK} was seen\r`,
      '.hidden': 'not counted',
    });
    await symlink(join(folder, 'a.hl7'), join(folder, 'link.hl7'));
    const { code, files, messages, outcomes, classes } = await tallyOf('--folder', folder, '--format', 'hl7');
    assert.deepEqual([code, files, messages], [0, 7, 11]);
    assert.deepEqual(outcomes, { equal: 4, canonical: 5, refused: 2, changed: 0, failed: 0 });
    const trailing = classes.find(({ reason }) => reason.startsWith('empty parts'));
    assert.equal(trailing?.messages, 5);
    assert.deepEqual(trailing.examples, [
      { file: join('ward', 'b.hl7'), place: 'message 1, segment 3 (PV1)' },
      { file: join('ward', 'c.hl7'), place: 'segment 3 (PV1)' },
    ]);
    assert.deepEqual(
      classes.filter(({ kind }) => kind === 'refused').map(({ examples }) => examples),
      [[{ file: 'x.txt', place: '' }], [{ file: 'y.hl7', place: 'segment 3' }]],
    );
  });

  it('prints no value of a message, and no name of a file if they are numbered', async () => {
    const folder = await folderOf({
      [`${MARK}.hl7`]: `${HL7}${MARK}\r`,
      'b.hl7': `${HL7}NTE|1||${MARK}\nNIL\r`,
      'c.hl7': Buffer.from(`${HL7}NTE|1||${MARK} \xe9\r`, 'latin1'),
      'd\u001b[31m.hl7': HL7.toLowerCase(),
    });
    const { code, out, err } = await run('--folder', folder, '--format', 'hl7', '--number-files');
    assert.equal(code, 0, err);
    assert.doesNotMatch(out + err, new RegExp(MARK, 'i'));
    assert.match(
      out,
      /refused: Segment n of the HL7 message has no segment name\.\n {2}1 message: file 1 \(segment 3\)/,
    );
    assert.match(out, /No value of a message is in this text/);
    const named = await run('--folder', folder, '--format', 'hl7');
    assert.ok(named.out.includes(`${MARK}.hl7`));
    // A name cannot act on the terminal.
    assert.ok(!named.out.includes('\u001b'));
  });

  it('reads EDIFACT and FHIR, XML and JSON', async () => {
    const edifact = await folderOf({
      'a.dat': EDIFACT + EDIFACT,
      'b.dat': EDIFACT.replace("LSR'", "LSR'\r\n"),
      'c.dat': 'UNB+',
    });
    assert.deepEqual((await tallyOf('--folder', edifact, '--format', 'edifact')).outcomes, {
      equal: 2,
      canonical: 1,
      refused: 1,
      changed: 0,
      failed: 0,
    });
    const fhir = await folderOf({
      'a.json': '{"resourceType":"Patient","id":"1"}',
      'b.xml': '<Patient xmlns="http://hl7.org/fhir"> <id value="1"/></Patient>',
      'c.xml': '<!DOCTYPE a [<!ENTITY b "c">]><Patient xmlns="http://hl7.org/fhir"><id value="&b;"/></Patient>',
      'd.json': '[]',
    });
    assert.deepEqual((await tallyOf('--folder', fhir, '--format', 'fhir')).outcomes, {
      equal: 1,
      canonical: 1,
      refused: 2,
      changed: 0,
      failed: 0,
    });
  });

  it('has exit code 1 with --expect-all when a message is refused, and 2 for a wrong option', async () => {
    const folder = await folderOf({ 'a.hl7': HL7, 'b.hl7': 'x' });
    assert.equal((await run('--folder', folder, '--format', 'hl7', '--expect-all')).code, 1);
    for (const [args, message] of [
      [['--folder', folder], /--format is required/],
      [['--folder', folder, '--format', 'hl8'], /--format must be hl7, edifact or fhir/],
      [['--folder', join(folder, 'no'), '--format', 'hl7'], /--folder is not a folder/],
      [['--folder', await emptyFolder(), '--format', 'hl7'], /There is no file/],
    ] as const) {
      const { code, err } = await run(...args);
      assert.equal(code, 2);
      assert.match(err, message);
    }
  });

  it('reads a file of 100 MB to its end: as messages, or refused with a reason', async () => {
    const message = `${HL7}OBX|1|ED|||${'A'.repeat(50_000)}\r`;
    const folder = await folderOf({
      'batch.hl7': message.repeat(Math.ceil(1e8 / message.length)),
      'one.hl7': `${HL7}OBX|1|ED|||${'A'.repeat(1e8)}\r`,
      'zero.hl7': Buffer.alloc(1e8),
    });
    const { code, outcomes, classes } = await tallyOf('--folder', folder, '--format', 'hl7');
    assert.equal(code, 0);
    assert.deepEqual([outcomes.equal, outcomes.refused], [Math.ceil(1e8 / message.length), 2]);
    assert.ok(classes.some(({ reason }) => reason.includes('larger than 64 MiB')));
  });
});
