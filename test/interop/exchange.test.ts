/**
 * Payloads sent with one client and received with another, through each server, arrive unchanged: from one byte to 300
 * MB, random and compressible, compressed on the way and plain.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { freshFile, payloadFile, sha256OfFile, type Content, type PayloadFile } from './support/payloads';
import { officialSandbox, ourSandbox, type Server } from './support/servers';

type Client = 'our client' | 'the official client';

interface Sending {
  payload: PayloadFile;
  gzip: boolean;
  maxChunkBytes?: number;
  /** The number of chunks that must arrive. */
  chunks: number;
}

interface Received {
  sha256: string;
  bytes: number;
  chunks: number;
}

const FROM = 'X26ABC1';
const TO = 'X26ABC2';
const WORKFLOW = 'TEST_WORKFLOW';

async function send(client: Client, server: Server, { payload, gzip, maxChunkBytes }: Sending): Promise<string> {
  if (client === 'the official client') {
    return server.official(FROM).send({
      to: TO,
      file: payload.path,
      compress: gzip,
      ...(maxChunkBytes ? { maxChunkBytes } : {}),
      fields: { workflow_id: WORKFLOW },
    });
  }
  const mailbox = server.mailbox(
    FROM,
    maxChunkBytes ? { maxRequestBytes: maxChunkBytes, chunkBytes: maxChunkBytes } : {},
  );
  const sent = await mailbox.send({
    to: TO,
    workflowId: WORKFLOW,
    payload: { file: payload.path },
    compression: gzip ? 'always' : 'never',
  });
  await mailbox.close();
  return sent.messageId;
}

/** Receives and acknowledges a message. The hash is our own, of the written file, not the client's. */
async function receive(client: Client, server: Server, messageId: string): Promise<Received> {
  const file = await freshFile();
  let bytes: number;
  let chunks: number;
  if (client === 'the official client') {
    const received = await server.official(TO).receive(messageId, file);
    bytes = received.bytes;
    chunks = Number(received.headers['chunk-range']?.split(':')[1] ?? 1);
    await server.official(TO).acknowledge(messageId);
  } else {
    const mailbox = server.mailbox(TO);
    const received = await mailbox.receive(messageId, { file });
    bytes = received.bytes;
    chunks = received.message.totalChunks;
    await mailbox.acknowledge(messageId);
    await mailbox.close();
  }
  const sha256 = await sha256OfFile(file);
  await rm(file);
  return { sha256, bytes, chunks };
}

const ROUTES: ReadonlyArray<{ from: Client; through: () => Promise<Server>; name: string; to: Client }> = [
  { from: 'our client', through: officialSandbox, name: 'the official sandbox', to: 'our client' },
  { from: 'our client', through: officialSandbox, name: 'the official sandbox', to: 'the official client' },
  { from: 'the official client', through: officialSandbox, name: 'the official sandbox', to: 'our client' },
  { from: 'the official client', through: ourSandbox, name: 'our sandbox', to: 'our client' },
  { from: 'our client', through: ourSandbox, name: 'our sandbox', to: 'the official client' },
  { from: 'the official client', through: ourSandbox, name: 'our sandbox', to: 'the official client' },
  { from: 'our client', through: ourSandbox, name: 'our sandbox', to: 'our client' },
];

const SIZES: ReadonlyArray<{ title: string; bytes: number; maxChunkBytes?: number; chunks: number }> = [
  { title: '1 byte', bytes: 1, chunks: 1 },
  { title: '4 KiB', bytes: 4096, chunks: 1 },
  { title: '1 MiB', bytes: 1024 * 1024, chunks: 1 },
  { title: '20 MB in four chunks', bytes: 20_000_000, maxChunkBytes: 6_000_000, chunks: 4 },
];

/**
 * Routes for 300 MB, in each client's own chunks. Not every combination: the official sandbox keeps payloads in memory.
 */
const LARGE: ReadonlyArray<{ route: number; content: Content; gzip: boolean }> = [
  { route: 0, content: 'random', gzip: false },
  { route: 1, content: 'compressible', gzip: true },
  { route: 3, content: 'compressible', gzip: true },
  { route: 4, content: 'random', gzip: false },
  { route: 5, content: 'random', gzip: false },
];

async function assertArrives(route: (typeof ROUTES)[number], sending: Sending): Promise<void> {
  const server = await route.through();
  const messageId = await send(route.from, server, sending);
  const received = await receive(route.to, server, messageId);
  const { sha256, bytes } = sending.payload;
  assert.deepEqual(received, { sha256, bytes, chunks: sending.chunks });
  assert.deepEqual(await server.official(TO).list(), [], 'an acknowledged message has left the inbox');
}

describe('What one client sends, the other receives', function () {
  this.timeout(60_000);

  for (const route of ROUTES) {
    describe(`from ${route.from} through ${route.name} to ${route.to}`, () => {
      after(async () => (await route.through()).reset());

      for (const { title, bytes, maxChunkBytes, chunks } of SIZES) {
        for (const content of ['random', 'compressible'] as const) {
          for (const gzip of [false, true]) {
            it(`${title}, ${content}, ${gzip ? 'compressed on the way' : 'plain'}`, async () => {
              const payload = await payloadFile(bytes, content);
              // Our client sends one request if the compressed payload fits into it.
              const fits = route.from === 'our client' && gzip && content === 'compressible';
              const sending = { payload, gzip, chunks: fits ? 1 : chunks };
              await assertArrives(route, { ...sending, ...(maxChunkBytes ? { maxChunkBytes } : {}) });
            });
          }
        }
      }
    });
  }

  describe('300 MB', function () {
    this.timeout(180_000);
    this.slow(120_000);

    for (const { route: index, content, gzip } of LARGE) {
      const route = ROUTES[index];
      if (!route) throw new Error(`There is no route ${index}`);
      const title = `${content}, ${gzip ? 'compressed' : 'plain'}: ${route.from}, ${route.name}, ${route.to}`;
      it(title, async () => {
        const payload = await payloadFile(300_000_000, content);
        // Our client sends one request if 100 MB hold the compressed payload, else chunks of 20 MB. The official
        // client's chunks have 75 MiB.
        const chunks = route.from === 'our client' ? (gzip ? 1 : 15) : 4;
        await assertArrives(route, { payload, gzip, chunks });
        await (await route.through()).reset();
      });
    }
  });
});
