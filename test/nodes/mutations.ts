/**
 * Removes each rule about stored credentials, empty settings and the sandbox's name, one at a time, and sees its test
 * fail. `npx tsx test/nodes/mutations.ts [words of a case]`; it changes files of nodes and lib while it runs, and restores
 * them. Run `npm run build` afterwards: tests of a real Node-RED use dist.
 */
import { tryAll, type Mutation } from '../harness/mutation';

interface Rule extends Mutation {
  /** Words from the title of the test. */
  case: string;
  test: string;
}

const OTHER_WAY = 'asks for them again with any other server';
const STORED = 'test/nodes/stored-credentials.test.ts';
const CHECK = 'nodes/admin/connection-check.ts';

const MUTATIONS: Rule[] = [
  {
    case: OTHER_WAY,
    test: STORED,
    file: CHECK,
    check: 'isDeepStrictEqual(node.route(), route)',
    without: '(void isDeepStrictEqual, node.route().environment === route.environment)',
  },
  {
    case: OTHER_WAY,
    test: STORED,
    file: CHECK,
    check: 'isDeepStrictEqual(node.route(), route)',
    without: 'isDeepStrictEqual({ ...node.route(), proxy: undefined }, { ...route, proxy: undefined })',
  },
  {
    case: OTHER_WAY,
    test: STORED,
    file: CHECK,
    check: 'isDeepStrictEqual(node.route(), route)',
    without: 'isDeepStrictEqual({ ...node.route(), tls: undefined }, { ...route, tls: undefined })',
  },
  {
    case: 'that is "" behind',
    test: 'test/nodes/mesh-config.test.ts',
    file: 'nodes/shared/create-node.ts',
    check: 'isBlank && namedVariable(saved) !== undefined ? saved : value',
    without: '(void isBlank, value)',
  },
  {
    case: 'does not take a blank environment',
    test: 'test/nodes/mesh-config.test.ts',
    file: 'nodes/mailbox/mailbox-settings.ts',
    check: "if (text === '') throw new ConfigurationError(sharedText(RED, 'error.no-environment'));",
    without: "if (text === '') return 'sandbox';",
  },
  {
    case: 'in MESH_STORE_URL opens no storage',
    test: 'test/nodes/empty-settings.test.ts',
    file: 'lib/variables.ts',
    check: 'if (problem === undefined) return value;',
    without: 'if (problem !== undefined) return value.trim() || undefined; if (problem === undefined) return value;',
  },
  {
    case: 'refuses an empty option, argument or variable by its name',
    test: 'test/cli/command-line.test.ts',
    file: 'lib/cli/options.ts',
    check: "value.trim() !== ''",
    without: "value !== '-'",
  },
  {
    case: 'is the built-in one, and a server on this machine',
    test: 'test/nodes/sandbox-named.test.ts',
    file: 'lib/config.ts',
    check: "if (isThisMachine(url.hostname)) return 'sandbox';",
    without: 'void isThisMachine;',
  },
  {
    case: 'is named by the status of a working mailbox',
    test: 'test/nodes/sandbox-named.test.ts',
    file: 'nodes/mailbox/connection-status.ts',
    check: "isSandbox ? 'connected-sandbox' : 'connected'",
    without: "(void isSandbox, 'connected')",
  },
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  // Built first: a real Node-RED runs dist.
  ({ case: title, test }) => [
    '--eval',
    `const { spawnSync } = require('node:child_process');
     const run = (...args) => spawnSync(process.execPath, args, { stdio: 'ignore' }).status === 0;
     const npm = spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'ignore' });
     if (npm.status !== 0) process.exit(0);
     process.exit(run(${JSON.stringify(require.resolve('mocha/bin/mocha.js'))}, '--exit', '-f', ${JSON.stringify(title)},
       ${JSON.stringify(test)}) ? 0 : 1);`,
  ],
);
