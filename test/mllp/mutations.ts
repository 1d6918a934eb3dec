/**
 * Removes each bound on what senders and hostile payloads take, one at a time, and sees its test fail.
 * `npx tsx test/mllp/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Taken extends Mutation {
  /** Words from the title of the test. */
  case: string;
  /** Default: test/mllp/greed.test.ts. */
  test?: string;
}

const CONNECTION = 'lib/mllp/server-connection.ts';
const BUDGET = 'lib/mllp/byte-budget.ts';
const PAYLOADS = 'test/acks/greed.test.ts';
const BOMBS = 'test/receive/hostile.test.ts';

const MUTATIONS: Taken[] = [
  {
    case: 'disconnects a sender whose message is not whole in time',
    file: CONNECTION,
    check: '() => this.#disconnect(notWhole(messageTimeoutMs))',
    without: '() => void notWhole',
  },
  {
    case: 'gives each message its own deadline',
    file: CONNECTION,
    check: '      clearTimeout(this.#messageTimer);\n      this.#messageTimer = undefined;',
    without: '',
  },
  {
    case: 'disconnects a sender without a message',
    file: CONNECTION,
    check: 'setTimeout(() => this.close(), idleTimeoutMs)',
    without: 'setTimeout(() => undefined, idleTimeoutMs)',
  },
  {
    case: 'holds one budget for 60 senders',
    file: CONNECTION,
    check: 'this.#isUnread || this.#options.budget.mustWait(this)',
    without: 'this.#isUnread',
  },
  {
    case: 'makes senders wait while messages in flight take the budget',
    file: CONNECTION,
    check: 'const bytes = this.#inFlightBytes + ',
    without: 'const bytes = ',
  },
  {
    case: 'lets the first message that began be read on',
    file: BUDGET,
    check: 'return this.#inFlight > 0 || first !== holder;',
    without: 'return first !== undefined || holder !== first;',
  },
  {
    case: 'refuses CDATA with more brackets than a real document has',
    test: PAYLOADS,
    file: 'lib/formats/xml.ts',
    check: '  checkBrackets(text);\n',
    without: '',
    // Otherwise the same limit stands in the way of the second test.
    also: {
      file: 'lib/formats/xml.ts',
      check: 'const MAX_BRACKETS = 100_000;',
      without: 'const MAX_BRACKETS = Infinity;',
    },
  },
  {
    case: 'does not parse more segments',
    test: PAYLOADS,
    file: 'lib/acks/parse-acknowledgement.ts',
    check: 'const MAX_SEGMENTS = 200_000;',
    without: 'const MAX_SEGMENTS = Infinity;',
  },
  {
    case: 'chunks that expand absurdly together',
    test: BOMBS,
    file: 'lib/receive/download/download.ts',
    check: 'const expanded = this.#bytes - this.#resumedBytes + bytes;',
    without: 'const expanded = bytes;',
  },
  {
    case: 'a message that expands absurdly beyond 64 MiB',
    test: BOMBS,
    file: 'lib/receive/download/download.ts',
    check: 'Math.min(UNCHECKED_BYTES, maxExpandedBytes * UNCHECKED_SHARE)',
    without: 'maxExpandedBytes * UNCHECKED_SHARE',
  },
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title, test = 'test/mllp/greed.test.ts' }) => mochaArgs(title, test),
);
