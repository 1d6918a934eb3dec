import assert from 'node:assert/strict';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { packTar, type TarHeader } from 'modern-tar';
import { InvalidMessageError, UnreadableError } from '../../../lib/errors';
import { openTarGz, writeTarGz, type ArchiveLimits } from '../../../lib/formats/archive/tar-gz';
import { wholeOf } from '../../../lib/formats/csv';
import { failure } from '../../harness/failure';
import { tar, tgz } from '../../harness/tar';
import { memorySource } from '../csv/support';

type Files = Array<{ name: string; bytes: Buffer }>;

async function open(archive: Buffer, limits?: ArchiveLimits): Promise<Files> {
  const files: Files = [];
  for await (const file of openTarGz(memorySource(archive, 1000), limits)) {
    files.push({ name: file.name, bytes: await wholeOf(file.pieces()) });
  }
  return files;
}

async function packed(...entries: Array<Partial<TarHeader> & { body?: string }>): Promise<Buffer> {
  const all = entries.map(({ body = '', ...header }) => {
    const whole: TarHeader = Object.assign({ name: 'a', size: Buffer.byteLength(body) }, header);
    return body === '' ? { header: whole } : { header: whole, body };
  });
  return gzipSync(await packTar(all));
}

const refuse = async (archive: Buffer, words: RegExp, limits?: ArchiveLimits): Promise<void> => {
  const error = await failure(UnreadableError, open(archive, limits));
  assert.match(error.message, words);
  assert.doesNotMatch(error.message, /MARKED/);
};

describe('A tar.gz archive', () => {
  it('comes back file by file, byte by byte', async () => {
    const name = fc.stringMatching(/^[a-z]{1,8}(\/[a-z0-9_]{1,8}){0,2}\.csv$/);
    const files = fc.uniqueArray(
      fc
        .tuple(name, fc.uint8Array({ maxLength: 5000 }))
        .map(([own, bytes]) => ({ name: own, bytes: Buffer.from(bytes) })),
      {
        selector: (file) => file.name,
        maxLength: 5,
      },
    );
    await fc.assert(
      fc.asyncProperty(files, async (all) => {
        assert.deepEqual(await open(await wholeOf(writeTarGz(all))), all);
      }),
      { numRuns: 30 },
    );
  });

  it('may have its files read over, and folders', async () => {
    const archive = await packed(
      { name: 'f/', type: 'directory', size: 0 },
      { name: 'f/one.csv', body: 'x'.repeat(100_000) },
      { name: 'submission.json', body: '{}' },
    );
    const names: string[] = [];
    for await (const { name } of openTarGz(memorySource(archive, 1000))) names.push(name);
    assert.deepEqual(names, ['f/one.csv', 'submission.json']);
  });

  it('with a name that leads elsewhere, or is there twice, is refused', async () => {
    for (const name of ['../MARKED', '/MARKED', 'a/../../MARKED', 'C:\\MARKED', 'MARKED\n', 'a//MARKED', '..']) {
      await refuse(await packed({ name, body: 'x' }), /leads elsewhere/);
    }
    await refuse(await packed({ name: 'MARKED', body: 'x' }, { name: 'MARKED', body: 'y' }), /twice/);
  });

  it('with a link, a device or a pipe is refused', async () => {
    for (const type of ['symlink', 'link', 'character-device', 'block-device', 'fifo'] as const) {
      await refuse(await packed({ type, linkname: '/etc/MARKED', size: 0 }), /link, a device or a pipe/);
    }
  });

  it('with too many files, too many bytes, or bytes that expand too far is refused while it is read', async () => {
    const three = await packed({ name: 'a', body: 'x' }, { name: 'b', body: 'x' }, { name: 'c', body: 'x' });
    await refuse(three, /more than 2 files/, { files: 2 });
    await refuse(await packed({ body: 'x'.repeat(50_000) }), /larger than 20000 bytes/, { bytes: 20_000 });
    await refuse(await packed({ body: 'x'.repeat(20_000_000) }), /200 times/);
  });

  it('has limits of its caller, on names too, and links that its caller passes over', async () => {
    const archive = await packed(
      { name: 'a/', type: 'directory', size: 0 },
      { name: 'a/link', type: 'symlink', linkname: '/etc/passwd', size: 0 },
      { name: 'a/list.csv', body: 'x' },
    );
    await refuse(archive, /link, a device or a pipe/);
    assert.deepEqual(await open(archive, { links: 'skip' }), [{ name: 'a/list.csv', bytes: Buffer.from('x') }]);
    await refuse(archive, /too long/, { links: 'skip', nameLength: 9 });
    await refuse(await packed({ name: '../MARKED', type: 'symlink', size: 0 }), /leads elsewhere/, { links: 'skip' });
    const even = await packed({ body: 'x'.repeat(2_000_000) });
    await refuse(even, /50 times/, { ratio: 50 });
    assert.equal((await open(even, { ratio: 2000 }))[0]?.bytes.length, 2_000_000);
  });

  it('may have long names in the ways of ustar, PAX and GNU, and unsafe ones are refused in each', async () => {
    const long = `${'folder/'.repeat(20)}${'n'.repeat(90)}.csv`;
    const deep = `${'f'.repeat(120)}/${'n'.repeat(60)}.csv`;
    for (const name of [long, deep]) assert.deepEqual((await open(await packed({ name, body: 'x' })))[0]?.name, name);
    const gnu = (name: string): Buffer =>
      tgz([
        { name: '././@LongLink', type: 'L', content: `${name}\0` },
        { name: 'cut', content: 'x' },
      ]);
    assert.deepEqual(await open(gnu(long)), [{ name: long, bytes: Buffer.from('x') }]);
    const pax = (path: string): Promise<Buffer> => packed({ name: 'cut', body: 'x', pax: { path } });
    assert.equal((await open(await pax('list ü.csv')))[0]?.name, 'list ü.csv');
    for (const name of ['../MARKED', '/MARKED', `${'a/'.repeat(200)}MARKED`]) {
      await refuse(gnu(name), /leads elsewhere/);
      await refuse(await pax(name), /leads elsewhere/);
    }
    await refuse(await pax('MARKED.csv\0.exe'), /cannot be shown/);
  });

  it('with a name that ends at a NUL is read by what stands before it, and twice the same is refused', async () => {
    const hidden = (rest: string): { name: string; content: string } => ({ name: `a.csv\0${rest}`, content: 'x' });
    assert.deepEqual((await open(tgz([hidden('.exe')])))[0]?.name, 'a.csv');
    await refuse(tgz([hidden('MARKED'), hidden('other')]), /twice/);
  });

  it('with a sparse file, a volume label or a kind that nobody knows is refused', async () => {
    for (const type of ['S', 'V', 'M', 'D', '7', 'Z']) {
      const before = { name: 'a', content: 'x'.repeat(5000) };
      await refuse(tgz([before, { name: 'MARKED', type, content: 'y'.repeat(1000) }]), /no plain file/);
    }
    await refuse(await packed({ body: 'x', pax: { 'GNU.sparse.size': '1000000' } }), /no plain file/);
    await refuse(await packed({ body: 'x', pax: { size: '1' } }), /no plain file/);
  });

  it('may have several gzip members and zeros behind it, and nothing else', async () => {
    const whole = tar([
      { name: 'a', content: 'x'.repeat(700) },
      { name: 'b', content: 'y' },
    ]);
    const members = Buffer.concat([whole.subarray(0, 800), whole.subarray(800)].map((bytes) => gzipSync(bytes)));
    assert.deepEqual(
      (await open(members)).map(({ name, bytes }) => [name, bytes.length]),
      [
        ['a', 700],
        ['b', 1],
      ],
    );
    const one = tgz([{ name: 'a', content: 'x' }]);
    assert.equal((await open(Buffer.concat([one, Buffer.alloc(600)]))).length, 1);
    await refuse(Buffer.concat([one, Buffer.from('MARKED')]), /damaged or cut/);
    await refuse(Buffer.concat([one, one]), /damaged or cut/);
    await refuse(
      gzipSync(Buffer.concat([tar([{ name: 'a', content: 'x' }]), Buffer.from('MARKED')])),
      /damaged or cut/,
    );
  });

  it('that is damaged, cut, or something else is refused', async () => {
    const whole = await packed({ body: 'some text' }, { name: 'b', body: 'x'.repeat(30_000) });
    await refuse(whole.subarray(0, -20), /damaged or cut/);
    await refuse(Buffer.from('MARKED text'), /no tar.gz archive/);
    const tar = gunzipSync(whole);
    await refuse(gzipSync(tar.subarray(0, 700)), /damaged or cut/);
    tar[100] = 0xff;
    await refuse(gzipSync(tar), /damaged or cut/);
  });

  it('is not written with a name that would not be read', async () => {
    for (const name of ['../a', 'a/', '']) {
      await failure(InvalidMessageError, wholeOf(writeTarGz([{ name, bytes: Buffer.from('x') }])));
    }
  });
});
