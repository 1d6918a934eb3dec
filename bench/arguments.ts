/** The command line of `npm run bench -- …`. */
import { parseArgs } from 'node:util';
import { PARTS, type PartName } from './parts';

const names = Object.keys(PARTS) as PartName[];

export const HELP = `npm run bench -- [--only NAME,…] [--rounds N] [--size MIB] [--messages N] [--csv-rows N] [--peers] [--smoke] [--json] [--plot] [--profile FOLDER] [--docs] [--clean]

  --only    parts to run, out of: ${names.join(', ')}
  --rounds  rounds of each comparison (default 5)
  --size    MiB of a large message (default 1024): smaller for a quick look
  --messages  messages each way of the large history of the part history (default 10,000,000; 20 lines of the ledger each)
  --csv-rows  rows of the delimited file of the part csv (default 600,000; 6000000 make 2 GB)
  --peers   installs the NHS's Python and JavaScript clients into .bench-peers and compares with them (bench:peers)
  --smoke   a tiny run: checks that every figure is produced and that the bytes are right; the times mean nothing
  --json    prints one object on the last line
  --plot    measures throughput and memory against message size, and writes docs/performance.svg
  --docs    records each part in bench/recorded.json and docs/performance.md, as soon as it has ended
  --profile folder for CPU profiles (.cpuprofile) of the library's processes; they cost speed
  --clean   only removes the generated files`;

/** Parts that run only when they are named. */
const ON_REQUEST: ReadonlySet<PartName> = new Set(['plot', 'history']);

/** The parsed command line. */
export interface Arguments {
  parts: PartName[];
  rounds: number | undefined;
  /** MiB. */
  size: number | undefined;
  /** Messages of the large history. */
  messages: number | undefined;
  /** Rows of the delimited file. */
  csvRows: number | undefined;
  profile: string | undefined;
  peers: boolean;
  smoke: boolean;
  json: boolean;
  docs: boolean;
  clean: boolean;
  help: boolean;
}

/**
 * Parses the command line.
 *
 * @throws Error when an option or a part is unknown.
 */
export function readArguments(args: string[]): Arguments {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      size: { type: 'string' },
      messages: { type: 'string' },
      'csv-rows': { type: 'string' },
      profile: { type: 'string' },
      peers: flag,
      smoke: flag,
      json: flag,
      plot: flag,
      docs: flag,
      clean: flag,
      help: flag,
    },
  });
  const { only, rounds, size, messages, 'csv-rows': csvRows, plot, ...rest } = values;
  const count = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));
  const asked = (only?.split(',') ?? (plot ? ['plot'] : names.filter((name) => !ON_REQUEST.has(name)))) as PartName[];
  const unknown = asked.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`Unknown part: ${unknown.join(', ')}. Available: ${names.join(', ')}`);
  return {
    ...rest,
    profile: rest.profile,
    parts: asked,
    rounds: count(rounds),
    size: count(size),
    messages: count(messages),
    csvRows: count(csvRows),
  };
}
