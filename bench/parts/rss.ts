/** Measures the peak memory of a transfer above that of the idle process after one message with full chunks. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  csvFile,
  gzippedPartsOf,
  MIB,
  partsOf,
  randomFile,
  repeatedParts,
  repeatedRandomFile,
  type Part,
} from '../files';
import { Child } from '../harness/child';
import type { BenchServer } from '../harness/server';
import type { Work } from '../harness/serve';
import { withFolder, type Settings } from '../settings';

/** The memory of one transfer. */
export interface Memory {
  what: string;
  /** Resident memory before the transfer, after a garbage collection. */
  idleMiB: number;
  /** Peak above idle. */
  aboveIdleMiB: number;
  /** MiB per second, for information. */
  perSecond: number;
}

async function memoryOf(
  what: string,
  address: object,
  warmUp: (child: Child) => Promise<unknown>,
  transfer: (child: Child) => Promise<Work>,
): Promise<Memory> {
  const child = Child.script('contestants/large.ts');
  try {
    await child.ask('connect', address);
    await warmUp(child);
    const { idleMiB } = await child.ask<{ idleMiB: number }>('idle');
    const { bytes, seconds } = await transfer(child);
    const { peakMiB } = await child.ask<{ peakMiB: number }>('peak');
    return { what, idleMiB, aboveIdleMiB: peakMiB - idleMiB, perSecond: bytes / MIB / seconds };
  } finally {
    await child.stop();
  }
}

async function send(server: BenchServer, what: string, warmUp: string, file: string, size: number): Promise<Memory> {
  await server.reset();
  return memoryOf(
    what,
    server.address,
    (child) => child.ask('send', { file: warmUp }),
    async (child) => {
      const work = await child.ask<Work>('send', { file });
      if (work.bytes !== size) throw new Error(`${what}: ${work.bytes} of ${size} bytes`);
      return work;
    },
  );
}

async function receive(
  server: BenchServer,
  what: string,
  warmUp: readonly Part[],
  parts: readonly Part[],
  encoding: 'gzip' | undefined,
  size: number,
): Promise<Memory> {
  await server.clearInbox();
  await server.prepare('WARM_UP', warmUp, encoding);
  await server.prepare('LARGE', parts, encoding);
  return withFolder((folder) =>
    memoryOf(
      what,
      server.address,
      async (child) => {
        const file = join(folder, 'warm-up');
        await child.ask('receive', { messageId: 'WARM_UP', file });
        rmSync(file);
      },
      async (child) => {
        const work = await child.ask<Work>('receive', { messageId: 'LARGE', file: join(folder, 'large') });
        if (work.bytes !== size) throw new Error(`${what}: ${work.bytes} of ${size} bytes`);
        return work;
      },
    ),
  );
}

/** Sends and receives 1 GiB, random and CSV. */
export async function rss({ large, warmUp }: Settings, server: BenchServer): Promise<Memory[]> {
  const [random, csv] = [randomFile(large), csvFile(large)];
  const [randomBefore, csvBefore] = [randomFile(warmUp), csvFile(warmUp)];
  const [zipped, zippedBefore] = [await gzippedPartsOf(csv), await gzippedPartsOf(csvBefore)];
  return [
    await send(server, 'send1G random', randomBefore, random, large),
    await send(server, 'send1G CSV', csvBefore, csv, large),
    await receive(server, 'receive1G random', partsOf(randomBefore), partsOf(random), undefined, large),
    await receive(server, 'receive1G CSV', zippedBefore, zipped, 'gzip', large),
  ];
}

/** Sends and receives 20 GiB of random bytes; the server repeats the same bytes. */
export async function rss20G({ huge, warmUp }: Settings, server: BenchServer): Promise<Memory[]> {
  const before = randomFile(warmUp);
  const file = repeatedRandomFile(huge);
  try {
    const sent = await send(server, 'send20G random', before, file, huge);
    // Removed before as much again is written.
    rmSync(file);
    return [sent, await receive(server, 'receive20G random', partsOf(before), repeatedParts(huge), undefined, huge)];
  } finally {
    rmSync(file, { force: true });
  }
}
