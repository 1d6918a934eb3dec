/**
 * Removes each rule about storages that are not there or fail, the order of received messages, poolers and failover, one
 * at a time, and sees its test fail.
 * `npx tsx test/store/mutations.ts [words of a case]`; it changes files of lib while it runs, and restores them.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Rule extends Mutation {
  /** Words from the title of the test. */
  case: string;
  test: string;
}

const OPENING = 'test/store/opening.test.ts';
const MAILBOXES = 'test/store/postgres/mailboxes.test.ts';
const SYNCS = 'test/simulation/failed-sync.test.ts';
const FAILOVER = 'test/store/postgres/failover.test.ts';
const KNOWN = 'test/store/known-store.test.ts';
const CONNECTIONS = 'lib/store/postgres/connections.ts';

const MUTATIONS: Rule[] = [
  {
    case: 'of a store that is there is read without a change',
    test: 'test/store/sqlite/version.test.ts',
    file: 'lib/store/sqlite/database.ts',
    check: "if (database.prepare('PRAGMA page_count').get()?.['page_count'] === 0) {",
    without: "if (database.prepare('PRAGMA page_count').get()) {",
  },
  {
    case: 'a database whose clock jumps ahead loses none',
    test: 'test/store/postgres/slices.test.ts',
    file: 'lib/store/postgres/slices.ts',
    check: 'WHERE begun_at < ?',
    without: 'WHERE begun_at < extract(epoch FROM now()) * 1000 + 0 * ?',
  },
  {
    case: 'a time that catches up removes none',
    test: 'test/store/postgres/slices.test.ts',
    file: 'lib/store/postgres/slices.ts',
    check: 'greatest(trusted_time, floor(extract(epoch FROM now()) * 1000))',
    without: 'floor(extract(epoch FROM now()) * 1000)',
  },
  {
    case: 'erases every copy of a received message',
    test: 'test/store/sqlite/erase.test.ts',
    file: 'lib/store/tools/erase.ts',
    check: "all.filter((path) => tags.has(tagOf(basename(path)) ?? ''))",
    without: 'all.filter((path) => basename(path) === name)',
  },
  {
    case: 'is away: operations fail',
    test: FAILOVER,
    file: 'lib/store/postgres/failures.ts',
    check: '|25006|',
    without: '|',
  },
  {
    case: 'a damaged database',
    test: OPENING,
    file: 'lib/store/postgres/failures.ts',
    check: 'passes: false,',
    without: '',
  },
  {
    case: 'a file that is damaged',
    test: OPENING,
    file: 'lib/store/sqlite/failures.ts',
    check: 'passes: false,',
    without: '',
  },
  {
    case: 'another process is just leaving',
    test: OPENING,
    file: 'lib/store/sqlite/database.ts',
    check: 'passes: true,',
    without: '',
  },
  {
    case: 'not after a missing right',
    test: OPENING,
    file: 'lib/store/rules/opening.ts',
    check: "'EACCES', 'EPERM', ",
    without: '',
  },
  {
    case: 'is refused in words',
    test: FAILOVER,
    file: 'lib/store/postgres/open-postgres-store.ts',
    check: 'await connections.requireOwnSessions();',
    without: '',
  },
  {
    case: 'are tried in turn',
    test: FAILOVER,
    file: CONNECTIONS,
    check: 'if (this.#at === at) this.#at = (at + 1) % this.#configs.length;',
    without: 'void at;',
  },
  {
    case: 'are tried in turn',
    test: FAILOVER,
    file: CONNECTIONS,
    check: "rows[0]?.readonly === 'on'",
    without: "rows[0]?.readonly === 'never'",
  },
  {
    case: 'is refused while its folder is empty',
    test: KNOWN,
    file: 'lib/store/sqlite/database.ts',
    check: 'if (!existsSync(file)) requireStoreBeforeMaking(folder, options);',
    without: '',
  },
  {
    case: 'is refused while its file is empty',
    test: KNOWN,
    file: 'lib/store/sqlite/version.ts',
    check: 'requireStoreBeforeMaking(dirname(file), options);',
    without: '',
  },
  {
    case: 'is refused while the database has no store',
    test: KNOWN,
    file: 'lib/store/postgres/version.ts',
    check: 'requireStoreBeforeMaking(place, options);',
    without: '',
  },
  {
    case: 'is not replaced by another store',
    test: KNOWN,
    file: 'lib/store/rules/known-store.ts',
    check: 'expected.id === id',
    without: 'expected.id !== place',
  },
  {
    case: 'is made at the first start',
    test: KNOWN,
    file: 'lib/storage.ts',
    check: 'await known?.remember(identity)',
    without: 'await known?.remember(folder)',
  },
  {
    case: 'may be put elsewhere by the settings',
    test: KNOWN,
    file: 'lib/store/known-store.ts',
    check: 'if (this.#before?.place !== this.#place) return undefined;',
    without: 'if (!this.#before) return undefined;',
  },
  {
    case: 'once, through one of them',
    test: MAILBOXES,
    file: 'lib/store/mailbox-lease.ts',
    check: 'if (!this.#store.isShared) return true;',
    without: 'return true;',
  },
  {
    case: 'is recovered only once it has been unchanged',
    test: MAILBOXES,
    file: 'lib/send/interrupted-messages.ts',
    check: 'if (steadyTime(clock) - since.at < this.#waitMs)',
    without: 'if (steadyTime(clock) < since.at)',
  },
  {
    case: 'take no later commit away when the power is cut',
    test: SYNCS,
    file: 'lib/store/sqlite/database.ts',
    check: '    rewriteLog(`${file}-wal`);\n',
    without: '',
  },
  {
    case: 'as the store keeps the time takes no later commit away',
    test: SYNCS,
    file: 'lib/store/sqlite/operations.ts',
    check: "  'trustedTime',\n",
    without: "  'trustedTime',\n  'trustTime',\n",
  },
  {
    case: 'while a download is noted fails the download',
    test: SYNCS,
    file: 'lib/payload/file-sink.ts',
    check: 'this.#failure ??= error as StorageError;\n      throw error;',
    without: 'throw error;',
  },
  ...['listIncoming', 'recentIncoming'].map((what) => ({
    case: what,
    test: 'test/store/sqlite.test.ts',
    file: what === 'listIncoming' ? 'lib/store/sqlite/incoming.ts' : 'lib/store/sqlite/overview.ts',
    check: "Number(one['seq'])",
    without: "Number(one['received_at'])",
  })),
  {
    case: 'listIncoming',
    test: 'test/store/postgres.test.ts',
    file: 'lib/store/postgres/incoming.ts',
    check: 'ORDER BY i.seq LIMIT',
    without: 'ORDER BY i.received_at LIMIT',
  },
  {
    case: 'that have ended come in the order of storing',
    test: 'test/receive/delivery-leases.test.ts',
    file: 'lib/receive/deliver/delivery-leases.ts',
    check: 'oldest.sequence <= lease.sequence',
    without: 'oldest.sequence >= lease.sequence',
  },
  {
    case: 'of many at once adds each that can be added',
    test: 'test/store/postgres.test.ts',
    file: 'lib/store/postgres/outgoing.ts',
    check: 'if (runs.length === 0 || own.some((each) => seen.has(each))) {',
    without: 'if (runs.length === 0) {',
  },
  {
    case: 'of many at once adds each that can be added',
    test: 'test/store/postgres.test.ts',
    file: 'lib/store/postgres/outgoing.ts',
    check: 'WHERE n NOT IN (SELECT n FROM first) ORDER BY n',
    without: 'WHERE n NOT IN (SELECT n FROM first) ORDER BY n DESC',
  },
  {
    case: 'PostgreSQL with 80,000 messages each way behind it does everything as fast',
    test: 'test/store/history.test.ts',
    file: 'lib/store/postgres/overview.ts',
    check: 'DESC LIMIT ?\n      ) AS i',
    without: 'DESC LIMIT greatest(?, 1000000)\n      ) AS i',
  },
  {
    case: 'SQLite with 80,000 messages each way behind it does everything as fast',
    test: 'test/store/history.test.ts',
    file: 'lib/store/sqlite/retention.ts',
    check: 'INDEXED BY outgoing_row_due\n        WHERE row_since IS NOT NULL AND row_since <= ?',
    without: 'WHERE +row_since IS NOT NULL AND +row_since <= ?',
  },
  {
    case: 'wait some milliseconds for more where nobody outside waits',
    test: 'test/store/sqlite/load.test.ts',
    file: 'lib/store/sqlite/open-sqlite-store.ts',
    check: 'this.#isUrgent ||= !MAY_WAIT.has(name);',
    without: 'this.#isUrgent = true;',
  },
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title, test }) => mochaArgs(title, test),
);
