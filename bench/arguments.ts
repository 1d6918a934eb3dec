/** What `npm run bench -- …` understands. */
import { parseArgs } from 'node:util';
import { PARTS, type PartName } from './parts';

const names = Object.keys(PARTS) as PartName[];

export const HELP = `npm run bench -- [--only NAME,…] [--rounds N] [--size MIB] [--peers] [--smoke] [--json] [--plot] [--profile FOLDER] [--docs] [--clean]

  --only    parts, of: ${names.join(', ')}
  --rounds  rounds of each comparison (default 5)
  --size    MiB of a large message (default 1024): smaller for a quick look
  --peers   installs the NHS's Python and JavaScript clients into .bench-peers, to compare with (npm run bench:peers)
  --smoke   tiny: judges no times, shows that every figure comes out and that the bytes were right
  --json    one object on the last line
  --plot    measures throughput and memory against size, and writes docs/performance.svg
  --docs    records each part in bench/recorded.json and docs/performance.md, as soon as it is done
  --profile folder for CPU profiles (.cpuprofile) of the library's processes; they cost speed
  --clean   removes the generated files, and does nothing else`;

/** Parts that only come when they are asked for. */
const ON_REQUEST: ReadonlySet<PartName> = new Set(['plot']);

/** What is to be done. */
export interface Arguments {
  parts: PartName[];
  rounds: number | undefined;
  /** MiB. */
  size: number | undefined;
  profile: string | undefined;
  peers: boolean;
  smoke: boolean;
  json: boolean;
  docs: boolean;
  clean: boolean;
  help: boolean;
}

/** Reads the command line. Throws for what it does not know. */
export function readArguments(args: string[]): Arguments {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      size: { type: 'string' },
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
  const { only, rounds, size, plot, ...rest } = values;
  const count = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));
  const asked = (only?.split(',') ?? (plot ? ['plot'] : names.filter((name) => !ON_REQUEST.has(name)))) as PartName[];
  const unknown = asked.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`No such part: ${unknown.join(', ')}. There are: ${names.join(', ')}`);
  return { ...rest, profile: rest.profile, parts: asked, rounds: count(rounds), size: count(size) };
}
