/**
 * A delimited file checked, split into groups of 1,000 rows, and joined again, beside csv-parse alone, which only
 * parses it. Each has a process of its own, and they take turns. With `--csv-rows 6000000` the file has 2 GB.
 */
import { deepEqual, equal } from 'node:assert/strict';
import { join } from 'node:path';
import { median } from '../../test/harness/median';
import { csvRows } from '../csv-file';
import { piecesFile } from '../files';
import { Child } from '../harness/child';
import { withFolder, type Settings } from '../settings';

/** What one process says of a round. */
interface Round {
  seconds: number;
  bytes: number;
  messages: number;
  groups: number;
  longestMs: number;
}

/** One job's figures. */
interface CsvJob {
  job: 'csv-parse alone' | 'check and split' | 'join';
  /** MB (of 1,000,000 bytes) a second: the median over the rounds. */
  megabytesPerSecond: number;
  rowsPerSecond: number;
  /** The highest of all rounds, above the idle process. */
  peakMiB: number;
  /** The longest time for which the event loop was held. */
  longestMs: number;
}

export interface CsvFigures {
  megabytes: number;
  rows: number;
  jobs: CsvJob[];
  /** The rate of checking and splitting relative to csv-parse alone: the median of the rounds' ratios. */
  toParse: number;
  spread: [number, number];
}

export async function csv({ csvRows: rows, rounds, say }: Settings): Promise<CsvFigures> {
  const file = piecesFile(`rows-${rows}.csv`, csvRows(rows));
  return withFolder(async (folder) => {
    const alone = await start(file);
    const ours = await start(file);
    const joined = join(folder, 'joined.csv');
    const measure = async (child: Child, command: string): Promise<Round & { peakMiB: number }> => {
      const { idleMiB } = await child.ask<{ idleMiB: number }>('idle');
      const round = await child.ask<Round>(command, { file, to: joined });
      const { peakMiB } = await child.ask<{ peakMiB: number }>('peak');
      equal(round.messages, rows, `${command} has other rows`);
      return { ...round, peakMiB: peakMiB - idleMiB };
    };
    const found = { alone: [] as Round[], split: [] as Round[], join: [] as Round[] };
    const peaks = { alone: 0, split: 0, join: 0 };
    for (let round = 1; round <= rounds; round += 1) {
      for (const [name, child, command] of [
        ['alone', alone, 'alone'],
        ['split', ours, 'checkAndSplit'],
        ['join', ours, 'join'],
      ] as const) {
        const { peakMiB, ...result } = await measure(child, command);
        found[name].push(result);
        peaks[name] = Math.max(peaks[name], peakMiB);
        say(`csv, round ${round}: ${command} ${result.seconds.toFixed(1)} s`);
      }
    }
    const digestOf = (path: string): Promise<unknown> => ours.ask('digest', { file: path });
    deepEqual(await digestOf(joined), await digestOf(file), 'the joined file has other bytes');
    const bytes = found.split[0]?.bytes ?? 0;
    const figures = (job: CsvJob['job'], all: Round[], peakMiB: number): CsvJob => ({
      job,
      megabytesPerSecond: median(all.map(({ seconds }) => bytes / 1e6 / seconds)),
      rowsPerSecond: median(all.map(({ seconds }) => rows / seconds)),
      peakMiB,
      longestMs: Math.max(...all.map(({ longestMs }) => longestMs)),
    });
    const ratios = found.alone.map(({ seconds }, index) => seconds / (found.split[index]?.seconds ?? Number.NaN));
    return {
      megabytes: bytes / 1e6,
      rows,
      jobs: [
        figures('csv-parse alone', found.alone, peaks.alone),
        figures('check and split', found.split, peaks.split),
        figures('join', found.join, peaks.join),
      ],
      toParse: median(ratios),
      spread: [Math.min(...ratios), Math.max(...ratios)],
    };
  });
}

async function start(file: string): Promise<Child> {
  const child = Child.script('contestants/csv.ts');
  await child.ask('open', { file });
  return child;
}
