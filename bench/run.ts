/**
 * `npm run bench`: compares the library with its limits and, with `--peers`, with the NHS's own clients.
 * docs/performance.md explains each figure. With `--json` the last line is one object.
 */
import { freeGiB, MIB, removeFiles } from './files';
import { Child } from './harness/child';
import { BenchServer } from './harness/server';
import { HELP, readArguments } from './arguments';
import { PARTS, type PartName, type Results } from './parts';
import { findFormatPeers, findPeers } from './peers/install';
import { FULL, historyOf, SMOKE, type Settings } from './settings';
import { comparisonTable, otherFigures } from './report/table';
import { requireFigures, toJson } from './report/json';
import { record, writePicture } from './report/docs';

/** Disk space that the files of a part need, with a margin (GiB). */
const NEEDED_GIB: { [Name in PartName]?: number } & { other: number } = {
  rss20G: 45,
  eventLoop20G: 45,
  other: 8,
};

/** Returns the disk space that a history needs, its indexes and the server's log included (GiB). */
function historyGiB({ large: { messages, lines } }: Settings['history']): number {
  return Math.ceil((messages * (4000 + lines * 350)) / 2 ** 30);
}

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
    ...(args.csvRows === undefined ? {} : { csvRows: args.csvRows }),
    ...(args.messages === undefined ? {} : { history: historyOf(args.messages) }),
    peers: clients.filter(({ role }) => role === 'peer'),
    variants: clients.filter(({ role }) => role === 'variant'),
    formatPeers: findFormatPeers(args.peers, say),
    say,
  };
  Child.profiles = args.profile;
  const results: Results = {};
  for (const name of args.parts) {
    const part = PARTS[name];
    const needed = args.smoke
      ? 1
      : name === 'history'
        ? historyGiB(settings.history)
        : (NEEDED_GIB[name] ?? NEEDED_GIB.other);
    const free = await freeGiB();
    if (free < needed) {
      say(`${name} is skipped: it needs ${needed} GiB of disk space, and ${Math.floor(free)} GiB are free.`);
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

/** Runs one part with its own server, so that memory left over from one part does not affect the next. */
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
