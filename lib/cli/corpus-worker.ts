/** The thread of `nhs-mesh corpus`: reads one file after the other, so that one that hangs can be ended with it. */
import { readFileSync, statSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { roundTrips, type RoundTripOptions } from '../formats/round-trip';
import { addFailure, addTrip, newTally, type Tally } from './corpus-tally';

/** A file to read. */
export interface CorpusFile {
  path: string;
  /** What it is called in the tally. */
  name: string;
  options: RoundTripOptions;
  /** Larger files are refused unread (bytes). */
  maxBytes: number;
}

function tallyOf({ path, name, options, maxBytes }: CorpusFile): Tally {
  const tally = newTally();
  let payload: Buffer;
  try {
    if (statSync(path).size > maxBytes) {
      addFailure(tally, 'refused', name, `The file is larger than ${maxBytes / 1024 / 1024} MiB.`);
      return tally;
    }
    payload = readFileSync(path);
  } catch (error) {
    addFailure(
      tally,
      'refused',
      name,
      `The file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'}).`,
    );
    return tally;
  }
  try {
    let number = 0;
    let first;
    for (const trip of roundTrips(payload, options)) {
      number += 1;
      // Of a file with one message, only the file is named.
      if (number === 1) first = trip;
      else {
        if (number === 2 && first) addTrip(tally, first, name, 1);
        addTrip(tally, trip, name, number);
      }
    }
    if (number === 1 && first) addTrip(tally, first, name);
  } catch (error) {
    addFailure(tally, 'failed', name, whatOf(error));
  }
  return tally;
}

/** An unexpected error by its class and its line in our code: its message may quote the payload. */
function whatOf(error: unknown): string {
  if (!(error instanceof Error)) return 'The reader failed.';
  const [, line = ''] = /\n\s+at .*?((?:lib|dist)\/[\w./-]+:\d+)/.exec(error.stack ?? '') ?? [];
  return `The reader failed with ${error.name}${line === '' ? '' : ` at ${line}`}.`;
}

parentPort?.on('message', (file: CorpusFile) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  parentPort?.postMessage(tallyOf(file));
});
