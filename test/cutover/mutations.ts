/**
 * Removes each rule of moving in once, one at a time, and sees its test fail.
 * `npx tsx test/cutover/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Rule extends Mutation {
  /** Words from the title of the test, and its file. */
  case: string;
  test: string;
}

const ADOPT = 'test/cutover/adopt.test.ts';

const RULES: Rule[] = [
  {
    case: 'are not those that were sent from here',
    test: ADOPT,
    file: 'lib/send/outbox.ts',
    check: 'if (known) return undefined;',
    without: '',
  },
  {
    case: 'have no limit that passed before they were adopted',
    test: ADOPT,
    file: 'lib/send/follow-up.ts',
    check: '(limit === null || limit <= now ? null : limit)',
    without: '(limit)',
  },
  {
    case: 'leave by name what is not the client’s own',
    test: ADOPT,
    file: 'lib/cutover/adopt-sent.ts',
    check: "if (from !== '' && mailboxOf(from) !== mailboxId) return",
    without: "if (from === 'nobody') return",
  },
  {
    case: 'come from the log',
    test: ADOPT,
    file: 'lib/cutover/client-log.ts',
    check: ' || NOT_SENT.test(line)',
    without: '',
  },
];

tryAll(
  RULES,
  ({ case: title }) => title,
  ({ case: title, test }) => mochaArgs(title, test),
);
