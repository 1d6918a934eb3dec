/** Odd things in the out folder of the MESH Client: none of them keeps a good pair from being sent. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as promises from 'node:fs/promises';
import { mkdir, readdir, readFile, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFiles } from '../../lib/files';
import { removeOwn } from '../../lib/folders/files';
import { InFolder } from '../../lib/folders/in-folder';
import { OutFolder, type FolderProblem, type OutgoingPair } from '../../lib/folders/out-folder';
import { pairUp, readableName, type FolderEntry } from '../../lib/folders/pairing';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { fullErrorText } from '../harness/failure';
import { controlText, LETTER, RECEIVED } from './letters';

const FAILED = { time: '2026-11-22T10:15:30.000Z', event: 'SEND', success: false, code: '', description: 'no' };
const OPTIONS = { settledForMs: 1, patienceMs: 30, maxInFlight: 50 };

describe('the out folder', () => {
  let root: string;
  let out: string;
  beforeEach(async () => {
    root = await emptyFolder();
    out = join(root, 'out');
    await mkdir(out);
  });

  /** A path in the out folder by the bytes of its name: each character is one byte. */
  const path = (latin1: string): Buffer => Buffer.concat([Buffer.from(`${out}/`), Buffer.from(latin1, 'latin1')]);
  const drop = async (latin1: string, content = LETTER): Promise<void> => {
    await writeFile(path(`${latin1}.dat`), content);
    await writeFile(path(`${latin1}.ctl`), controlText());
  };
  const names = async (folder: string): Promise<string[]> => (await readdir(join(root, folder))).toSorted();

  /** Scans for a while, and returns everything that was offered and reported. */
  async function scans(): Promise<{ offered: OutgoingPair[]; problems: FolderProblem[]; needsAttention: number }> {
    const all = { offered: [] as OutgoingPair[], problems: [] as FolderProblem[], needsAttention: 0 };
    for (let at = 0; at < 12; at += 1) {
      const scan = await OutFolder.at(root).scan(OPTIONS);
      all.offered.push(...scan.offered);
      all.problems.push(...scan.problems);
      all.needsAttention = scan.needsAttention;
      await sleep(15);
    }
    return all;
  }

  /** Puts the odd thing in, then a good pair; only the good one is offered. Returns what was reported. */
  async function withGoodPair(): Promise<FolderProblem[]> {
    await drop('zz good');
    const { offered, problems } = await scans();
    assert.deepEqual(
      offered.map(({ stem }) => stem),
      ['zz good'],
    );
    for (const { error } of problems) assert.doesNotMatch(error ? fullErrorText(error) : '', /Schmidt/);
    return problems;
  }

  it('moves a pair whose name is no UTF-8 to failed, with its bytes as numbers, and tells it by that name', async () => {
    await drop('Schmidt J\xf6rg');
    const [problem, ...more] = await withGoodPair();
    assert.deepEqual([problem?.kind, problem?.name, more], ['bad-name', 'Schmidt%20J%F6rg.ctl', []]);
    assert.deepEqual(
      await names('failed'),
      ['.ctl', '.ctl.original', '.dat'].map((end) => `Schmidt%20J%F6rg${end}`),
    );
    assert.equal(await readFile(join(root, 'failed', 'Schmidt%20J%F6rg.dat'), 'utf8'), LETTER);
    assert.match(await readFile(join(root, 'failed', 'Schmidt%20J%F6rg.ctl'), 'utf8'), /no UTF-8/);
  });

  it('moves half a pair with such a name too', async () => {
    await writeFile(path('\xff\xfe.ctl'), controlText());
    assert.deepEqual(
      (await withGoodPair()).map(({ kind, name }) => [kind, name]),
      [['bad-name', '%FF%FE.ctl']],
    );
    assert.deepEqual(await names('out'), []);
  });

  const odd: Record<string, () => Promise<unknown>> = {
    'a folder': () => mkdir(join(out, 'Schmidt.ctl')),
    'a symbolic link': async () => {
      const secret = join(await emptyFolder(), 'private.key');
      await writeFile(secret, 'secret');
      await symlink(secret, join(out, 'Schmidt.ctl'));
    },
    'a pipe': async () => execFileSync('sh', ['-c', 'mkfifo "$0"', join(out, 'Schmidt.ctl')]),
  };
  for (const [what, make] of Object.entries(odd)) {
    it(`reports ${what} called x.ctl once, by its name, and leaves it there`, async () => {
      await make();
      const problems = await withGoodPair();
      assert.deepEqual(problems, [{ kind: 'not-a-file', name: 'Schmidt.ctl' }]);
      assert.deepEqual(await names('out'), ['Schmidt.ctl']);
      assert.equal((await scans()).needsAttention, 1);
    });
  }

  it('never reads through a link to another file: it is no .dat of the pair', async () => {
    const secret = join(await emptyFolder(), 'private.key');
    await writeFile(secret, 'secret');
    await symlink(secret, join(out, 'Schmidt.dat'));
    await writeFile(join(out, 'Schmidt.ctl'), controlText());
    const kinds = (await withGoodPair()).map(({ kind }) => kind).toSorted();
    assert.deepEqual(kinds, ['no-dat', 'not-a-file']);
  });

  it('notices a file that takes the place of a pair’s .dat while it is being collected', async () => {
    await drop('letter');
    await OutFolder.at(root).scan({ ...OPTIONS, settledForMs: 60_000 });
    await sleep(5);
    const secret = join(await emptyFolder(), 'private.key');
    await writeFile(secret, 'secret');
    setFiles({
      ...fs,
      ...promises,
      rename: async (from, to) => {
        if (basename(String(from)) === 'letter.dat') {
          await rm(from);
          await symlink(secret, from);
        }
        await promises.rename(from, to);
      },
    });
    afterThisTest(() => setFiles());
    const { offered } = await OutFolder.at(root).scan(OPTIONS);
    assert.deepEqual(offered, []);
    assert.equal(await readFile(secret, 'utf8'), 'secret');
  });

  it('moves a pair whose .ctl has a gigabyte to failed, without reading it', async () => {
    await drop('big');
    await truncate(join(out, 'big.ctl'), 1024 ** 3);
    const before = process.memoryUsage().rss;
    const [problem] = await withGoodPair();
    assert.equal(problem?.kind, 'unreadable');
    assert.match(problem.error?.message ?? '', /larger than/);
    assert.ok(process.memoryUsage().rss - before < 200_000_000);
    assert.deepEqual(await names('failed'), ['big.ctl', 'big.ctl.original', 'big.dat']);
  });

  it('moves a pair whose .ctl it may not read to failed, and sends those put in later', async () => {
    await drop('Schmidt');
    setFiles({
      ...fs,
      ...promises,
      open: (file, ...more) =>
        basename(String(file)) === 'Schmidt.ctl'
          ? Promise.reject(Object.assign(new Error('EACCES'), { code: 'EACCES' }))
          : promises.open(file, ...more),
    });
    afterThisTest(() => setFiles());
    const [problem] = await withGoodPair();
    assert.deepEqual([problem?.kind, problem?.name], ['unreadable', 'Schmidt.ctl']);
    assert.match(problem?.error?.message ?? '', /EACCES/);
    assert.deepEqual(await names('failed'), ['Schmidt.ctl', 'Schmidt.ctl.original', 'Schmidt.dat']);
  });

  it('reports a pair that cannot be moved once, and sends the others', async () => {
    await drop('Schmidt');
    setFiles({
      ...fs,
      ...promises,
      rename: (from, to) =>
        basename(String(from)) === 'Schmidt.dat'
          ? Promise.reject(Object.assign(new Error('EPERM'), { code: 'EPERM' }))
          : promises.rename(from, to),
    });
    afterThisTest(() => setFiles());
    assert.deepEqual(await withGoodPair(), [{ kind: 'stuck', name: 'Schmidt.ctl' }]);
    assert.deepEqual(await names('out'), ['Schmidt.ctl', 'Schmidt.dat']);
  });

  it('sends good pairs while a bad one cannot be moved to a full failed folder, and moves it when there is space', async () => {
    await drop('bad');
    await writeFile(join(out, 'bad.ctl'), '<DTSControl>');
    setFiles({
      ...fs,
      ...promises,
      rename: (from, to) =>
        String(to).startsWith(join(root, 'failed'))
          ? Promise.reject(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }))
          : promises.rename(from, to),
    });
    afterThisTest(() => setFiles());
    const problems = await withGoodPair();
    assert.deepEqual(
      problems.map(({ kind }) => kind),
      ['stuck'],
    );
    setFiles();
    await scans();
    assert.deepEqual(await names('failed'), ['bad.ctl', 'bad.ctl.original', 'bad.dat']);
  });

  it('a name of 255 bytes is sent, and fits into failed', async () => {
    const stem = `${'ü'.repeat(125)}x`;
    await drop(Buffer.from(stem).toString('latin1'));
    const { offered } = await scans();
    const [pair] = offered;
    assert.equal(pair?.stem, stem);
    await OutFolder.at(root).settle(pair.id, { folder: 'failed', status: FAILED });
    assert.equal((await names('failed')).length, 2);
    assert.deepEqual(await readdir(join(root, 'temp', 'out')), []);
    await drop(Buffer.from(stem).toString('latin1'));
    await writeFile(join(out, `${stem}.ctl`), '<DTSControl>');
    assert.deepEqual(
      (await scans()).problems.map(({ kind }) => kind),
      ['unreadable'],
    );
    assert.equal((await names('failed')).length, 5);
  });

  it('never puts the .dat of one letter with the .ctl of another whose name differs in case only', async () => {
    await drop('letter', 'of letter');
    await drop('LETTER', 'of LETTER');
    const { offered, problems } = await scans();
    assert.deepEqual(problems, []);
    const contents = await Promise.all(
      offered.map(async ({ stem, file }) => `${stem}: ${await readFile(file, 'utf8')}`),
    );
    assert.deepEqual(contents.toSorted(), ['LETTER: of LETTER', 'letter: of letter']);
  });

  it('reports names that could belong together in two ways, and sends none of them', async () => {
    await writeFile(join(out, 'Schmidt.dat'), 'one');
    await writeFile(join(out, 'SCHMIDT.dat'), 'other');
    await writeFile(join(out, 'schmidt.ctl'), controlText());
    const problems = await withGoodPair();
    assert.deepEqual(
      problems.map(({ kind }) => kind),
      ['ambiguous'],
    );
    assert.equal((await names('out')).length, 3);
  });
});

describe('the temp folder', () => {
  it('may have folders and files of somebody else in it: none is moved, sent or deleted', async () => {
    const root = await emptyFolder();
    const foreign = join(root, 'temp', 'out', 'backup');
    await mkdir(foreign, { recursive: true });
    for (const name of ['a.dat', 'a.ctl', 'notes.txt']) await writeFile(join(foreign, name), controlText());
    await mkdir(join(root, 'out'));
    for (const end of ['dat', 'ctl']) await writeFile(join(root, 'out', `b.${end}`), controlText());
    let id: string | undefined;
    while (id === undefined) {
      const { offered } = await OutFolder.at(root).scan(OPTIONS);
      assert.ok(offered.every(({ stem }) => stem === 'b'));
      id = offered[0]?.id;
    }
    await writeFile(join(root, 'temp', 'out', id, 'notes.txt'), 'x');
    await OutFolder.at(root).settle(id, { folder: 'sent', status: FAILED });
    await OutFolder.at(root).scan(OPTIONS);
    assert.deepEqual(await readdir(join(root, 'temp', 'out', id)), ['notes.txt']);
    assert.deepEqual((await readdir(foreign)).toSorted(), ['a.ctl', 'a.dat', 'notes.txt']);
    assert.deepEqual((await readdir(join(root, 'sent'))).toSorted(), ['b.ctl', 'b.dat']);
  });

  it('keeps old folders of somebody else beside the marks of messages that were handed over', async () => {
    const root = await emptyFolder();
    const old = join(root, 'temp', 'in', 'archive');
    await mkdir(old, { recursive: true });
    await writeFile(join(old, 'notes.txt'), 'x');
    await utimes(old, 1, 1);
    await new InFolder(root).write({ message: RECEIVED, payload: Buffer.from(LETTER) });
    assert.ok((await stat(join(old, 'notes.txt'))).isFile());
  });

  it('keeps what somebody else has put into a folder of ours, which goes when nothing else is in it', async () => {
    const folder = join(await emptyFolder(), 'mark');
    await mkdir(folder);
    for (const name of ['ours', 'notes.txt']) await writeFile(join(folder, name), 'x');
    await removeOwn(folder, ['ours']);
    assert.deepEqual(await readdir(folder), ['notes.txt']);
    await removeOwn(folder, ['notes.txt']);
    assert.deepEqual(await readdir(dirname(folder)), []);
  });
});

describe('names in an out folder', () => {
  const files = (...names: string[]): FolderEntry[] =>
    names.map((name) => ({ bytes: Buffer.from(name, 'latin1'), isFile: true }));
  const found = (...names: string[]): string[] =>
    pairUp(files(...names))
      .map(({ kind, names: bytes }) => `${kind}: ${bytes.map(readableName).join(' ')}`)
      .toSorted();

  for (const [what, names, expected] of [
    ['of one stem are a pair, whatever the case of their endings', ['a.DAT', 'a.ctl'], ['pair: a.DAT a.ctl']],
    [
      'that differ in case are a pair if nothing else fits',
      ['Ä.dat', 'ä.CTL'].map((name) => Buffer.from(name).toString('latin1')),
      ['pair: Ä.dat ä.CTL'],
    ],
    [
      'of one stem belong together before those of another case',
      ['a.dat', 'A.dat', 'a.ctl'],
      ['no-ctl: A.dat', 'pair: a.dat a.ctl'],
    ],
    ['of two endings of one kind are ambiguous', ['a.dat', 'a.DAT', 'a.ctl'], ['ambiguous: a.DAT a.dat a.ctl']],
    ['with other endings are ignored', ['a.txt', '.dat.part', 'a.ctl.original', 'ctl'], []],
  ] as const) {
    it(what, () => {
      const sorted = found(...names).map((line) => line.replace('a.dat a.DAT', 'a.DAT a.dat'));
      assert.deepEqual(sorted, expected);
    });
  }
});
