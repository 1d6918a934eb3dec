import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { PayloadError } from '../../lib/index';
import { gzippedBody, IN_MEMORY_BYTES, plainBody, splitPayload } from '../../lib/payload/chunks';
import { Scratch } from '../../lib/payload/scratch';
import { openPayload, type PayloadSource } from '../../lib/payload/source';
import { Spool } from '../../lib/payload/spool';
import { bodyName } from '../../lib/payload/spool-names';
import { allOf } from '../harness/all-of';
import { emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';

describe('splitting a payload', () => {
  for (const [size, max, ends] of [
    [1, 10, [1]],
    [9, 10, [9]],
    [10, 10, [10]],
    [11, 10, [10, 11]],
    [20, 10, [10, 20]],
    [21, 10, [10, 20, 21]],
    [3, 1, [1, 2, 3]],
  ] as const) {
    it(`of ${size} bytes by ${max} ends at ${ends.join(', ')}`, () => {
      const slices = splitPayload(size, max);
      assert.deepEqual(
        slices.map((slice) => slice.end),
        ends,
      );
      assert.deepEqual(
        slices.map((slice) => slice.start),
        [0, ...ends.slice(0, -1)],
      );
    });
  }
});

const ID = '019a0000-0000-7000-9000-00000000000a';

describe('the body of a chunk', () => {
  const bytes = randomBytes(3_000_000);
  const slice = { start: 100, end: 2_500_000 };

  for (const [what, bodyOf] of [
    ['uncompressed', async (source: PayloadSource) => plainBody(source, slice)],
    ['gzipped', (source: PayloadSource) => gzippedBody(source, slice, 3, noScratch, ID, 1)],
  ] as const) {
    it(`${what} has its size, and can be read again`, async () => {
      const body = await bodyOf(await openPayload(bytes));
      const first = Buffer.concat(await allOf(body.open()));
      const second = Buffer.concat(await allOf(body.open()));
      assert.equal(first.length, body.bytes);
      assert.ok(first.equals(second));
      const plain = what === 'gzipped' ? gunzipSync(first) : first;
      assert.ok(plain.equals(bytes.subarray(100, 2_500_000)));
    });
  }

  it('is a gzip of its own, which decompresses without the others', async () => {
    const source = await openPayload('a'.repeat(100) + 'b'.repeat(100));
    const decompressed = [];
    for (const each of splitPayload(source.size, 100)) {
      const body = await gzippedBody(source, each, 3, noScratch, ID, 1);
      decompressed.push(gunzipSync(Buffer.concat(await allOf(body.open()))).toString());
    }
    assert.deepEqual(decompressed, ['a'.repeat(100), 'b'.repeat(100)]);
  });

  it('is compressed into a file, once, above 32 MiB, and in memory below', async () => {
    const spool = await Spool.open(await emptyFolder());
    const scratch = new Scratch(spool, 'mailbox');
    const source = await openPayload(Buffer.alloc(IN_MEMORY_BYTES + 1, 'large '));
    const body = await gzippedBody(source, { start: 0, end: source.size }, 1, scratch, ID, 2);
    assert.equal(statSync(gzIn(spool)).size, body.bytes);
    assert.ok(gunzipSync(Buffer.concat(await copiesOf(body.open()))).equals(source.bytes ?? Buffer.alloc(0)));
    const again = await gzippedBody(source, { start: 0, end: source.size }, 1, scratch, ID, 2);
    assert.equal(again, body);
    await gzippedBody(source, { start: 1, end: source.size }, 1, noScratch, ID, 3);
    await scratch.remove(ID);
    assert.equal(existsSync(gzIn(spool)), false);
    assert.equal(scratch.find(ID, 2), undefined);
  });

  it('that was changed in its file is not sent', async () => {
    const spool = await Spool.open(await emptyFolder());
    const source = await openPayload(Buffer.alloc(IN_MEMORY_BYTES + 1, 'large '));
    const body = await gzippedBody(source, { start: 0, end: source.size }, 1, new Scratch(spool, 'mailbox'), ID, 2);
    const bytes = readFileSync(gzIn(spool));
    const { atime, mtime } = statSync(gzIn(spool));
    bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000);
    writeFileSync(gzIn(spool), bytes);
    utimesSync(gzIn(spool), atime, mtime);
    await failure(PayloadError, copiesOf(body.open()));
  });

  it('has all its bytes at hand if it is small, for one write; a large one does not', async () => {
    const source = await openPayload(Buffer.alloc(300_000, 'x'));
    assert.equal(plainBody(source, { start: 0, end: 200_000 }).whole?.length, 200_000);
    assert.equal(plainBody(source, { start: 0, end: 300_000 }).whole, undefined);
  });
});

/** For bodies that must not need a scratch. */
const noScratch = new Scratch(() => Promise.reject(new Error('A file was requested.')), 'mailbox');

/** Returns the path of the body of chunk 2. */
const gzIn = (spool: Spool): string => spool.path(bodyName(spool.tag('mailbox', ID), 2));

/** Copies the pieces, whose memory is reused. */
async function copiesOf(pieces: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const copies: Buffer[] = [];
  for await (const piece of pieces) copies.push(Buffer.from(piece));
  return copies;
}
