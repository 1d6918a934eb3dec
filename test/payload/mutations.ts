/**
 * Removes each check on payloads and their folders, one at a time, and sees its test fail.
 * `npx tsx test/payload/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { tryAll, type Mutation } from '../harness/mutation';

interface Taken extends Mutation {
  /** Words from the title of the test. */
  case: string;
  test: string;
}

const NOT_OURS = 'test/payload/not-ours.test.ts';
const SPOOL = 'test/payload/spool.test.ts';
const QUARANTINE = 'test/payload/quarantine.test.ts';
const ERASE = 'test/store/sqlite/erase.test.ts';

const MUTATIONS: Taken[] = [
  {
    case: 'is refused, and left as it is, when it has other files in it',
    test: NOT_OURS,
    file: 'lib/payload/spool-mark.ts',
    check: 'if (found.length > 0) {',
    without: 'if (found.length < 0) {',
  },
  {
    case: 'is refused to a second store',
    test: NOT_OURS,
    file: 'lib/payload/spool-mark.ts',
    check: 'if (owner === store) return;',
    without: 'if (owner !== undefined) return;',
  },
  {
    case: 'is not taken into use: its volume may not be mounted',
    test: NOT_OURS,
    file: 'lib/payload/spool-mark.ts',
    check: 'if (await isExpected()) {',
    without: 'if (!isExpected) {',
  },
  {
    case: 'is moved into quarantine at the next start',
    test: NOT_OURS,
    file: 'lib/payload/spool.ts',
    check: 'await this.#quarantine.take(orphans);',
    without: 'await this.remove(orphans);',
  },
  {
    case: 'touches nothing that has another name',
    test: SPOOL,
    file: 'lib/payload/spool-names.ts',
    check: 'return NAME.test(name);',
    without: 'return NAME.test(name) || name !== "";',
  },
  {
    case: 'finds a payload that was taken for an orphan',
    test: SPOOL,
    file: 'lib/payload/spool.ts',
    check: 'if (await asStorageError(() => this.#quarantine.putBack(name)))',
    without: 'if (name === "")',
  },
  {
    case: 'are old by the clock of the file system',
    test: SPOOL,
    file: 'lib/payload/spool.ts',
    check: 'const now = ageMs === 0 ? 0 : await this.#timeOfFiles();',
    without: 'const now = ageMs === 0 ? await this.#timeOfFiles() : Date.now();',
  },
  {
    case: 'deletes nothing because of a wrong date',
    test: QUARANTINE,
    file: 'lib/payload/quarantine.ts',
    check: 'Math.min(elapsed, this.#clocks.now() - before.at)',
    without: 'Math.max(elapsed, this.#clocks.now() - before.at)',
  },
  {
    case: 'deletes no file of somebody else’s that is put there',
    test: QUARANTINE,
    file: 'lib/payload/quarantine.ts',
    check: 'if (isSpoolName(name) || name.startsWith(AGE_FILE))',
    without: 'if (name !== "")',
  },
  {
    case: 'when the payload may be in a folder that cannot be reached',
    test: ERASE,
    file: 'lib/store/tools/erase.ts',
    check: '(unreached.length > 0 || folders.size === 0)',
    without: 'folders.size === 0',
  },
  {
    case: 'keeps the row, and names the file, when the payload cannot be deleted',
    test: ERASE,
    file: 'lib/store/tools/erase.ts',
    check: '  for (const payload of payloads) await removePayload(side, payload);\n',
    without: '  void Promise.allSettled(payloads.map((payload) => removePayload(side, payload)));\n',
  },
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title, test }) => [require.resolve('mocha/bin/mocha.js'), '--timeout', '20000', '--exit', '-f', title, test],
);
