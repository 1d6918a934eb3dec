/** Sends one large file: random bytes against bare undici, CSV against zlib alone. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { csvFile, MIB, randomFile, readPart } from '../files';
import { Child } from '../harness/child';
import { compare, type Comparison, type Contestant } from '../harness/compare';
import type { BenchServer } from '../harness/server';
import type { Work } from '../harness/serve';
import type { Settings } from '../settings';

/** A comparison of compressed sends. */
export interface CompressedComparison extends Comparison {
  /** Bytes on the wire per byte of the file. */
  ratio: number;
  /** The gzip level whose output is nearest in size to the library's. */
  level: number;
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

interface Sent extends Work {
  ends: number[];
}

/** Warms our sender up with one whole message, checks its bytes and returns its ranges for the limit. */
async function ourSender(
  server: BenchServer,
  file: string,
  options: object,
): Promise<{ ours: Contestant; ranges: Array<{ start: number; end: number }>; wireBytes: number }> {
  const child = Child.script('contestants/large.ts');
  await child.ask('connect', { ...server.address, options });
  await server.reset({ verify: true });
  const { ends } = await child.ask<Sent>('send', { file });
  const { bytes } = await server.figures();
  await checkBytes(server, file, 'the library');
  const ranges = ends.map((end, i) => ({ start: ends[i - 1] ?? 0, end }));
  const round = (): Promise<Work> => child.ask<Work>('send', { file });
  return { ours: { name: 'library', role: 'ours', child, round }, ranges, wireBytes: bytes };
}

/** Checks that the server received this file, complete. */
async function checkBytes(server: BenchServer, file: string, who: string): Promise<void> {
  const { sha256 } = await server.figures();
  if (sha256.at(-1) !== (await sha256Of(file))) throw new Error(`${who} sent bytes that differ from the file`);
}

async function peerSenders(
  settings: Settings,
  server: BenchServer,
  file: string,
  compress: boolean,
): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  for (const peer of [...settings.peers, ...(compress ? [] : settings.variants)]) {
    const child = peer.start();
    await child.ask('connect', server.address);
    await server.reset({ verify: true });
    await child.ask('send', { file, compress });
    await checkBytes(server, file, peer.name);
    const { name, role } = peer;
    contestants.push({ name, role, child, round: () => child.ask('send', { file, compress }) });
  }
  return contestants;
}

async function runAndStop(
  settings: Settings,
  server: BenchServer,
  contestants: readonly Contestant[],
): Promise<Comparison> {
  try {
    const control = { reset: () => server.reset(), figures: () => server.figures() };
    return await compare('MiB', contestants, settings.rounds, control);
  } finally {
    await Promise.all(contestants.map(({ child }) => child.stop()));
  }
}

/** Sends random bytes; the library chooses the compression. */
export async function sendRandom(settings: Settings, server: BenchServer): Promise<Comparison> {
  const file = randomFile(settings.large);
  const { ours, ranges } = await ourSender(server, file, {});
  const child = Child.script('limits/undici-large.ts');
  await child.ask('connect', server.address);
  const limit: Contestant = { name: 'undici', role: 'limit', child, round: () => child.ask('send', { file, ranges }) };
  await server.reset({ verify: true });
  await limit.round(0);
  await checkBytes(server, file, 'the limit');
  return runAndStop(settings, server, [limit, ours, ...(await peerSenders(settings, server, file, false))]);
}

/** Sends CSV with the library's defaults, or with `options`. */
export async function sendCsv(settings: Settings, server: BenchServer, options = {}): Promise<CompressedComparison> {
  const file = csvFile(settings.large);
  const { ours, ranges, wireBytes } = await ourSender(server, file, options);
  const level = levelOf(file, ranges[0]?.end ?? 0, wireBytes / settings.large);
  const child = Child.script('limits/zlib.ts');
  await child.ask('load', { part: { file, start: 0, end: settings.large }, ranges, level });
  const limit: Contestant = { name: `zlib level ${level}`, role: 'limit', child, round: () => child.ask('compress') };
  await limit.round(0);
  const contestants = [limit, ours, ...(await peerSenders(settings, server, file, true))];
  const comparison = await runAndStop(settings, server, contestants);
  return { ...comparison, ratio: wireBytes / settings.large, level };
}

/** Derives the gzip level, which the public API does not expose, from the ratio on the beginning of the file. */
function levelOf(file: string, end: number, ratio: number): number {
  const sample = readPart({ file, start: 0, end: Math.min(end, 16 * MIB) });
  const distance = (level: number): number => Math.abs(gzipSync(sample, { level }).length / sample.length - ratio);
  const distances = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((level) => ({ level, far: distance(level) }));
  return distances.sort((a, b) => a.far - b.far)[0]?.level ?? 6;
}

/** Sends CSV at the fastest level. Returns null if the library ignores the level. */
export async function sendCsvFastest(settings: Settings, server: BenchServer): Promise<CompressedComparison | null> {
  const comparison = await sendCsv(settings, server, { compressionLevel: 1 });
  if (comparison.level === 1) return comparison;
  settings.say('  the library ignored level 1');
  return null;
}
