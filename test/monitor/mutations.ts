/**
 * Removes each guard against a clock that was set (docs/design.md, rule 6), each rule about mailboxes that nothing opens,
 * and each report of what has happened, one at a time, and sees its test fail.
 * `npx tsx test/monitor/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Guard extends Mutation {
  /** Words from the title of the test. */
  case: string;
  test: string;
}

const SENDING = 'test/send/clock-set.test.ts';
const TRUSTED = 'test/store/trusted-time.test.ts';
const STEPS = 'test/monitor/clock-steps.test.ts';
const RECEIVING = 'test/receive/clock-set.test.ts';
const DUE_TIMES = 'lib/store/rules/due-times.ts';
const STEADY = { check: 'steadyTime(', without: '((each: { now(): number }) => each.now())(' };

const MUTATIONS: Guard[] = [
  {
    case: 'nothing is sent twice, and each lost message needs a decision',
    test: 'test/send/forgotten.test.ts',
    file: 'lib/send/outbox-worker.ts',
    check: 'if (comparison.isStoreBehind) this.#parts.onStoreBehind?.(forgotten.length);',
    without: '',
  },
  ...(['OFFERED_AGAIN', 'STORE_BEHIND'] as const).map((event) => ({
    case:
      event === 'OFFERED_AGAIN'
        ? 'is counted, and shown in the mailbox’s health for a day, over a restart'
        : 'nothing is sent twice, and each lost message needs a decision',
    test: event === 'OFFERED_AGAIN' ? 'test/receive/offered-again.test.ts' : 'test/send/forgotten.test.ts',
    file: 'lib/monitor/health.ts',
    check: `if (event === ${event})`,
    without: "if (event === '')",
  })),
  {
    case: 'is counted, and shown in the mailbox’s health for a day',
    test: 'test/receive/offered-again.test.ts',
    file: 'lib/receive/poll/offered-again.ts',
    check: 'this.#parts.options.onOfferedAgain?.(messageId, different.length > 0);',
    without: '',
  },
  {
    case: 'is counted, and shown in the mailbox’s health for a day',
    test: 'test/receive/offered-again.test.ts',
    file: 'lib/monitor/health.ts',
    check: 'steadyTime(this.#clock) - happened.at.steady >= SHOWN_MS',
    without: 'happened.at.steady < 0',
  },
  {
    case: 'the pause ends after its minutes all the same',
    test: SENDING,
    file: 'lib/send/sending-line.ts',
    ...STEADY,
    also: { file: 'lib/send/attempt.ts', ...STEADY },
  },
  {
    case: 'back by eight hours: a message that was set aside for five minutes is sent at once',
    test: SENDING,
    file: DUE_TIMES,
    check: 'now + LONGEST_SEND_WAIT_MS + TOLERANCE_MS',
    without: 'now + 1e6 * LONGEST_SEND_WAIT_MS',
  },
  {
    case: 'back by 40 minutes: a message that was set aside for five is sent at once',
    test: SENDING,
    file: DUE_TIMES,
    check: 'LONGEST_SEND_WAIT_MS = 20 * MINUTE_MS',
    without: 'LONGEST_SEND_WAIT_MS = 60 * MINUTE_MS',
  },
  {
    case: 'lists last what is further ahead than is planned in its state',
    test: 'test/store/sqlite.test.ts',
    file: 'lib/store/sqlite/outgoing.ts',
    check: "state = 'unknown' AND next_track_at >",
    without: "state = 'unknown' AND next_track_at > 1e6 *",
  },
  {
    case: 'lists last what is further ahead than is planned in its state',
    test: 'test/store/sqlite.test.ts',
    file: 'lib/store/sqlite/outgoing.ts',
    check: "furthestTracking('accepted', now)",
    without: "1e6 * furthestTracking('accepted', now)",
  },
  {
    case: 'back by 40 minutes: an accepted message is tracked within minutes',
    test: SENDING,
    file: 'lib/send/follower.ts',
    check: '...earlierTracking(row, clock.now())',
    without: '',
  },
  {
    case: 'back by three hours: a message whose response was lost is found at MESH within minutes',
    test: SENDING,
    file: 'lib/send/follower.ts',
    check: 'const states = [...LOOKED_FOR, ...MAY_BE_OVERDUE];',
    without: 'const states = MAY_BE_OVERDUE;',
    also: {
      file: DUE_TIMES,
      check: "state === 'unknown' ? LONGEST_LOOKUP_WAIT_MS",
      without: "state === 'closed' ? LONGEST_LOOKUP_WAIT_MS",
    },
  },
  {
    case: 'of an instance that is gone end in their time, although the database’s clock was set back',
    test: 'test/store/postgres/instances.test.ts',
    file: 'lib/store/postgres/leases.ts',
    check: 'OR held.until > clock_timestamp() + ?::float8',
    without: 'OR held.until > clock_timestamp() + 1e6 * ?::float8',
  },
  {
    case: 'stay with their owner, although the database’s clock was set back',
    test: 'test/store/postgres/instances.test.ts',
    file: 'lib/store/postgres/leases.ts',
    check: 'CASE WHEN held.until <= clock_timestamp() THEN excluded.owner ELSE held.owner END',
    without: 'excluded.owner',
  },
  {
    case: 'what is enqueued after it overtakes nothing',
    test: SENDING,
    file: 'lib/store/sqlite/outgoing.ts',
    check: 'ORDER BY seq LIMIT',
    without: 'ORDER BY id LIMIT',
  },
  {
    case: 'sends in strict order what both enqueue',
    test: 'test/store/postgres/mailboxes.test.ts',
    file: 'lib/store/postgres/schema.ts',
    check: "${orderOf('earlier.')} < added.seq",
    without: 'earlier.id < added.id',
    also: {
      file: 'lib/store/postgres/outgoing.ts',
      check: "ORDER BY ${orderOf('o.')} LIMIT",
      without: 'ORDER BY o.id LIMIT',
    },
  },
  {
    case: 'the next poll comes after its five minutes',
    test: RECEIVING,
    file: 'lib/receive/wake-timer.ts',
    ...STEADY,
    also: { file: 'lib/clock.ts', check: 'steady: steadyTime(clock) + ms', without: 'steady: clock.now() + ms' },
  },
  {
    case: 'the interval that MESH prescribes is kept',
    test: RECEIVING,
    file: 'lib/receive/poll/poll-schedule.ts',
    ...STEADY,
    also: { file: 'lib/clock.ts', check: 'steady: steadyTime(clock) + ms', without: 'steady: clock.now() + ms' },
  },
  {
    case: 'a delivered message is redelivered after its hour',
    test: RECEIVING,
    file: 'lib/receive/deliver/delivery-leases.ts',
    check: 'return steadyTime(this.#clock);',
    without: 'return this.#clock.now();',
  },
  {
    case: 'the lease of an earlier process ends within an hour',
    test: RECEIVING,
    file: 'lib/receive/durable-inbox.ts',
    check: 'Math.min(leaseMs, ',
    without: 'Math.max(0, ',
  },
  {
    case: 'deletes nothing at a start with a clock 450 days ahead',
    test: TRUSTED,
    file: 'lib/store/trusted-time.ts',
    check: 'time: saved ?? clock.now()',
    without: 'time: clock.now()',
  },
  {
    case: 'counts on while the process runs',
    test: TRUSTED,
    file: 'lib/store/trusted-time.ts',
    check: 'return Math.min(this.#clock.now(), this.#passed());',
    without: 'return this.#clock.now();',
  },
  {
    case: 'reports nothing overdue and closes nothing',
    test: TRUSTED,
    file: 'lib/send/follower.ts',
    check: 'this.#parts.trusted?.alarmTime() ?? clock.now()',
    without: 'clock.now()',
  },
  {
    case: 'reports nothing overdue and closes nothing',
    test: TRUSTED,
    file: 'lib/send/follower.ts',
    check: 'notYet(row, now, this.#parts.trusted?.now())',
    without: 'notYet(row, now)',
  },
  {
    case: 'is believed for alarms after an hour',
    test: TRUSTED,
    file: 'lib/store/trusted-time.ts',
    check: 'this.#isContradicted || isPatient',
    without: 'true',
  },
  {
    case: 'unknown: it may need a decision: never',
    test: 'test/store/sqlite.test.ts',
    file: 'lib/store/rules/retention.ts',
    check: 'WHEN payload_kind IS NULL THEN NULL',
    without: "WHEN payload_kind IS NULL THEN NULL WHEN state = 'unknown' THEN 2",
  },
  {
    case: 'is noticed once, by every listener',
    test: STEPS,
    file: 'lib/clock-steps.ts',
    check: 'if (ms !== 0) this.record(ms);',
    without: 'void ms;',
  },
  {
    case: 'is forgotten when a harness has restored the clock',
    test: STEPS,
    file: 'lib/clock-steps.ts',
    check: '    this.#last = undefined;\n',
    without: '',
  },
  {
    case: 'is not what drifts',
    test: STEPS,
    file: 'lib/clock-steps.ts',
    check: '    this.#looked = momentAfter(this.#clock);\n    if',
    without: '    if',
  },
  {
    case: 'the failures that it hides still are',
    test: STEPS,
    file: 'lib/monitor/health.ts',
    check: 'iso(moment && wallTimeOf(this.#clock, moment))',
    without: 'iso(moment?.wall)',
  },
  {
    case: 'is noticed at the start, because the store knows',
    test: STEPS,
    file: 'lib/storage.ts',
    check: 'trusted.behindMs > NOTABLE_STEP_MS',
    without: 'trusted.behindMs < -NOTABLE_STEP_MS',
  },
  {
    case: 'limits counted from the earlier clock are set anew',
    test: STEPS,
    file: 'lib/send/follower.ts',
    check: 'if (behindMs < 0) await this.#planAgain();',
    without: 'void behindMs;',
  },
  ...[
    { check: 'waiting + pending > 0', without: 'waiting > 0' },
    { check: 'waiting + pending > 0', without: 'pending > 0' },
    { check: '(openCounts.get(storage)?.get(key) ?? 0) > 0', without: '(openCounts.get(storage)?.get(key) ?? 0) > 9' },
  ].map((fault) =>
    Object.assign(fault, {
      case: 'is found while messages wait in it',
      test: 'test/monitor/forgotten-mailboxes.test.ts',
      file: 'lib/monitor/forgotten-mailboxes.ts',
    }),
  ),
  {
    case: 'counts a Retry-After that is a date from the server’s time',
    test: 'test/client/retry.test.ts',
    file: 'lib/client/failures.ts',
    check: "Date.parse(String(response.headers['date'])) || machineNow()",
    without: 'machineNow()',
  },
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title, test }) => mochaArgs(title, test),
);
