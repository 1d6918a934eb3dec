/** What a fuzz target is: inputs, what is done with each, and which errors may come of it. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';

/** A class whose instances may be thrown. */
// oxlint-disable-next-line typescript/no-explicit-any -- of any constructor; abstract ones as well
export type Documented = abstract new (...details: any[]) => Error;

/** Stands in every real input where a patient would; no error may say it. */
export const MARK = 'MARK9434765919';

export interface Target {
  name: string;
  /** Runs one input; `count` is told the class of each documented error. */
  property(count: (errorClass: string) => void): fc.IAsyncPropertyWithHooks<[unknown]>;
}

/** CPU time (milliseconds) in which one input of at most 200,000 characters has to be done, on any machine. */
const LONGEST_MS = 3000;

/**
 * A target. `run` throws where the property does not hold; what is of a documented class is counted, and may not say
 * {@link MARK}. An input that takes too long is a failure like any other, so that it is shrunk.
 */
export function target<Input>(
  name: string,
  inputs: fc.Arbitrary<Input>,
  documented: readonly Documented[],
  run: (input: Input) => unknown,
): Target {
  return {
    name,
    property: (count) =>
      fc.asyncProperty(inputs, async (input) => {
        const before = process.cpuUsage();
        try {
          await run(input);
        } catch (error) {
          const found = documented.find((kind) => error instanceof kind);
          if (!found || !(error instanceof Error)) throw error;
          assert.ok(
            !`${error.message} ${String((error as { advice?: string }).advice)}`.includes(MARK),
            'the error says what it must not',
          );
          count(error.name);
        }
        const { user, system } = process.cpuUsage(before);
        assert.ok(user + system < LONGEST_MS * 1000, `took ${Math.round((user + system) / 1000)} ms of CPU`);
      }),
  };
}

/** Undefined where the error is one of these; what else is thrown is thrown on. */
export function unless<Result>(documented: Documented, work: () => Result): Result | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof documented) return undefined;
    throw error;
  }
}

/** The error of this class that it throws, or undefined where it throws none; what else is thrown is thrown on. */
export function thrownBy<Thrown extends Error>(
  documented: abstract new (...details: never[]) => Thrown,
  work: () => unknown,
): Thrown | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof documented) return error;
    throw error;
  }
}
