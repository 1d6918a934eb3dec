/**
 * `npm run bench`: the library side by side with its limits and, with `--peers`, with the NHS's own clients. See
 * docs/performance.md for what each figure means. The last line with `--json` is one object.
 */
import { freeGiB, MIB, removeFiles } from './files';
import { Child } from './harness/child';
import { BenchServer } from './harness/server';
import { HELP, readArguments } from './arguments';
import { PARTS, type PartName, type Results } from './parts';
import { findPeers } from './peers/install';
import { FULL, SMOKE, type Settings } from './settings';
import { comparisonTable, otherFigures } from './report/table';
import { requireFigures, toJson } from './report/json';
import { record, writePicture } from './report/docs';

/** Free space that the files of a part need (GiB), with some room. */
const NEEDED_GIB: { [Name in PartName]?: number } & { other: number } = { rss20G: 45, eventLoop20G: 45, other: 8 };

async function main(): Promise<void> {
  const args = readArguments(process.argv.slice(2));
  if (args.help) {
    console.log(HELP);
    return;
  }
  if (args.clean) {
    removeFiles();
    return;
  }
  const say = (line: string): void => console.error(line);
  const clients = args.peers ? findPeers(true, say) : args.smoke ? [] : findPeers(false, say);
  const settings: Settings = {
    ...(args.smoke ? SMOKE : FULL),
    ...(args.rounds === undefined ? {} : { rounds: args.rounds }),
    ...(args.size === undefined ? {} : { large: args.size * MIB }),
    peers: clients.filter(({ role }) => role === 'peer'),
    variants: clients.filter(({ role }) => role === 'variant'),
    say,
  };
  Child.profiles = args.profile;
  const results: Results = {};
  for (const name of args.parts) {
    const part = PARTS[name];
    const needed = args.smoke ? 1 : (NEEDED_GIB[name] ?? NEEDED_GIB.other);
    const free = await freeGiB();
    if (free < needed) {
      say(`${name} is left out: it needs ${needed} GiB of disk, and ${Math.floor(free)} are free.`);
      continue;
    }
    say(`${name} …`);
    await runPart(name, part, settings, results);
    if (args.docs) record(name, results[name], settings);
  }
  console.log(['', comparisonTable(results), otherFigures(results)].filter(Boolean).join('\n\n'));
  if (results.plot && !args.smoke) writePicture(results.plot);
  const json = toJson(results);
  if (args.smoke) requireFigures(json, 'the result');
  if (args.json) console.log(JSON.stringify(json));
}

/** Each part has a server of its own: what one leaves in its memory does not burden the next. */
async function runPart<Name extends PartName>(
  name: Name,
  part: (typeof PARTS)[Name],
  settings: Settings,
  results: Results,
): Promise<void> {
  const server = await BenchServer.start();
  try {
    results[name] = (await part(settings, server)) as NonNullable<Results[Name]>;
  } finally {
    await Child.stopAll();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
