import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readControlFile, writeControlFile } from '../../lib/folders/control-file';
import { InFolder } from '../../lib/folders/in-folder';
import { OutFolder, type Scan } from '../../lib/folders/out-folder';
import { controlText, LETTER, RECEIVED } from './letters';
import { LOAD_TYPESCRIPT } from '../harness/typescript';

const SUCCESS = { time: '2026-11-22T10:15:30.000Z', event: 'TRANSFER', success: true, code: '00', description: 'ok' };

describe('the folders of the MESH Client', () => {
  let root: string;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mesh-folders-'));
    await mkdir(join(root, 'out'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const names = async (folder: string): Promise<string[]> => (await readdir(join(root, folder))).toSorted();
  const text = (...path: string[]): Promise<string> => readFile(join(root, ...path), 'utf8');
  const drop = async (name: string, control = controlText()): Promise<void> => {
    await writeFile(join(root, 'out', `${name}.dat`), LETTER);
    await writeFile(join(root, 'out', `${name}.ctl`), control);
  };
  const OPTIONS = { settledForMs: 1, patienceMs: 60_000, maxInFlight: 50 };
  /** Scans until a pair is offered or a problem reported. */
  const scanUntil = async (options = OPTIONS): Promise<Scan> => {
    for (const end = Date.now() + 10_000; ;) {
      const scan = await OutFolder.at(root).scan(options);
      if (scan.offered.length > 0 || scan.problems.length > 0 || Date.now() > end) return scan;
      await sleep(5);
    }
  };

  describe('out', () => {
    it('offers a pair with its fields, once, and moves it to sent with MESH’s id and a StatusRecord', async () => {
      await drop('letter');
      const [pair] = (await scanUntil()).offered;
      assert.ok(pair);
      assert.equal(await readFile(pair.file, 'utf8'), LETTER);
      assert.equal(pair.control['Subject'], 'Discharge & more');
      assert.deepEqual((await OutFolder.at(root).scan(OPTIONS)).offered, []);
      await OutFolder.at(root).settle(pair.id, { folder: 'sent', fields: { DTSId: 'M1' }, status: SUCCESS });
      await OutFolder.at(root).settle(pair.id, { folder: 'failed', status: SUCCESS });
      assert.deepEqual(
        [await names('out'), await names('sent'), await names('failed')],
        [[], ['letter.ctl', 'letter.dat'], []],
      );
      const control = await text('sent', 'letter.ctl');
      for (const expected of [
        '<DTSId>M1</DTSId>',
        '<Status>SUCCESS</Status>',
        '<DateTime>20261122101530</DateTime>',
        '<LocalId>PAS-1<',
      ]) {
        assert.ok(control.includes(expected), expected);
      }
    });

    it('leaves a pair alone while either half is still being written', async () => {
      await drop('letter');
      for (let grown = 0; grown < 5; grown += 1) {
        const scan = await OutFolder.at(root).scan({ ...OPTIONS, settledForMs: 60_000 });
        assert.deepEqual([scan.offered, scan.isUnsettled], [[], true]);
        await appendFile(join(root, 'out', 'letter.dat'), ' and more');
      }
      assert.deepEqual(await names('out'), ['letter.ctl', 'letter.dat']);
      await writeFile(join(root, 'out', 'letter.ctl'), controlText().slice(0, 60));
      await OutFolder.at(root).scan(OPTIONS);
      await sleep(20);
      assert.deepEqual((await OutFolder.at(root).scan(OPTIONS)).offered, []);
      await writeFile(join(root, 'out', 'letter.ctl'), controlText());
      assert.equal((await scanUntil()).offered.length, 1);
    });

    it('reports half a pair once, leaves it, and claims it when the other half comes', async () => {
      await writeFile(join(root, 'out', 'letter.ctl'), controlText());
      await writeFile(join(root, 'out', 'other.dat'), LETTER);
      const kinds = (await scanUntil({ ...OPTIONS, patienceMs: 1 })).problems.map(({ kind }) => kind);
      assert.deepEqual(kinds.toSorted(), ['no-ctl', 'no-dat']);
      assert.deepEqual((await OutFolder.at(root).scan({ ...OPTIONS, patienceMs: 1 })).problems, []);
      await writeFile(join(root, 'out', 'letter.dat'), LETTER);
      assert.equal((await scanUntil()).offered.length, 1);
      assert.deepEqual(await names('out'), ['other.dat']);
    });

    it('moves a pair that cannot be read to failed with the reason, and keeps the original', async () => {
      await drop('letter', '<DTSControl><To_DTS>X26</DTSControl>');
      const scan = await scanUntil({ ...OPTIONS, patienceMs: 1 });
      assert.deepEqual(
        scan.problems.map(({ kind }) => kind),
        ['unreadable'],
      );
      assert.match(scan.problems[0]?.error?.message ?? '', /not well-formed/);
      assert.deepEqual(await names('failed'), ['letter.ctl', 'letter.ctl.original', 'letter.dat']);
      assert.match(await text('failed', 'letter.ctl'), /<Status>ERROR<\/Status>[\s\S]*not well-formed/);
      assert.match(await text('failed', 'letter.ctl.original'), /<To_DTS>X26<\/DTSControl>/);
    });

    it('gives two pairs with the same name different names in sent', async () => {
      for (let number = 0; number < 2; number += 1) {
        await drop('letter');
        const [pair] = (await scanUntil()).offered;
        await OutFolder.at(root).settle(pair?.id ?? '', { folder: 'sent', status: SUCCESS });
      }
      assert.deepEqual(await names('sent'), ['letter.2.ctl', 'letter.2.dat', 'letter.ctl', 'letter.dat']);
    });

    it('claims no more than maxInFlight, the oldest first', async () => {
      for (const name of ['c', 'b', 'a']) {
        await drop(name);
        await sleep(10);
      }
      const first = await scanUntil({ ...OPTIONS, maxInFlight: 2 });
      assert.deepEqual(
        first.offered.map(({ stem }) => stem),
        ['c', 'b'],
      );
      assert.deepEqual((await OutFolder.at(root).scan({ ...OPTIONS, maxInFlight: 2 })).offered, []);
      await OutFolder.at(root).settle(first.offered[0]?.id ?? '', { folder: 'sent', status: SUCCESS });
      assert.deepEqual(
        (await scanUntil({ ...OPTIONS, maxInFlight: 2 })).offered.map(({ stem }) => stem),
        ['a'],
      );
    });

    it('recognises OUT and .DAT in capitals, and uses existing folders', async () => {
      await rename(join(root, 'out'), join(root, 'OUT'));
      await writeFile(join(root, 'OUT', 'L.DAT'), LETTER);
      await writeFile(join(root, 'OUT', 'L.ctl'), controlText());
      assert.equal((await scanUntil()).offered.length, 1);
      assert.ok(!(await names('.')).includes('out'));
    });
  });

  describe('in', () => {
    it('writes a message as the client does, and a report as a .ctl alone', async () => {
      await new InFolder(root).write({ message: RECEIVED, payload: Buffer.from(LETTER) });
      const report = {
        ...RECEIVED,
        messageType: 'REPORT' as const,
        messageId: 'R1',
        from: '',
        linkedMessageId: 'M1',
        statusCode: '14',
      };
      await new InFolder(root).write({
        message: { ...report, statusEvent: 'SEND', statusDescription: 'not collected' },
      });
      assert.deepEqual(await names('in'), [`${RECEIVED.messageId}.ctl`, `${RECEIVED.messageId}.dat`, 'R1.ctl']);
      const data = await text('in', `${RECEIVED.messageId}.ctl`);
      for (const expected of [
        '<From_ESMTP>x26abc2@dts.nhs.uk</From_ESMTP>',
        '<Subject>A &lt;subject&gt;</Subject>',
        '<StatusCode>00<',
      ]) {
        assert.ok(data.includes(expected), expected);
      }
      const reportText = await text('in', 'R1.ctl');
      for (const expected of [
        '<MessageType>Report<',
        '<DTSId>M1<',
        '<Event>SEND<',
        '<Status>ERROR<',
        '<StatusCode>14<',
      ]) {
        assert.ok(reportText.includes(expected), expected);
      }
    });

    it('does not write a message again that was removed', async () => {
      assert.deepEqual(await new InFolder(root).write({ message: RECEIVED, payload: Buffer.from(LETTER) }), {
        isNew: true,
      });
      await rm(join(root, 'in'), { recursive: true });
      assert.deepEqual(await new InFolder(root).write({ message: RECEIVED, payload: Buffer.from(LETTER) }), {
        isNew: false,
      });
      assert.deepEqual(await names('in'), []);
    });

    it('accepts many messages at once from several writers', async () => {
      const writer = async (lane: number): Promise<void> => {
        for (let number = 0; number < 15; number += 1) {
          const message = { ...RECEIVED, messageId: `ID_${lane}_${number}` };
          await new InFolder(root).write({ message, payload: Buffer.from('x') });
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, lane) => writer(lane)));
      assert.equal((await names('in')).length, 240);
    });

    it('does not take a message id for a path or a device', async () => {
      await new InFolder(root).write({ message: { ...RECEIVED, messageId: '../../etc/x' }, payload: Buffer.from('x') });
      assert.deepEqual(await names('in'), ['x.ctl', 'x.dat']);
      await new InFolder(root).write({ message: { ...RECEIVED, messageId: 'NUL' }, payload: Buffer.from('x') });
      assert.deepEqual(await names('in'), ['_NUL.ctl', '_NUL.dat', 'x.ctl', 'x.dat']);
    });
  });

  describe('a control file', () => {
    it('is read in UTF-8, UTF-16 and windows-1252, whatever its order', () => {
      const name = (bytes: Buffer): string | undefined => readControlFile(bytes)['Subject'];
      const xml =
        '<DTSControl Version="1.0"><Subject>Zoë</Subject><StatusRecord><Subject>no</Subject></StatusRecord></DTSControl>';
      assert.equal(name(Buffer.from(xml)), 'Zoë');
      assert.equal(name(Buffer.from(`\ufeff${xml}`, 'utf16le')), 'Zoë');
      assert.equal(name(Buffer.from(xml, 'latin1')), 'Zoë');
    });

    it('that is not one is refused without being quoted', () => {
      for (const bad of [
        '',
        'secret',
        '<a/>',
        '<DTSControl>',
        `<!DOCTYPE x><DTSControl/>`,
        `<DTSControl>${' '.repeat(70_000)}</DTSControl>`,
      ]) {
        assert.throws(
          () => readControlFile(Buffer.from(bad)),
          /^InvalidMessageError: The control file \(\.ctl\) cannot be read: (?!.*secret)/,
        );
      }
    });

    it('is read as it was written, whatever it contains', () => {
      const fields = { Subject: 'a < b & c > "d"', LocalId: 'x\ty' };
      assert.deepEqual(readControlFile(Buffer.from(writeControlFile(fields, SUCCESS))), fields);
      assert.doesNotThrow(() => readControlFile(Buffer.from(writeControlFile({ Subject: 'a\u0000\ud800b' }))));
    });
  });

  describe('a kill at any rename', function () {
    this.timeout(120_000);

    /** Runs the child. Returns true if it was killed. */
    const run = async (direction: 'out' | 'in', at: number, when: string): Promise<boolean> => {
      const args = [...LOAD_TYPESCRIPT, join(__dirname, 'kill-child.ts'), direction, root, String(at), when];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
      const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
      assert.ok(code === 0 || signal === 'SIGKILL', `exit ${code}`);
      return signal === 'SIGKILL';
    };

    it('sends a pair under one id, and leaves it in sent, complete and once', async () => {
      let kills = 0;
      for (let at = 1; ; at += 1) {
        await drop('letter');
        if (!(await run('out', at, at % 2 ? 'before' : 'after'))) break;
        kills += 1;
        await run('out', 0, '');
        const offers = (await text('offered')).trim().split('\n');
        assert.equal(new Set(offers).size, 1, `offered under two ids after a kill at rename ${at}`);
        assert.match(offers[0] ?? '', / true$/);
        assert.deepEqual(await names('sent'), ['letter.ctl', 'letter.dat'], `after a kill at rename ${at}`);
        assert.equal(await text('sent', 'letter.dat'), LETTER);
        assert.ok((await text('sent', 'letter.ctl')).includes('<DTSId>M1</DTSId>'));
        assert.deepEqual(await names('temp/out'), []);
        for (const name of ['sent', 'temp', 'offered']) await rm(join(root, name), { recursive: true, force: true });
      }
      assert.ok(kills >= 5, `${kills} kills`);
    });

    it('hands a received message over once, complete', async () => {
      let kills = 0;
      for (let at = 1; ; at += 1) {
        if (!(await run('in', at, at % 2 ? 'before' : 'after'))) break;
        kills += 1;
        // Another system collects a message as soon as its .ctl is there.
        let collected = 0;
        for (let round = 0; round < 2; round += 1) {
          const found = await readdir(join(root, 'in')).catch(() => []);
          if (found.some((name) => name.endsWith('.ctl'))) {
            assert.equal(await text('in', `${RECEIVED.messageId}.dat`), LETTER);
            collected += 1;
            await rm(join(root, 'in'), { recursive: true });
          }
          if (round === 0) await run('in', 0, '');
        }
        assert.equal(collected, 1, `after a kill at rename ${at}`);
        await rm(join(root, 'temp'), { recursive: true });
      }
      assert.ok(kills >= 4, `${kills} kills`);
    });
  });
});
