/**
 * Removes each check of the command line, one at a time, and sees its test fail. `npx tsx test/cli/mutations.ts [words of
 * a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Rule extends Mutation {
  /** Words from the title of the test. */
  case: string;
  test: string;
}

const OPTIONS = 'lib/cli/options.ts';
const COMMANDS = 'test/cli/command-line.test.ts';
const SANDBOX = 'test/cli/sandbox.test.ts';

const MONITOR = 'test/cli/monitor.test.ts';

const RULES: Rule[] = [
  {
    case: 'says UNKNOWN when it cannot find out',
    test: MONITOR,
    file: 'lib/cli/node-red-health.ts',
    check: "if (mailboxes.length === 0) return { state: 'UNKNOWN', text: 'No mailbox is deployed in this Node-RED.' };",
    without: '',
  },
  {
    case: 'asks a running Node-RED, with a token that it does not show',
    test: MONITOR,
    file: 'lib/cli/node-red-health.ts',
    check: "worst.severity === 'critical' || personMustAct",
    without: "worst.severity === 'critical'",
  },
  {
    case: 'prints one line that agents can read',
    test: MONITOR,
    file: 'lib/cli/monitor-line.ts',
    check: ".replaceAll(/[|\\u0000-\\u001F\\u007F]+/g, ' ')",
    without: '',
  },
  {
    case: 'refuses wrong arguments by name',
    test: SANDBOX,
    file: OPTIONS,
    check: 'if (seen.has(name) && option.multiple !== true) return',
    without: 'if (seen.has(name) && option.multiple !== option.multiple) return',
  },
  {
    case: 'refuses wrong arguments by name',
    test: SANDBOX,
    file: OPTIONS,
    check: "if (option.type === 'boolean') return value === undefined ? [] :",
    without: "if (option.type === 'boolean') return value !== '' ? [] :",
  },
  {
    case: 'refuses wrong arguments by name',
    test: SANDBOX,
    file: OPTIONS,
    check: 'if (value === undefined || (!inlineValue && /^-./.test(value))) return',
    without: 'if (value === undefined) return',
  },
  {
    case: 'is not an option of store copy',
    test: COMMANDS,
    file: 'lib/cli/store.ts',
    check: "refuseOptions('store copy', values, ['by', 'force']);",
    without: '',
  },
  {
    case: 'names each option with a value that cannot be used',
    test: COMMANDS,
    file: 'lib/cli/connection-options.ts',
    check: "if (proxy !== undefined && !isAddress(proxy)) faults.push('--proxy must be an http(s) URL.');",
    without: '',
  },
  {
    case: 'does not print a password or shared key that the user configured',
    test: SANDBOX,
    file: 'lib/cli/sandbox.ts',
    check: "isDefaultKey ? server.sharedKey : 'as configured'",
    without: 'isDefaultKey || server.sharedKey !== undefined ? server.sharedKey : undefined',
  },
];

tryAll(
  RULES,
  ({ case: title }) => title,
  ({ case: title, test }) => mochaArgs(title, test),
);
