import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { PayloadError } from '../../lib/index';
import {
  BLOCK_BYTES,
  BlockDigests,
  checkedByDigest,
  checkedByList,
  checkedWhole,
  digestOfBlock,
  listBytes,
} from '../../lib/payload/block-digests';
import { bytesSource, type PayloadSource } from '../../lib/payload/source';
import { failure } from '../harness/failure';

/** Bytes that differ from block to block. */
const bytesOf = (size: number): Buffer =>
  Buffer.from(Array.from({ length: size }, (_, at) => (at * 7 + (at >> 13)) & 0xff));

/** A source that yields pieces of this size, whatever is asked for. */
function inPieces(bytes: Buffer, pieceBytes: number): PayloadSource {
  return {
    ...bytesSource(bytes),
    async *open(start, end) {
      for (let at = start; at < Math.min(end, bytes.length); at += pieceBytes) {
        yield bytes.subarray(at, Math.min(at + pieceBytes, end));
      }
    },
  };
}

async function all(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const copies: Buffer[] = [];
  for await (const piece of pieces) copies.push(Buffer.from(piece));
  return Buffer.concat(copies);
}

/** Stores bytes as the spool does: with the list at their end. */
async function stored(bytes: Buffer, pieceBytes: number): Promise<{ file: Buffer; digests: BlockDigests }> {
  const digests = new BlockDigests();
  const file = await all(digests.withList(inPieces(bytes, pieceBytes).open(0, bytes.length)));
  assert.equal(file.length, bytes.length + listBytes(bytes.length));
  return { file, digests };
}

const SIZES = [1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 3 * BLOCK_BYTES + 5];

describe('the digests of a payload’s blocks', () => {
  for (const size of SIZES) {
    it(`let any part of ${size} bytes be read, whatever pieces it comes in`, async () => {
      const bytes = bytesOf(size);
      const { file, digests } = await stored(bytes, 100_000);
      const part = fc
        .tuple(fc.nat(size), fc.nat(size))
        .map(([one, other]) => [Math.min(one, other), Math.max(one, other)]);
      await fc.assert(
        fc.asyncProperty(
          part,
          fc.integer({ min: 50_000, max: 2_000_000 }),
          async ([start = 0, end = 0], pieceBytes) => {
            const source = checkedByDigest(inPieces(file, pieceBytes), size, digests.digest);
            assert.ok((await all(source.open(start, end, 'reuse'))).equals(bytes.subarray(start, end)));
          },
        ),
        { numRuns: 15 },
      );
    });
  }

  it('of one block are the SHA-256 of its bytes, as anybody can compute it', async () => {
    const { digests } = await stored(bytesOf(1000), 10);
    assert.equal(digests.digest, createHash('sha256').update(bytesOf(1000)).digest('hex'));
    assert.equal(digests.digest, digestOfBlock(bytesOf(1000)));
  });

  it('let no byte of a changed block out, and every block before it', async () => {
    const bytes = bytesOf(3 * BLOCK_BYTES + 5);
    const { file, digests } = await stored(bytes, 100_000);
    for (const at of [0, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 7, bytes.length - 1]) {
      const changed = Buffer.from(file);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      const source = checkedByDigest(inPieces(changed, 70_000), bytes.length, digests.digest);
      let read = 0;
      const reading = (async () => {
        for await (const piece of source.open(0, bytes.length)) read += piece.length;
      })();
      await failure(PayloadError, reading);
      assert.equal(read, Math.floor(at / BLOCK_BYTES) * BLOCK_BYTES);
    }
  });

  it('let nothing out when their list was changed, also together with the bytes', async () => {
    const bytes = bytesOf(2 * BLOCK_BYTES);
    const { digests } = await stored(bytes, 100_000);
    const { file: another } = await stored(Buffer.alloc(bytes.length, 1), 100_000);
    await failure(
      PayloadError,
      all(checkedByDigest(inPieces(another, 70_000), bytes.length, digests.digest).open(0, 5)),
    );
  });

  it('let nothing out when the payload has become shorter', async () => {
    const bytes = bytesOf(2 * BLOCK_BYTES);
    const { file, digests } = await stored(bytes, 100_000);
    const short = inPieces(file.subarray(0, BLOCK_BYTES + 9), 70_000);
    await failure(PayloadError, all(checkedByDigest(short, bytes.length, digests.digest).open(0, bytes.length)));
    await failure(PayloadError, all(checkedByList(short, bytes.length, digests.list).open(0, bytes.length)));
  });
});

describe('a payload that is checked as a whole', () => {
  it('comes without its last piece when it was changed', async () => {
    const sha256 = createHash('sha256').update(bytesOf(1000)).digest('hex');
    const good = checkedWhole(inPieces(bytesOf(1000), 300).open(0, 1000), sha256);
    assert.ok((await all(good)).equals(bytesOf(1000)));
    let read = 0;
    const reading = (async () => {
      for await (const piece of checkedWhole(inPieces(Buffer.alloc(1000), 300).open(0, 1000), sha256))
        read += piece.length;
    })();
    await failure(PayloadError, reading);
    assert.equal(read, 900);
  });
});
