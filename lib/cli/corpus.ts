/**
 * `nhs-mesh corpus`: tries a folder of real files on the readers and writers of mesh-hl7, mesh-edifact and mesh-fhir, so
 * that a trust knows before it installs anything (docs/formats.md, "Your own traffic"). Nothing is sent or changed.
 */
import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { ConfigurationError, printable } from '../errors';
import { CHARSETS } from '../formats/charset';
import { FHIR_RELEASES } from '../formats/fhir/definitions';
import { CHARSET_RULES } from '../formats/hl7/charset';
import { ROUND_TRIP_FORMATS } from '../formats/round-trip';
import { startWorker } from '../workers/start-worker';
import type { Command } from './command';
import { addFailure, addTally, newTally, type CorpusClass, type Outcome, type Tally } from './corpus-tally';
import type { CorpusFile } from './corpus-worker';
import { readOptions, requireOptions } from './options';

const USAGE = `Usage: nhs-mesh corpus --folder FOLDER --format hl7|edifact|fhir [options]

Reads every file in a folder and its subfolders as mesh-hl7, mesh-edifact or mesh-fhir would, writes it again, and
compares. Nothing is sent, and no file is changed. Values of messages are never printed: only names of files, segments
and elements, and places. Names of files may be about patients: see --number-files.

  --folder FOLDER      the files; names that begin with a dot, and symbolic links, are passed over
  --format FORMAT      hl7, edifact or fhir (XML or JSON)
  --charset NAME       HL7: the setting of mesh-hl7, ${CHARSETS.join(', ')} (default utf-8)
  --charset-rule RULE  HL7: when the setting counts, ${CHARSET_RULES.join(', ')} (default empty)
  --release NAME       FHIR: ${FHIR_RELEASES.join(' or ')} (default: detected)
  --expect-all         exit code 1 also when a message is refused
  --number-files       prints the numbers of files, in the order of their paths, in place of their names
  --json               prints the result as JSON
  -h, --help           this text

Exit code 1: a value was changed, or a reader failed; 2: an option is missing or wrong.
`;

const OPTIONS = {
  folder: { type: 'string' },
  format: { type: 'string' },
  charset: { type: 'string' },
  'charset-rule': { type: 'string' },
  release: { type: 'string' },
  'expect-all': { type: 'boolean', default: false },
  'number-files': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

/** Larger files are refused unread. mesh-poll hands them to a flow as files, which no converter reads. */
const MAX_BYTES = 256 * 1024 * 1024;
/** A file that takes longer hangs, on any machine (milliseconds). */
const MAX_MS = 300_000;
/** Heap of the thread (MB). */
const MAX_HEAP_MB = 2048;

export const corpus: Command = {
  usage: USAGE,
  async run(args) {
    const values = readOptions(args, OPTIONS);
    requireOptions(values, 'folder', 'format');
    const format = oneOf('format', values.format, ROUND_TRIP_FORMATS);
    const folder = resolve(values.folder);
    if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
      throw new ConfigurationError(`--folder is not a folder that can be read: ${folder}`);
    }
    const options = {
      format,
      charset: oneOf('charset', values.charset, CHARSETS),
      charsetRule: oneOf('charset-rule', values['charset-rule'], CHARSET_RULES),
      release: oneOf('release', values.release, FHIR_RELEASES),
    };
    const began = Date.now();
    const tally = newTally();
    const reader = new Reader();
    try {
      for await (const path of filesIn(folder)) {
        tally.files += 1;
        const name = values['number-files'] ? `file ${tally.files}` : path;
        addTally(tally, await reader.read({ path: join(folder, path), name, options, maxBytes: MAX_BYTES }));
        if (process.stderr.isTTY) process.stderr.write(`\r${tally.files} files`);
      }
    } finally {
      if (process.stderr.isTTY) process.stderr.write('\r\u001B[K');
      await reader.close();
    }
    if (tally.files === 0) throw new ConfigurationError(`There is no file in ${folder}.`);
    process.stdout.write(
      values.json ? `${JSON.stringify({ format, ...tally }, null, 2)}\n` : textOf(tally, Date.now() - began),
    );
    const { refused, changed, failed } = tally.outcomes;
    return changed + failed + (values['expect-all'] ? refused : 0) > 0 ? 1 : 0;
  },
};

/** @throws ConfigurationError that lists what an option may be */
function oneOf<Name extends string>(option: string, value: string, allowed: readonly Name[]): Name;
function oneOf<Name extends string>(
  option: string,
  value: string | undefined,
  allowed: readonly Name[],
): Name | undefined;
function oneOf(option: string, value: string | undefined, allowed: readonly string[]): string | undefined {
  if (value === undefined || allowed.includes(value)) return value;
  throw new ConfigurationError(`--${option} must be ${allowed.join(', ').replace(/, (?=[^,]*$)/, ' or ')}.`);
}

/** Yields the paths of files below a folder, sorted, one folder after the other. */
async function* filesIn(folder: string, below = ''): AsyncGenerator<string> {
  const entries = await readdir(join(folder, below), { withFileTypes: true });
  for (const entry of entries.toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
    const path = join(below, entry.name);
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) yield* filesIn(folder, path);
    else if (entry.isFile()) yield path;
  }
}

/** Reads files in a thread with bounded memory, which is ended with the file that hangs. */
class Reader {
  #worker: Worker | undefined;

  async read(file: CorpusFile): Promise<Tally> {
    const worker = (this.#worker ??= startWorker(join(__dirname, 'corpus-worker'), {
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    }));
    const ended = new AbortController();
    const timer = setTimeout(() => ended.abort(), MAX_MS);
    try {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage(file);
      const [tally] = (await once(worker, 'message', { signal: ended.signal })) as [Tally];
      return tally;
    } catch (error) {
      await this.close();
      const tally = newTally();
      const isMemory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
      const what = isMemory ? `needs more than ${MAX_HEAP_MB} MB of memory` : `takes longer than ${MAX_MS / 1000} s`;
      addFailure(tally, 'failed', file.name, `The file ${what}.`);
      return tally;
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }
}

const ABOUT: Readonly<Record<Outcome, string>> = {
  equal: 'written again byte for byte, also from the values alone',
  canonical: 'the same values in another form',
  refused: 'not read, with a reason',
  changed: 'a value was changed: please report it',
  failed: 'a reader failed: please report it',
};

function textOf({ files, messages, outcomes, classes }: Tally, ms: number): string {
  const lines = [`${files} ${plural('file', files)}, ${messages} ${plural('message', messages)}, ${ms / 1000} s`, ''];
  for (const [outcome, about] of Object.entries(ABOUT) as Array<[Outcome, string]>) {
    lines.push(`  ${outcome.padEnd(10)} ${String(outcomes[outcome]).padStart(8)}  ${about}`);
  }
  const order = [...Object.keys(ABOUT).toReversed(), ''];
  const rank = ({ kind }: CorpusClass): number => (order.includes(kind) ? order.indexOf(kind) : order.length);
  for (const each of classes.toSorted((a, b) => rank(a) - rank(b) || b.messages - a.messages)) {
    const { kind, reason, messages: count, examples } = each;
    const where = examples.map(({ file, place }) => printable(place === '' ? file : `${file} (${place})`));
    lines.push('', `${kind}: ${reason}`, `  ${count} ${plural('message', count)}: ${where.join('; ')}`);
  }
  return `${lines.join('\n')}\n\nNo value of a message is in this text; names of files are.\n`;
}

const plural = (word: string, count: number): string => (count === 1 ? word : `${word}s`);
