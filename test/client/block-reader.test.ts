/** Memory that received bytes pass through, and that is used again: no byte may change, be lost or come out of order. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { BlockReader } from '../../lib/client/block-reader';
import { IncomingBody } from '../../lib/client/incoming-body';
import { receivedMemory } from '../../lib/payload/piece-memory';
import { serverCertificate } from '../harness/certificates';
import { emptyFolder } from '../harness/cleanup';
import { hostileMesh } from '../harness/hostile-mesh';
import { listening } from '../harness/listening';
import { mailboxAt } from '../harness/mailboxes';

const KIB = 1024;
const MIB = 1024 * KIB;
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Starts a TLS server, connects to it, and returns both ends: ours is read in blocks. */
async function connection(): Promise<{ server: TLSSocket; socket: TLSSocket }> {
  const { ca, server: pair } = await serverCertificate();
  const sockets = new Set<TLSSocket>();
  const accepted = Promise.withResolvers<TLSSocket>();
  const server = createServer({ ...pair }, (socket) => accepted.resolve(socket.on('error', () => undefined)));
  const port = await listening(server, sockets);
  const reader = new BlockReader();
  const socket = connect({ ...reader.options, host: '127.0.0.1', servername: 'localhost', port, ca });
  sockets.add(socket);
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  reader.attach(socket);
  return { server: await accepted.promise, socket };
}

/** Reads to the end as undici does: everything that is there, at each `readable`. `onPiece` may have it wait (ms). */
async function readAll(socket: TLSSocket, onPiece: (piece: Buffer) => number): Promise<void> {
  let isWaiting = false;
  const readMore = (): void => {
    while (!isWaiting) {
      const piece = socket.read() as Buffer | null;
      if (!piece) return;
      const ms = onPiece(piece);
      if (ms === 0) continue;
      isWaiting = true;
      setTimeout(() => {
        isWaiting = false;
        readMore();
      }, ms);
    }
  };
  await new Promise((resolve, reject) => {
    socket.on('readable', readMore).once('end', resolve).once('error', reject);
    readMore();
  });
}

describe('a socket that is read in blocks', () => {
  it('hands on every byte in order, whatever the size of its records, while its reader stops now and then', async () => {
    const { server, socket } = await connection();
    const sent = randomBytes(12 * MIB);
    const sending = (async () => {
      for (let at = 0; at < sent.length;) {
        // A write has full records, and a short one at its end. setMaxSendFragment would make all short, from then on.
        const bytes = Math.random() < 0.5 ? 256 * KIB : 1 + Math.floor(Math.random() * 40 * KIB);
        const piece = sent.subarray(at, at + bytes);
        at += piece.length;
        if (!server.write(piece)) await new Promise((resolve) => server.once('drain', resolve));
      }
      server.end();
    })();
    const received = createHash('sha256');
    let bytes = 0;
    await readAll(socket, (piece) => {
      received.update(piece);
      bytes += piece.length;
      return Math.random() < 0.1 ? 5 : 0;
    });
    await sending;
    assert.equal(bytes, sent.length);
    assert.equal(received.digest('hex'), sha256(sent));
  });

  it('hands on what came last before the connection ends', async () => {
    const { server, socket } = await connection();
    const sent = randomBytes(3 * 16 * KIB);
    server.end(sent);
    const pieces: Buffer[] = [];
    await readAll(socket, (piece) => {
      pieces.push(Buffer.from(piece));
      return 0;
    });
    assert.equal(sha256(Buffer.concat(pieces)), sha256(sent));
  });

  it('is not read while its reader takes nothing, and then goes on', async () => {
    const { server, socket } = await connection();
    const sent = Buffer.alloc(32 * MIB, 1);
    server.end(sent);
    await wait(300);
    assert.ok(socket.readableLength > 0 && socket.readableLength <= 256 * KIB, `${socket.readableLength} bytes`);
    let bytes = 0;
    await readAll(socket, (piece) => {
      bytes += piece.length;
      return 0;
    });
    assert.equal(bytes, sent.length);
  });

  it('is read into the same memory again', async () => {
    const { server, socket } = await connection();
    server.end(Buffer.alloc(32 * MIB, 1));
    const memory = new Set<ArrayBufferLike>();
    await readAll(socket, (piece) => {
      memory.add(piece.buffer);
      return 0;
    });
    // 256 blocks of 128 KiB.
    assert.ok(memory.size < 128, `${memory.size} pieces of memory`);
  });
});

describe('the body of a response', () => {
  const body = (): IncomingBody =>
    new IncomingBody({ pause: () => undefined, resume: () => undefined, abort: () => undefined });

  for (const bytes of [1, 15 * KIB, 16 * KIB, 200 * KIB, 300 * KIB]) {
    it(`of ${bytes} bytes keeps them when the memory in which they came is used again`, async () => {
      const sent = randomBytes(bytes);
      const incoming = body();
      const piece = Buffer.from(sent);
      incoming.push(piece);
      piece.fill(0);
      incoming.end();
      assert.deepEqual(Buffer.concat((await incoming.read()) ?? []), sent);
    });
  }

  it('that is read as it drips takes at most twice its size in memory', async () => {
    const incoming = body();
    for (let n = 0; n < 50; n += 1) {
      incoming.push(Buffer.alloc(16 * KIB + n * 2 * KIB));
      for (const { buffer, length } of (await incoming.read()) ?? [])
        assert.ok(buffer.byteLength <= Math.max(2 * length, Buffer.poolSize), `${length} in ${buffer.byteLength}`);
    }
  });
});

describe('downloads at the same time', () => {
  it('each have their own bytes in their files', async () => {
    const folder = await emptyFolder();
    const payloads = [0, 1, 2].map(() => randomBytes(9 * MIB));
    const server = await hostileMesh(({ path }) => {
      const [, which = '0', chunk = '1'] = /M(\d)(?:\/(\d))?$/.exec(path) ?? [];
      const part = payloads[Number(which)]?.subarray((Number(chunk) - 1) * 3 * MIB, Number(chunk) * 3 * MIB);
      return {
        status: chunk === '3' ? 200 : 206,
        headers: {
          'mex-messagetype': 'DATA',
          'mex-from': 'X26ABC2',
          'mex-to': 'X26ABC1',
          'mex-workflowid': 'TEST',
          'mex-chunk-range': `${chunk}:3`,
          'content-length': part?.length ?? 0,
        },
        ...(part && { body: part }),
      };
    });
    await Promise.all(
      payloads.map(async (payload, n) => {
        const file = join(folder, String(n));
        const received = await mailboxAt(server).receive(`M${n}`, { file });
        assert.equal(received.sha256, sha256(payload));
        assert.equal(sha256(await readFile(file)), sha256(payload));
      }),
    );
  });
});

describe('the memory of received bytes', () => {
  it('is lent to one user at a time, however often it is released', () => {
    const piece = receivedMemory.take();
    receivedMemory.release(piece.subarray(5, 10));
    receivedMemory.release(piece);
    const [one, other] = [receivedMemory.take(), receivedMemory.take()];
    assert.equal(one.buffer, piece.buffer);
    assert.notEqual(one.buffer, other.buffer);
    receivedMemory.release(one);
    receivedMemory.release(other);
  });

  it('is only its own', () => {
    const foreign = Buffer.allocUnsafeSlow(receivedMemory.pieceBytes);
    receivedMemory.release(foreign);
    assert.notEqual(receivedMemory.take().buffer, foreign.buffer);
  });

  it('is not kept beyond 6 MiB', () => {
    const taken = Array.from({ length: 100 }, () => receivedMemory.take());
    const memory = new Set(taken.map(({ buffer }) => buffer));
    for (const piece of taken) receivedMemory.release(piece);
    const again = Array.from({ length: 100 }, () => receivedMemory.take());
    assert.equal(again.filter(({ buffer }) => memory.has(buffer)).length, 24);
  });
});
