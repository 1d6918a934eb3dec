/**
 * Puts faults into the matching of replies, one at a time, and sees the requests test find them.
 * `npx tsx test/endurance/mutations.ts [words of a title]`; it changes files of lib while it runs, and restores them.
 */
import { join } from 'node:path';
import { tryAll, type Mutation } from '../harness/mutation';
import { ROOT } from '../harness/node-red';

const MUTATIONS: Array<Mutation & { title: string }> = [
  {
    title: 'an answer that comes again settles its stage again',
    file: 'lib/send/settle-reply.ts',
    check: "const isDuplicate = isCopy || (stage.occurs !== 'any' && !REPLACES[outcome].includes(stage.outcome));",
    without: 'const isDuplicate = false && isCopy;',
  },
  {
    title: 'silence is not raised',
    file: 'lib/send/follower.ts',
    check: 'await this.#reportAllOverdue(alarmTime);',
    without: '',
  },
  {
    title: 'silence is raised an hour for every day late',
    file: 'lib/send/reply-stages.ts',
    check: "'hours' in within ? from + within.hours * 60 * MINUTE",
    without: "'hours' in within ? from + within.hours * 70 * MINUTE",
  },
];

tryAll(
  MUTATIONS,
  ({ title }) => title,
  () => [
    '--import',
    'tsx',
    join(ROOT, 'test/endurance/requests.ts'),
    '--requests',
    '140',
    '--kills',
    '6',
    '--seed',
    '1',
  ],
);
