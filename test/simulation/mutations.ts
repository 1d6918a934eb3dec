/**
 * Takes a fix of the durable lines out, one at a time, and expects some seed to fail. `npx tsx
 * test/simulation/mutations.ts [words of a title]`; it changes files of lib while it runs, and restores them.
 */
import { tryAll, type Mutation } from '../harness/mutation';

interface Taken extends Mutation {
  title: string;
}

const MUTATIONS: Taken[] = [
  {
    title: 'a message whose response is lost is not sent again blindly',
    file: 'lib/client/failures.ts',
    check: 'if (!context.repeatable && failure.requestSent) {',
    without: 'if (context.repeatable && !failure.requestSent && Math.abs(0) > 0) {',
  },
  {
    title: 'an interrupted whole message is unknown',
    file: 'lib/send/interrupted-messages.ts',
    check: "if ((row.plan?.totalChunks ?? 1) === 1 && mark?.is !== 'free') return unknown(row, INTERRUPTED, now);",
    without: 'void unknown;\n  void INTERRUPTED;',
  },
];

/** Worlds that are run; the first that fails is enough. */
const SEEDS = '60';

tryAll(
  MUTATIONS,
  ({ title }) => title,
  () => ['--import', 'tsx', 'test/simulation/run.ts', '--seed', '1', '--seeds', SEEDS, '--first'],
);
