/** Throughput and memory against the size of a message, as a picture in docs/. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { MIB, partsOf, randomFile } from '../files';
import { Child } from '../harness/child';
import type { BenchServer } from '../harness/server';
import type { Work } from '../harness/serve';
import type { Point } from '../report/svg';
import { withFolder, type Settings } from '../settings';

const SIZES = [1000, 16_000, 256_000, 4_000_000, 64_000_000, 1024 * MIB];

/** At most so many bytes for one point. */
const MOST_BYTES = 256 * MIB;

async function observed(
  child: Child,
  bytes: number,
  most: number,
  work: (times: number) => Promise<Work>,
): Promise<Point> {
  await work(1);
  const { idleMiB } = await child.ask<{ idleMiB: number }>('idle');
  const done = await work(Math.max(1, Math.min(most, Math.floor(MOST_BYTES / bytes))));
  const { peakMiB } = await child.ask<{ peakMiB: number }>('peak');
  return { bytes, perSecond: done.bytes / MIB / done.seconds, aboveIdleMiB: Math.max(0, peakMiB - idleMiB) };
}

/** Random bytes of each size, sent and received by a fresh process. */
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
    // A process for each way: what one has grown to would hide the other's peak.
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
