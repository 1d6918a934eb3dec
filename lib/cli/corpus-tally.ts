/** Counts what became of the messages of files, by outcome and by class of reason: never a value of a message. */
import { classOf, type RoundTrip, type RoundTripOutcome } from '../formats/round-trip';

/** `failed`: the reader did not end, ran out of memory or threw what it never should. A fault of ours, like `changed`. */
export type Outcome = RoundTripOutcome | 'failed';

/** One class: what was found, how often, and where first. */
export interface CorpusClass {
  /** An outcome; or the code of what a reader tolerated, in a message that has an outcome as well. */
  kind: string;
  reason: string;
  messages: number;
  /** File and place of the first two. */
  examples: Array<{ file: string; place: string }>;
}

/** Plain, so that a thread can post it. */
export interface Tally {
  files: number;
  bytes: number;
  messages: number;
  outcomes: Record<Outcome, number>;
  classes: CorpusClass[];
}

const EXAMPLES = 2;

export const newTally = (): Tally => ({
  files: 0,
  bytes: 0,
  messages: 0,
  outcomes: { equal: 0, canonical: 0, refused: 0, changed: 0, failed: 0 },
  classes: [],
});

/** @param number the message's number in its file, from 1; undefined when it is the only one */
export function addTrip(tally: Tally, { outcome, reasons, tolerated }: RoundTrip, file: string, number?: number): void {
  tally.messages += 1;
  tally.outcomes[outcome] += 1;
  const inFile = number === undefined ? '' : `message ${number}`;
  const placed = (place: string): string => [inFile, place].filter((part) => part !== '').join(', ');
  for (const { reason, place } of reasons) addClass(tally, outcome, reason, 1, [{ file, place: placed(place) }]);
  for (const { code, message } of tolerated) {
    const { reason, place } = classOf(message);
    addClass(tally, code, reason, 1, [{ file, place: placed(place) }]);
  }
}

/** Counts a file that could not be finished. */
export function addFailure(tally: Tally, outcome: 'failed' | 'refused', file: string, reason: string): void {
  tally.messages += 1;
  tally.outcomes[outcome] += 1;
  addClass(tally, outcome, reason, 1, [{ file, place: '' }]);
}

export function addTally(tally: Tally, other: Tally): void {
  tally.messages += other.messages;
  for (const outcome of Object.keys(other.outcomes) as Outcome[]) tally.outcomes[outcome] += other.outcomes[outcome];
  for (const { kind, reason, messages, examples } of other.classes) addClass(tally, kind, reason, messages, examples);
}

function addClass(
  { classes }: Tally,
  kind: string,
  reason: string,
  messages: number,
  examples: CorpusClass['examples'],
): void {
  const known = classes.find((each) => each.kind === kind && each.reason === reason);
  if (!known) {
    classes.push({ kind, reason, messages, examples: examples.slice(0, EXAMPLES) });
    return;
  }
  known.messages += messages;
  // Two files say more than two messages of one.
  const fresh = examples.filter(({ file }) => !known.examples.some((each) => each.file === file));
  known.examples.push(...fresh.slice(0, EXAMPLES - known.examples.length));
}
