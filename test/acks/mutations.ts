/**
 * Removes each rule of replies once, one at a time, and sees its test fail.
 * `npx tsx test/acks/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Taken extends Mutation {
  /** Words from the title of the test, and its file. */
  case: string;
  test: string;
}

const REPLIES = 'test/acks/replies.test.ts';
const DUE = 'test/send/replies-due.test.ts';
const SETTLE = 'lib/send/settle-reply.ts';
const FLOWS = 'test/acks/file-flows.test.ts';
const COMPARED = 'test/acks/compare-reply.test.ts';

const MUTATIONS: Taken[] = [
  {
    case: 'that two requests could claim settle neither',
    test: REPLIES,
    file: SETTLE,
    check: 'else if (rows.length === 1) {',
    without: 'else {',
  },
  {
    case: 'that name two requests at once, or none',
    test: REPLIES,
    file: SETTLE,
    check: 'values.every(({ request, value }) => agrees(row, request, value)),',
    without: 'values.some(({ request, value }) => agrees(row, request, value)),',
  },
  {
    case: 'count from the recipient of the request only',
    test: REPLIES,
    file: SETTLE,
    check: "if (from !== 'recipient') return true;",
    without: 'if (from.length > 0) return true;',
  },
  {
    case: 'of one stage that come again are told as duplicates',
    test: REPLIES,
    file: SETTLE,
    check: "const isDuplicate = isCopy || (stage.occurs !== 'any' && !REPLACES[outcome].includes(stage.outcome));",
    without: 'const isDuplicate = isCopy && REPLACES[outcome].length > 99;',
  },
  {
    case: 'that settled before a kill, and are read again after it',
    test: REPLIES,
    file: SETTLE,
    check: 'if (stage.replies.some((each) => each.messageId === messageId)) return settled;',
    without: '',
  },
  {
    case: 'what follows is then not awaited',
    test: REPLIES,
    file: SETTLE,
    check: "if (own.outcome !== 'negative') return stages;",
    without: "if (own.outcome !== 'negative' || own.at > 0) return stages;",
  },
  {
    case: 'keep no name in the row of the reply',
    test: REPLIES,
    file: 'lib/receive/acknowledge/delivered-reply.ts',
    check: '({ ...reading, values: [] })',
    without: '({ ...reading })',
  },
  {
    case: 'are never taken for a request',
    test: REPLIES,
    file: 'lib/acks/compose.ts',
    check: "if (classification && classification.kind !== 'request' && !isItk2) return { none: 'acknowledgement' };",
    without: '',
  },
  {
    case: 'are positive by what an archive has in it',
    test: REPLIES,
    file: 'lib/acks/replies/read.ts',
    check: 'pattern.replaceAll(MATCH, () => escaped)',
    without: "pattern.replaceAll(MATCH, () => '.*')",
  },
  {
    case: 'is answered unclearly by an archive that is refused',
    test: 'test/acks/file-flows.test.ts',
    file: 'lib/acks/replies/content.ts',
    check: 'if (!(error instanceof UnreadableError)) throw error;\n      return [];',
    without: '',
  },
  {
    case: 'is overdue at the time of its stage, once',
    test: DUE,
    file: 'lib/send/reply-stages.ts',
    check: "'hours' in within ? from + within.hours * 60 * MINUTE",
    without: "'hours' in within ? from + within.hours * MINUTE",
  },
  {
    case: 'although the clock was set back a day',
    test: DUE,
    file: 'lib/send/follower.ts',
    check: 'await planStagesAgain(this.#parts, row);',
    without: '',
  },
  {
    case: 'are changed only by who has read their last revision',
    test: 'test/store/sqlite.test.ts',
    file: 'lib/store/sqlite/outgoing.ts',
    check: "(repliesRevision === undefined ? '' : ' AND replies_revision = ?') +",
    without: "(repliesRevision === undefined ? '' : ' AND replies_revision <= ? + 99') +",
  },
  {
    case: 'are changed only by who has read their last revision',
    test: 'test/store/postgres.test.ts',
    file: 'lib/store/postgres/outgoing.ts',
    check: "(repliesRevision === undefined ? '' : ' AND replies_revision = ?');",
    without: "(repliesRevision === undefined ? '' : ' AND replies_revision <= ? + 99');",
  },
  {
    case: 'erases what replies name a sent message by',
    test: 'test/store/sqlite/erase.test.ts',
    file: 'lib/store/tools/erase.ts',
    check: 'reply_keys: null,',
    without: '',
  },
  {
    case: 'every request of opt-out once',
    test: FLOWS,
    file: 'lib/acks/file-flows.ts',
    check: "{ outcome: 'unclear', when: { firstLine: String.raw`^\\s*$` }, code: 'empty' },",
    without: "{ outcome: 'positive', when: { firstLine: String.raw`^\\s*$` } },",
  },
  {
    case: 'settles its request when every number in it was sent',
    test: COMPARED,
    file: SETTLE,
    check: 'if (await isKnownTo(parts.store, parts.mailbox, row, reading, messageId)) return reading;',
    without: 'return reading;',
  },
  {
    case: 'compared with none, and not believed',
    test: COMPARED,
    file: SETTLE,
    check: 'said.compare && saysGood(said) ? { ...said, ...NOT_COMPARED } : said;',
    without: 'said;',
  },
  {
    case: 'with a number that was never sent',
    test: COMPARED,
    file: 'lib/send/compare-reply.ts',
    check: 'if (notSent > 0)',
    without: 'if (notSent > 1)',
  },
  {
    case: 'that is longer than what was sent',
    test: COMPARED,
    file: 'lib/formats/csv/unique.ts',
    check: "if (!isHere(from + times)) return 'repeated';",
    without: '',
  },
  {
    case: 'with less than half of what was sent',
    test: COMPARED,
    file: 'lib/send/compare-reply.ts',
    check: 'if (returned * 100 < sent * minimumPercent)',
    without: 'if (returned < sent * minimumPercent)',
  },
  {
    case: 'with a second number in a row',
    test: COMPARED,
    file: 'lib/formats/csv/compare.ts',
    check: 'if (row.isUndecodable || own !== width)',
    without: 'if (row.isUndecodable)',
  },
  {
    case: 'with a row of names before its numbers',
    test: COMPARED,
    file: 'lib/acks/file-flows.ts',
    check: "{ outcome: 'unclear', when: { beginning: String.raw`[\\r\\n]\"?\\d{10}\\b` }, code: 'no list' },",
    without: '',
  },
  {
    case: 'cannot be compared if a second value stands in a row',
    test: 'test/formats/csv/compare.test.ts',
    file: 'lib/formats/csv/compare.ts',
    check: 'if (areNumbered && found.returned > 0 && returnedWidth !== sentWidth)',
    without: 'if (areNumbered && found.returned > 9 && returnedWidth !== sentWidth)',
  },
  {
    case: 'every request of vaccination once',
    test: FLOWS,
    file: 'lib/acks/file-flows.ts',
    check: "{ outcome: 'partial', when: { row: { column: 'HEADER_RESPONSE_CODE', equals: 'Fatal Error' } } },",
    without: '',
  },
  {
    case: 'every request of nhais once',
    test: FLOWS,
    file: 'lib/acks/requested.ts',
    check: " || profile?.form === 'custom'",
    without: '',
  },
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title, test }) => mochaArgs(title, test),
);
