/**
 * Removes each rule about stored credentials, empty settings, the sandbox's name, outputs that reach no node, mailboxes
 * that nothing opens, the palette and the dialogs, one at a time, and sees its test fail.
 * `npx tsx test/nodes/mutations.ts [words of a case]`; it changes files of nodes, resources and lib while it runs, and
 * restores them; where a real Node-RED runs dist, it builds.
 */
import { mochaArgs, tryAll, type Mutation } from '../harness/mutation';

interface Rule extends Mutation {
  /** Words from the title of the test. */
  case: string;
  test: string;
  /** The test starts a real Node-RED, which runs dist. */
  isBuilt?: true;
}

const OTHER_WAY = 'asks for them again with any other server';
const STORED = 'test/nodes/stored-credentials.test.ts';
const CHECK = 'nodes/admin/connection-check.ts';

const GUARD = 'nodes/mailbox/output-guard.ts';
const REACHABLE = 'nodes/mailbox/reachable-outputs.ts';

const NAMED = 'test/nodes/sandbox-in-errors.test.ts';

/** What lets a dead man's switch trip. */
const HEARTBEAT: Rule[] = [
  {
    case: 'beats at the address of a dead man’s switch while nothing has stopped',
    test: 'test/nodes/mesh-status.test.ts',
    file: 'nodes/mesh-status.ts',
    check: "heartbeat === undefined || fillOf(reporter.last()) === 'red'",
    without: 'heartbeat === undefined',
  },
];

/** Outputs behind which no node runs. */
const NOBODY_THERE: Array<Omit<Rule, 'test'>> = [
  ...['a disabled node', 'a node that is gone', 'a link to a disabled tab', 'a disabled subflow'].map((what) => ({
    case: `delivers nothing to ${what}`,
    file: REACHABLE,
    check: 'if (node === undefined) return false;',
    without: 'if (node === undefined) return true;',
  })),
  ...[
    'a junction without wires',
    'a link without a target',
    'links in a circle',
    'a subflow whose inner node is disabled',
  ].map((what) => ({
    case: `delivers nothing to ${what}`,
    file: REACHABLE,
    check: "if (!isPassage) return node.type !== 'subflow-status';",
    without: 'if (isPassage || !isPassage) return true;',
  })),
  {
    case: 'delivers nothing to a link that returns to nobody',
    file: REACHABLE,
    check: 'return caller !== undefined && ',
    without: 'return caller === undefined || ',
  },
  {
    case: 'a link call that returns to nobody',
    file: REACHABLE,
    check: "definitionOf(node)?.mode === 'return'",
    without: "definitionOf(node)?.mode === 'never'",
    also: { file: REACHABLE, check: '[...calls, node]);', without: '[...calls, node]) || true;' },
  },
  {
    case: 'delivers after the deploy that wires it',
    file: 'nodes/mesh-poll.ts',
    check: '        retryRefused();',
    without: '        void retryRefused;',
  },
  {
    case: 'refuses to list parked',
    file: 'nodes/mesh-poll.ts',
    check: 'await requireParkedOutput(guard);',
    without: 'void requireParkedOutput;',
  },
  {
    case: 'mesh-ack does not end',
    file: 'nodes/mesh-ack.ts',
    check: 'await guard.checkIfWired(0, msg);',
    without: 'void guard;',
  },
  {
    case: 'a debug node that is off',
    file: GUARD,
    check: '|| isOnlyShown(this.#node, output)) return;',
    without: ') { void isOnlyShown; return; }',
  },
  {
    case: 'mesh-mllp-in responds at once',
    file: 'nodes/mllp/inbound.ts',
    check: 'await this.#guard.require(0);',
    without: 'void this.#guard;',
  },
  {
    case: 'mesh-mllp-out gives Catch',
    file: 'nodes/mesh-mllp-out.ts',
    check: 'await guard.check(REFUSED_OUTPUT);',
    without: 'void guard;',
  },
  {
    case: 'mesh-folder-read leaves',
    file: 'nodes/mesh-folder-read.ts',
    check: 'await guard.check(0);',
    without: 'void guard;',
  },
  {
    case: 'gives an alarm to Catch',
    file: GUARD,
    check: 'this.#options.onKept?.(each.msg, each.about);',
    without: '',
  },
  {
    case: 'gives an alarm that it kept',
    file: GUARD,
    check: 'for (const output of this.#everWired) this.#sendKept(output);',
    without: '',
  },
  {
    case: 'mesh-status gives an alert',
    file: GUARD,
    check: 'this.#options.onKept?.(each.msg, each.about);',
    without: '',
  },
  {
    case: 'reports messages that wait for a mailbox',
    file: 'nodes/mesh-status.ts',
    check: "def.all === 'one' ? [] : forgottenMailboxes(RED)",
    without: "def.all === 'one' || forgottenMailboxes.length > 0 ? [] : []",
  },
  {
    case: 'reports messages that wait for a mailbox',
    file: 'nodes/mailbox/storage-place.ts',
    check: 'traces.some((file) => existsSync(file))',
    without: 'traces.length < 0',
  },
  {
    case: 'its mailbox is disabled',
    file: 'nodes/mailbox/mailbox-user.ts',
    check: 'config.d === true ||',
    without: '',
  },
];

const STATUSES = [
  {
    case: 'come at most twice a second',
    check: 'secondLast + WINDOW_MS + EVERY_MS)',
    without: 'secondLast)',
  },
  {
    case: 'the last one is shown in the end',
    check: 'setTimeout(() => this.#takeTurn(), at - now)',
    without: 'setTimeout(() => undefined, at - now)',
  },
  {
    case: 'do not wait behind counts',
    check: 'if (this.#isNewProblem()) return this.#problemAt + WINDOW_MS;',
    without: '',
  },
  {
    case: 'when every other message fails',
    check: 'return this.#problemAt + WINDOW_MS;',
    without: 'return this.#problemAt;',
  },
  {
    case: 'while they stay the same',
    check: 'if (isDeepStrictEqual(this.#wanted, this.#shown)) return;',
    without: 'void isDeepStrictEqual;',
  },
  {
    case: 'leave no timer',
    check: 'clearTimeout(this.#turn?.timer);\n    });',
    without: '});',
  },
  {
    case: 'are not set any more once it closes',
    check: 'if (this.#isClosed) return;',
    without: '',
  },
];

const REPEATS = 'test/journeys/mllp-repeats.test.ts';
const TRAPS = 'test/journeys/poll-traps.test.ts';
const NEWCOMERS = 'test/journeys/newcomers.test.ts';
const STRICT = 'test/nodes/strict-sandbox.test.ts';

/** What a newcomer's flow meets: repeats over MLLP, no mesh-ack, a second configuration, a sandbox like MESH. */
const FIRST_HOUR: Rule[] = [
  {
    case: 'answers AA while MESH is away',
    test: REPEATS,
    isBuilt: true,
    file: 'nodes/mesh-send.ts',
    check: "(confirm === 'automatic' && isFromMllp)",
    without: "(confirm === 'automatic' && !isFromMllp)",
  },
  {
    case: 'answers AA while MESH is away',
    test: REPEATS,
    isBuilt: true,
    file: 'nodes/mllp/mllp-once.ts',
    check: 'mllp.sha256WithoutTime ?? mllp.sha256',
    without: 'mllp.sha256',
  },
  {
    case: 'raises another message with a known control id',
    test: REPEATS,
    isBuilt: true,
    file: 'nodes/mllp/mllp-once.ts',
    check: 'mllp.sha256WithoutTime ?? mllp.sha256',
    without: "String('any message')",
  },
  {
    case: 'takes another MSH-7 for another message',
    test: REPEATS,
    isBuilt: true,
    file: 'nodes/mllp/mllp-once.ts',
    check: 'mllp.repeatsKeepTime === true ?',
    without: 'mllp.requestId === undefined ?',
  },
  {
    case: 'sends each of several messages',
    test: REPEATS,
    isBuilt: true,
    file: 'nodes/mllp/mllp-once.ts',
    check: 'firstFree(places)',
    without: 'firstFree(new Set())',
  },
  {
    case: 'warns at the deploy, names the outputs',
    test: TRAPS,
    isBuilt: true,
    file: 'nodes/mailbox/reachable-outputs.ts',
    check: ', ...completeNodesOf(found)',
    without: ', ...completeNodesOf(found).slice(0, 0)',
  },
  {
    case: 'raises a condition at the first redelivery',
    test: TRAPS,
    isBuilt: true,
    file: 'lib/operator/mailbox-view.ts',
    check: 'deliveryCount > 1)',
    without: 'deliveryCount > 99)',
  },
  {
    case: 'raises a condition at the first redelivery',
    test: TRAPS,
    isBuilt: true,
    file: 'nodes/receive/inbox-consumer.ts',
    check: 'parkedCount.changed(state);',
    without: 'void parkedCount;',
  },
  {
    case: 'keeps the mailbox for the configuration that had it',
    test: NEWCOMERS,
    isBuilt: true,
    file: 'nodes/mailbox/mailbox-claims.ts',
    check: 'if (first !== undefined && first !== configId) await settled();',
    without: 'void [first, settled];',
  },
  {
    case: 'keeps the messages for the mesh-poll that had them',
    test: NEWCOMERS,
    isBuilt: true,
    file: 'lib/receive/poll/inbox-router.ts',
    check: '(each.consumer.precedence ?? Infinity) > precedence',
    without: '(each.consumer.precedence ?? Infinity) < -precedence',
  },
  {
    case: 'refuses a workflow id that nobody has',
    test: STRICT,
    file: 'lib/sandbox/workflows.ts',
    check: "this.#registered.has('*')",
    without: "!this.#registered.has('*')",
  },
  {
    case: 'refuses a recipient that is not in capitals',
    test: STRICT,
    file: 'lib/sandbox/endpoints/send.ts',
    check: '!context.strict || toAsSent === to',
    without: "toAsSent !== ''",
  },
  {
    case: 'lets five days pass',
    test: STRICT,
    file: 'lib/sandbox/clock.ts',
    check: 'this.#offsetMs = before;',
    without: 'void before;',
  },
];

const MUTATIONS: Rule[] = [
  ...HEARTBEAT,
  {
    case: 'takes a warning for not valid where that is set',
    test: 'test/nodes/mesh-fhir-validate.test.ts',
    file: 'nodes/mesh-fhir-validate.ts',
    check: "severity === 'error' || severity === level",
    without: "severity === 'error'",
  },
  {
    case: 'warns once of a definition that cannot be used, with its file',
    test: 'test/nodes/mesh-fhir-validate.test.ts',
    file: 'nodes/mesh-fhir-validate.ts',
    check: 'if (reported.has(file)) continue;',
    without: '',
  },
  {
    case: 'sends what is valid, and refuses the rest with the first error',
    test: 'test/nodes/mesh-fhir-validate.test.ts',
    file: 'nodes/send/validate-before-sending.ts',
    check: 'if (!valid) throw',
    without: 'if (false) throw',
  },
  ...FIRST_HOUR,
  {
    case: 'names it at Catch and on a parked message',
    test: NAMED,
    file: 'nodes/shared/report-error.ts',
    check: 'node ? withPlace(node, plain) : plain',
    without: '(void withPlace, plain)',
  },
  {
    case: 'names it at Catch and on a parked message',
    test: NAMED,
    file: 'nodes/receive/inbox-consumer.ts',
    check: 'message: withPlace(node, details.message)',
    without: 'message: (void withPlace, details.message)',
  },
  {
    case: 'names it in the text of a condition',
    test: NAMED,
    file: 'nodes/monitor/condition-reporter.ts',
    check: "if (environment !== 'sandbox') return condition;",
    without: 'if (environment.length >= 0) return condition;',
  },
  ...NOBODY_THERE.map((rule) => Object.assign(rule, { test: 'test/nodes/nobody-there.test.ts' })),
  {
    case: OTHER_WAY,
    test: STORED,
    isBuilt: true,
    file: CHECK,
    check: 'isDeepStrictEqual(node.route(), route)',
    without: '(void isDeepStrictEqual, node.route().environment === route.environment)',
  },
  {
    case: OTHER_WAY,
    test: STORED,
    isBuilt: true,
    file: CHECK,
    check: 'isDeepStrictEqual(node.route(), route)',
    without: 'isDeepStrictEqual({ ...node.route(), proxy: undefined }, { ...route, proxy: undefined })',
  },
  {
    case: OTHER_WAY,
    test: STORED,
    isBuilt: true,
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
    check: "if (text === '') throw blank(RED, 'no-environment');",
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
    check: "return value.trim() === '' ?",
    without: "return value === '-' ?",
  },
  {
    case: 'is the built-in one, and a server on this machine',
    test: 'test/nodes/sandbox-named.test.ts',
    file: 'lib/config.ts',
    check: "if (isThisMachine(url.hostname)) return 'sandbox';",
    without: 'void isThisMachine;',
  },
  {
    case: 'names the sandbox in every status of a node whose mailbox is in one',
    test: 'test/nodes/mesh-send.test.ts',
    file: 'nodes/shared/status.ts',
    check: 'this.isSandbox ?',
    without: 'this.#isClosed ?',
  },
  {
    case: 'sends nothing without a credential when the variable that should hold it is empty',
    test: 'test/nodes/mesh-alert.test.ts',
    file: 'nodes/shared/create-node.ts',
    check: 'restoreCredentials(RED, node, config);',
    without: '',
  },
  {
    case: 'names the variable that should hold one and does not, and sends nothing in its place',
    test: STORED,
    file: CHECK,
    check: "found.password === STORED ? secretSetting(RED, 'password', password)",
    without: "found.password === STORED ? (password ?? '')",
    isBuilt: true,
  },
  {
    case: 'sends nothing more once it is removed, and says how many alerts wait, and where they are',
    test: 'test/nodes/mesh-alert.test.ts',
    file: 'nodes/mesh-alert.ts',
    check: 'if (removed && waiting > 0)',
    without: 'if (!removed && waiting > 0)',
  },
  {
    case: 'the nodes stand in their order',
    test: 'test/browser/first-steps.test.ts',
    file: 'resources/mesh-editor/main.js',
    check: '\norderPalette();',
    without: '\nvoid orderPalette;',
  },
  {
    case: 'the palette shows every name whole',
    test: 'test/browser/dialogs.test.ts',
    file: 'resources/mesh-editor/dialogs.css',
    check: 'margin: 4px 31px 4px 6px;',
    without: 'margin: 4px 32px 4px 0;',
  },
  {
    case: 'mesh-config: a new node’s dialog is accessible, has every label on one line, and cuts no text',
    test: 'test/browser/dialogs.test.ts',
    file: 'resources/mesh-editor/dialogs.css',
    check: 'width: 0 !important;',
    without: '',
  },
  {
    case: 'suggestions of another one come late',
    test: 'test/browser/sidebar-keyboard.test.ts',
    file: 'resources/mesh-editor/workflow-suggestions.js',
    check: 'if (document.activeElement === field) done(found);',
    without: 'void field; done(found);',
  },
  {
    case: 'a row that leaves the list',
    test: 'test/browser/sidebar-truth.test.ts',
    file: 'resources/mesh-sidebar/dom.js',
    check: ' ?? now[Math.min(place, now.length - 1)]',
    without: '',
  },
  {
    case: 'takes the press, by mouse and by key',
    test: 'test/browser/sidebar-truth.test.ts',
    file: 'resources/mesh-sidebar/api.js',
    check: 'await pressEnded();',
    without: 'void pressEnded;',
  },
  {
    case: 'also before it has come into view again',
    test: 'test/browser/sidebar-truth.test.ts',
    file: 'resources/mesh-sidebar/main.js',
    check: 'this.#showWorst = !this.#isChosen;',
    without: 'if (!this.#isChosen) this.#id = undefined;',
  },
  ...STATUSES.map((rule) =>
    Object.assign(rule, { test: 'test/nodes/statuses.test.ts', file: 'nodes/shared/status.ts' }),
  ),
];

/** The arguments that build, and then run a test. A fault that does not compile proves nothing: it counts as missed. */
const builtFirst = (args: readonly string[]): string[] => [
  '--eval',
  `const { spawnSync } = require('node:child_process');
   const run = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
   if (!run('npm', ['run', '--silent', 'build'])) process.exit(0);
   process.exit(run(process.execPath, ${JSON.stringify(args)}) ? 0 : 1);`,
];

tryAll(
  MUTATIONS,
  ({ case: title }) => title,
  ({ case: title, test, isBuilt }) => {
    const args = mochaArgs(title, test);
    return isBuilt ? builtFirst(args) : args;
  },
);
