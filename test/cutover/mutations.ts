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

const SHADOW = 'test/cutover/shadow.test.ts';
const BACK = 'test/cutover/hand-back.test.ts';

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
  {
    case: 'is sent by the client once, through a kill',
    test: BACK,
    file: 'lib/folders/hand-over.ts',
    check: 'if (isBegun && !(await pathExists(join(mark, CONTROL)))) return false;',
    without: '',
  },
  {
    case: 'is sent by the client once, through a kill',
    test: BACK,
    file: 'lib/cutover/hand-back.ts',
    check: "if (row.state === 'parked' && isHandedBack(row)) begun.push(row.id);\n    else if",
    without: 'if',
  },
  {
    case: 'leaves here, by name',
    test: BACK,
    file: 'lib/cutover/hand-back.ts',
    check: 'queued.push(row.id);\n    else result.listed.push(listed(row));',
    without: 'queued.push(row.id);',
  },
  {
    case: 'is never sent from here',
    test: BACK,
    file: 'lib/send/resend.ts',
    check: '  requireNotHandedBack(row);\n',
    without: '',
  },
  {
    case: 'is never sent from here',
    test: BACK,
    file: 'lib/send/outbox.ts',
    check: '    requireNotHandedBack(found);\n',
    without: '',
  },
  {
    case: 'is in the outbox once, through a kill',
    test: BACK,
    file: 'lib/cutover/cut-over.ts',
    check: 'onceKey: `cutover ${id}`,',
    without: '',
  },
  {
    case: 'notices segments in another order',
    test: SHADOW,
    file: 'lib/formats/message-fields.ts',
    check: "fields.set('order of segments', orderOf(message).join(' '));",
    without: '',
  },
  {
    case: 'finds the other half by content',
    test: SHADOW,
    file: 'lib/cutover/compare.ts',
    check: 'if (only && same.length === 1)',
    without: 'if (only)',
  },
  {
    case: 'has no value of a message',
    test: SHADOW,
    file: 'lib/cutover/compare.ts',
    check: '...(values && { values: found })',
    without: 'values: found',
  },
  {
    case: 'has a report in which names from outside are no markup',
    test: SHADOW,
    file: 'lib/cutover/shadow-report.ts',
    check: 'String.raw`\\$&`',
    without: "'$&'",
  },
  {
    case: 'accounts for every message of the source',
    test: SHADOW,
    file: 'lib/cutover/reconcile.ts',
    check: "(there === 'accepted by the client' && !accepted.some(isAdopted) ? 1 : 0)",
    without: '0',
  },
];

tryAll(
  RULES,
  ({ case: title }) => title,
  ({ case: title, test }) => mochaArgs(title, test),
);
