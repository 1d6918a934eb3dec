/** A fuzz target: inputs, what is done with each, and which errors that may throw. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';

/** A class whose instances may be thrown. */
// oxlint-disable-next-line typescript/no-explicit-any -- any constructor, abstract ones too
export type Documented = abstract new (...details: any[]) => Error;

/** Stands for a patient's data in every realistic input; no error may quote it. */
export const MARK = 'MARK9434765919';

export interface Target {
  name: string;
  /** Runs one input; `count` is called with the class of each documented error. */
  property(count: (errorClass: string) => void): fc.IAsyncPropertyWithHooks<[unknown]>;
}

/** CPU time that one input of at most 200,000 characters may take on any machine (milliseconds). */
const LONGEST_MS = 3000;

/**
 * Makes a target. `run` throws when the property does not hold; errors of a documented class are counted, and may not
 * quote {@link MARK}. An input that takes too long is a failure like any other, so that it is shrunk.
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
          const isDocumented = documented.some((kind) => error instanceof kind);
          if (!isDocumented || !(error instanceof Error)) throw error;
          assert.ok(
            !`${error.message} ${String((error as { advice?: string }).advice)}`.includes(MARK),
            'the error quotes the mark',
          );
          count(error.name);
        }
        const { user, system } = process.cpuUsage(before);
        assert.ok(user + system < LONGEST_MS * 1000, `took ${Math.round((user + system) / 1000)} ms of CPU`);
      }),
  };
}

/** Returns undefined if `work` throws an error of this class, and rethrows any other. */
export function unless<Result>(documented: Documented, work: () => Result): Result | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof documented) return undefined;
    throw error;
  }
}

/** Returns the error of this class that `work` throws, or undefined if it throws none; rethrows any other. */
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
