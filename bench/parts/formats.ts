/**
 * Parsing and serialising HL7 v2, EDIFACT and FHIR beside packages from npm, and the peak memory for a payload of 50 MB.
 * Each contestant has a process of its own. They take turns in short rounds, so that what else the machine does affects
 * them all.
 */
import { deepEqual } from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '../../test/harness/median';
import { KNOWN_BY, type ContestantName } from '../formats/contestants';
import { INPUTS, LARGE, type InputName, type Payload } from '../formats/inputs';
import { JOBS, type Job } from '../formats/jobs';
import { Child } from '../harness/child';
import type { Work } from '../harness/serve';
import { withFolder, type Settings } from '../settings';

/** One contestant's figures at one job: medians over the rounds. */
export interface FormatStanding {
  name: ContestantName;
  /** Payloads per second. */
  perSecond: number;
  /** CPU microseconds per payload, with garbage collection. */
  cpuMicroseconds: number;
}

/** One job with one payload. */
interface FormatFigure {
  input: InputName;
  job: Job;
  /** Ours first. */
  standings: FormatStanding[];
  /** Our rate relative to the fastest peer's: the median of the rounds' ratios. Null without a peer. */
  toFastest: number | null;
  /** The smallest and the largest ratio of a round. */
  spread: [number, number] | null;
}

/** The peak memory above the idle process, which has the payload in a Buffer already. */
interface FormatMemory {
  what: string;
  /** Size of the payload. */
  megabytes: number;
  peakMiB: number;
}

export interface FormatFigures {
  rates: FormatFigure[];
  memory: FormatMemory[];
}

export async function formats(settings: Settings): Promise<FormatFigures> {
  return withFolder(async (folder) => {
    const rates: FormatFigure[] = [];
    for (const input of Object.keys(INPUTS) as InputName[]) rates.push(...(await ratesOf(input, folder, settings)));
    const memory: FormatMemory[] = [];
    for (const what of Object.keys(LARGE) as Array<keyof typeof LARGE>) {
      memory.push(await memoryOf(what, folder, settings));
    }
    return { rates, memory };
  });
}

/** Writes a payload to files, and returns what a contestant opens. */
function writePayload(name: string, { format, bytes, json }: Payload, folder: string): object {
  const file = join(folder, name);
  const jsonFile = json && join(folder, `${name}.json`);
  writeFileSync(file, bytes);
  if (json && jsonFile) writeFileSync(jsonFile, json);
  return { format, file, jsonFile };
}

async function ratesOf(input: InputName, folder: string, settings: Settings): Promise<FormatFigure[]> {
  const payload = INPUTS[input].make();
  const files = writePayload(input, payload, folder);
  const contestants: Array<{ name: ContestantName; child: Child }> = [];
  try {
    for (const name of KNOWN_BY[payload.format]) {
      // @medplum/core is a dependency of the bench; the others are there after `npm run bench:peers`.
      const isInstalled = name === 'library' || name === '@medplum/core' || settings.formatPeers !== undefined;
      if (!isInstalled) continue;
      const child = Child.script('contestants/formats.ts');
      contestants.push({ name, child });
      await child.ask('open', { contestant: name, folder: settings.formatPeers ?? '', ...files });
      await check(child, payload, name);
    }
    const figures: FormatFigure[] = [];
    for (const job of Object.keys(JOBS) as Job[]) {
      const figure = await race(input, job, contestants, settings);
      if (figure) figures.push(figure);
    }
    return figures;
  } finally {
    await Promise.all(contestants.map(({ child }) => child.stop()));
  }
}

/** Compares what a contestant reads, and reads again of what it has changed and written, with what it should. */
async function check(child: Child, { read }: Payload, name: string): Promise<void> {
  const found = await child.ask<{ read: unknown[]; changed: unknown[] | null }>('check');
  deepEqual(found.read, read, `${name} reads something else`);
  const changed = [read[0], 'CHANGED', read[2]];
  if (found.changed) deepEqual(found.changed, changed, `${name} writes something else`);
}

async function race(
  input: InputName,
  job: Job,
  all: ReadonlyArray<{ name: ContestantName; child: Child }>,
  { rounds, formatRoundMs: milliseconds }: Settings,
): Promise<FormatFigure | undefined> {
  const able: Array<{ name: ContestantName; child: Child; times: number; works: Work[] }> = [];
  for (const { name, child } of all) {
    // The first time compiles the code, the second counts.
    await child.ask('prepare', { job, milliseconds: 3 * milliseconds });
    const { times } = await child.ask<{ times: number }>('prepare', { job, milliseconds });
    if (times > 0) able.push({ name, child, times, works: [] });
  }
  if (able[0]?.name !== 'library') return undefined;
  for (let round = 1; round <= ROUNDS * rounds; round += 1) {
    for (const { child, times, works } of able) works.push(await child.ask<Work>('round', { times }));
  }
  const rate = (work: Work | undefined): number => (work ? work.messages / work.seconds : Number.NaN);
  const standings = able.map(({ name, works }) => ({
    name,
    perSecond: median(works.map(rate)),
    cpuMicroseconds: median(works.map((work) => (1e6 * work.cpuSeconds) / work.messages)),
  }));
  const [, ...peers] = standings;
  const fastest = peers.toSorted((one, two) => two.perSecond - one.perSecond)[0];
  if (!fastest) return { input, job, standings, toFastest: null, spread: null };
  const theirs = able.find(({ name }) => name === fastest.name)?.works ?? [];
  const ratios = able[0].works.map((work, round) => rate(work) / rate(theirs[round]));
  return { input, job, standings, toFastest: median(ratios), spread: [Math.min(...ratios), Math.max(...ratios)] };
}

/** Rounds per round of large messages: these are short. */
const ROUNDS = 3;

async function memoryOf(what: keyof typeof LARGE, folder: string, { formatBytes }: Settings): Promise<FormatMemory> {
  const { job, make } = LARGE[what];
  const payload = make(formatBytes);
  const files = writePayload(what, payload, folder);
  const child = Child.script('contestants/formats.ts');
  try {
    await child.ask('open', { contestant: 'library', folder: '', ...files });
    await child.ask('idle');
    const { idleMiB } = await child.ask<{ idleMiB: number }>('idle');
    await child.ask('once', { job });
    const { peakMiB } = await child.ask<{ peakMiB: number }>('peak');
    return { what, megabytes: payload.bytes.length / 1e6, peakMiB: peakMiB - idleMiB };
  } finally {
    await child.stop();
  }
}
