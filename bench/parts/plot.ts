/** Measures throughput and memory against message size, for the picture in docs/. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { MIB, partsOf, randomFile } from '../files';
import { Child } from '../harness/child';
import type { BenchServer } from '../harness/server';
import type { Work } from '../harness/serve';
import type { Point } from '../report/svg';
import { withFolder, type Settings } from '../settings';

const SIZES = [1000, 16_000, 256_000, 4_000_000, 64_000_000, 1024 * MIB];

/** Maximum number of bytes for one point. */
const MAX_BYTES = 256 * MIB;

async function observed(
  child: Child,
  bytes: number,
  maximum: number,
  work: (times: number) => Promise<Work>,
): Promise<Point> {
  await work(1);
  const { idleMiB } = await child.ask<{ idleMiB: number }>('idle');
  const done = await work(Math.max(1, Math.min(maximum, Math.floor(MAX_BYTES / bytes))));
  const { peakMiB } = await child.ask<{ peakMiB: number }>('peak');
  return { bytes, perSecond: done.bytes / MIB / done.seconds, aboveIdleMiB: Math.max(0, peakMiB - idleMiB) };
}

/** Sends and receives random bytes of each size, in a new process each time. */
export async function plot(
  { large, plotMessages }: Settings,
  server: BenchServer,
): Promise<{ send: Point[]; receive: Point[] }> {
  const send: Point[] = [];
  const receive: Point[] = [];
  for (const bytes of SIZES.filter((size) => size <= large)) {
    const file = randomFile(bytes);
    await server.clearInbox();
    await server.prepare('PLOT', partsOf(file));
    // One process for each direction: the memory that one has grown to would hide the other's peak.
    const fresh = async (work: (child: Child) => Promise<Point>): Promise<Point> => {
      const child = Child.script('contestants/large.ts');
      await child.ask('connect', server.address);
      const point = await work(child);
      await child.stop();
      return point;
    };
    send.push(
      await fresh((child) => observed(child, bytes, plotMessages, (times) => child.ask('send', { file, times }))),
    );
    await withFolder(async (folder) => {
      let run = 0;
      const target = (): object => ({ messageId: 'PLOT', file: join(folder, `got-${(run += 1)}`) });
      receive.push(
        await fresh((child) =>
          observed(child, bytes, plotMessages, (times) => child.ask('receive', { ...target(), times })),
        ),
      );
    });
    if (bytes !== large) rmSync(file);
  }
  return { send, receive };
}
