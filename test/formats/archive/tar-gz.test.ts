import assert from 'node:assert/strict';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { packTar, type TarHeader } from 'modern-tar';
import { InvalidMessageError, UnreadableError } from '../../../lib/errors';
import { openTarGz, writeTarGz, type ArchiveLimits } from '../../../lib/formats/archive/tar-gz';
import { wholeOf } from '../../../lib/formats/csv';
import { failure } from '../../harness/failure';
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
