/**
 * Removes each rule of sending once, one at a time, and sees its test fail.
 * `npx tsx test/send/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Taken extends Mutation {
  /** Words from the title of the test, and its file. */
  case: string;
  test: string;
}

const ONE_COMMIT = 'test/send/one-commit.test.ts';
const FORGOTTEN = 'test/send/forgotten.test.ts';
const FOLLOW = 'test/send/outbox-follow.test.ts';
const ONCE_KEY = 'test/send/once-key.test.ts';
const DISK = 'test/store/sqlite/broken-disk.test.ts';

const WORKING_DAYS = 'test/send/working-days.test.ts';

const MUTATIONS: Taken[] = [
  {
    case: 'do not count over Christmas',
    test: WORKING_DAYS,
    file: 'lib/send/working-days.ts',
    check: 'return !holidays.has(date) && !ownHolidays.has(date);',
    without: 'return !ownHolidays.has(date);',
  },
  {
    case: 'are as many as somebody adds',
    test: WORKING_DAYS,
    file: 'lib/send/working-days.ts',
    check: 'return !holidays.has(date) && !ownHolidays.has(date);',
    without: 'return !holidays.has(date);',
  },
  {
    case: 'are those that gov.uk lists',
    test: WORKING_DAYS,
    file: 'lib/send/working-days.ts',
    check: 'while (isWeekend(day) || days.includes(day)) day += DAY;',
    without: 'while (isWeekend(day)) day += DAY;',
  },
  {
    case: 'over Easter and the change of the clocks',
    test: WORKING_DAYS,
    file: 'lib/send/working-days.ts',
    check: 'return wall - londonOffset(wall - HOUR) * MINUTE;',
    without: 'return wall;',
  },
  {
    case: 'are all raised in the same look',
    test: FOLLOW,
    file: 'lib/send/follower.ts',
    check: 'if (rows.length === 0 || ',
    without: 'if (rows.length === 0 || looked.size > 0 || ',
  },
  {
    case: 'before replaceOutgoing',
    test: ONE_COMMIT,
    file: 'lib/store/sqlite/outgoing.ts',
    check: 'if (!replaced) return undefined;',
    without: '',
  },
  {
    case: 'where the wire is slower than the disk',
    test: 'test/send/outbox-worker.test.ts',
    file: 'lib/send/intents-ahead.ts',
    check: '#count = 1;',
    without: '#count = 2;',
  },
  {
    case: 'does neither if the old message is in another state',
    test: 'test/store/postgres.test.ts',
    file: 'lib/store/postgres/outgoing.ts',
    check: "'EXISTS (SELECT 1 FROM replaced)'",
    without: "'true'",
  },
  {
    case: 'a large payload that a hindered resend has spooled',
    test: ONE_COMMIT,
    file: 'lib/send/outbox.ts',
    check: 'if (!result?.isNew) await discard();',
    without: 'if (result && !result.isNew) await discard();',
  },
  {
    case: 'an acknowledgement read again after a kill',
    test: ONE_COMMIT,
    file: 'lib/send/settle-acknowledgement.ts',
    check: 'return before ?? ',
    without: 'return (before?.id === "" ? before : undefined) ?? ',
  },
  {
    case: 'writes a line about another message in the same commit',
    test: 'test/store/sqlite.test.ts',
    file: 'lib/store/sqlite/outgoing.ts',
    check: 'if (also) this.#ledger.note',
    without: 'if (also && message.id === "") this.#ledger.note',
  },
  {
    case: 'keeps the payload of a message that is there, and says so',
    test: ONE_COMMIT,
    file: 'lib/send/outbox.ts',
    check: 'if (error instanceof UnknownCommitError) throw storedPerhaps(id, error);',
    without: 'if (error instanceof UnknownCommitError) await discard();',
  },
  {
    case: 'of MESH’s response, that was made, is reported once',
    test: ONE_COMMIT,
    file: 'lib/send/row-changes.ts',
    check: 'if (isMade || !isUncertain) return isMade;',
    without: 'if (isMade || isUncertain) return isMade;',
  },
  {
    case: 'the message whose commit failed is not refused',
    test: DISK,
    file: 'lib/store/sqlite/shared-commits.ts',
    check: 'if (!this.#undo()) return this.#onlyReads(calls, unknownCommitError(messageOf(error)));',
    without: '',
  },
  {
    case: 'messages that come after it are refused',
    test: DISK,
    file: 'lib/store/sqlite/shared-commits.ts',
    check: 'doubt !== undefined && calls.some(isWrite) && !this.#undo()',
    without: 'doubt === this',
  },
  {
    case: 'never refused; the message is there',
    test: 'test/store/postgres/lost-commit.test.ts',
    file: 'lib/store/postgres/shared-commits.ts',
    check: 'call.written ? unknownCommitError(error) : error',
    without: 'error',
  },
  ...['recipient', 'workflow', 'payload'].map((what) => ({
    case: `a key with another ${what} is an error`,
    test: ONCE_KEY,
    file: 'lib/send/once-key.ts',
    check: 'if (differs.length === 0) return;',
    without: 'if (differs.length >= 0) return;',
  })),
  {
    case: 'of two messages that race for a key',
    test: ONCE_KEY,
    file: 'lib/send/outbox.ts',
    check: 'requireSame(added.message, { lane, workflowId, digest });',
    without: 'void 0;',
  },
  {
    case: 'a large payload, a file and an object are compared',
    test: ONCE_KEY,
    file: 'lib/send/once-key.ts',
    check: 'hash.update(piece);',
    without: 'void piece;',
  },
  {
    case: 'with onceContent a payload that is made anew is a repeat',
    test: ONCE_KEY,
    file: 'lib/send/once-key.ts',
    check: 'if (onceContent !== undefined)',
    without: 'if (onceContent === "")',
  },
  {
    case: 'each level is acknowledged once',
    test: 'test/acks/wiring.test.ts',
    file: 'lib/send/acknowledgement-sender.ts',
    check: 'before.code !== composed.code',
    without: 'before.code === ""',
  },
  {
    case: 'its write-ahead log is lost',
    test: FORGOTTEN,
    file: 'lib/send/send-marks.ts',
    check: 'if (!row || row.attempts < one.attempt) forgotten.push({ mark: one, row });',
    without: 'if (row && row.attempts < one.attempt) forgotten.push({ mark: one, row });',
  },
  {
    case: 'its write-ahead log is lost',
    test: FORGOTTEN,
    file: 'lib/store/sqlite/version.ts',
    check: "database.exec('PRAGMA wal_checkpoint(TRUNCATE)');",
    without: '',
  },
  {
    case: 'a backup from before some restarts',
    test: FORGOTTEN,
    file: 'lib/send/send-marks.ts',
    check: 'this.#sequence - known.begun > marked',
    without: 'this.#sequence < 0',
  },
  {
    case: 'the store that a backup had replaced',
    test: FORGOTTEN,
    file: 'lib/send/send-marks.ts',
    check: 'Math.max(known.commits, counted)',
    without: 'known.commits',
  },
  {
    case: 'a backup made before the start that looked up the message on the wire',
    test: FORGOTTEN,
    file: 'lib/send/send-marks.ts',
    check: 'commits: commits + BEHIND_BY_A_KILL + 1',
    without: 'commits',
  },
  {
    case: 'older marks, as a lost volume leaves them',
    test: FORGOTTEN,
    file: 'lib/send/send-marks.ts',
    check: 'if (isStoreBehind || behind < 0)',
    without: 'if (isStoreBehind)',
  },
  {
    case: 'a store copied to PostgreSQL and back',
    test: FORGOTTEN,
    file: 'lib/send/send-marks.ts',
    check: 'if (this.#head?.generation !== known.generation) {',
    without: 'if (!this.#head) {',
  },
  {
    case: 'a copy has another generation',
    test: FORGOTTEN,
    file: 'lib/store/tools/copy-store.ts',
    check: 'await to.renewGeneration();',
    without: '',
  },
  {
    case: 'a message that was being sent in chunks when a backup was made',
    test: FORGOTTEN,
    file: 'lib/send/interrupted-messages.ts',
    check: '(isWhole || isStoreBehind)',
    without: '(isWhole || (isStoreBehind && false))',
  },
  {
    case: 'a failed message that was resent is closed',
    test: FOLLOW,
    file: 'lib/send/outbox.ts',
    check: "? { state: 'closed' }",
    without: '? {}',
  },
  {
    case: 'is the one that MESH says, however late tracking notices it',
    test: FOLLOW,
    file: 'lib/send/follow-up.ts',
    check: 'return ms >= 0 ? ms : undefined;',
    without: 'return ms > 1e15 ? ms : undefined;',
  },
  {
    case: 'asking MESH changes nothing if it does not have the message',
    test: 'test/send/outbox-unknown.test.ts',
    file: 'lib/send/follower.ts',
    check: 'const answer = await this.#askByLocalId(row);',
    without: 'await this.#lookUp(row); const answer = await this.#askByLocalId(row);',
  },
  {
    case: 'takes one trip to the store',
    test: ONCE_KEY,
    file: 'lib/send/outbox.ts',
    check: 'isSmall(payload) ? undefined : await findRepeated()',
    without: 'await findRepeated()',
  },
  {
    case: 'is compared after a restart too, and while the outbox is full',
    test: ONCE_KEY,
    file: 'lib/send/outbox.ts',
    check: 'error instanceof OutboxFullError ? await findRepeated() : undefined',
    without: 'undefined as Added | undefined',
  },
  {
    case: 'waiting for the acceptance of a message that was dropped fails',
    test: 'test/send/outbox-enqueue.test.ts',
    file: 'lib/send/outbox.ts',
    check: "if (event !== 'queued') this.#parts.justQueued?.forget(row.id);",
    without: '',
  },
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title, test }) => mochaArgs(title, test),
);
