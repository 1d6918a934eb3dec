/** The interoperation matrix: what `npm run test:interop -- --docs` writes into docs/interoperation.md, made of a run's results. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { markdownTable, replacePart } from '../../harness/docs-part';
import { NODE_RED_PACKAGES, ROOT, type NodeRedMajor } from '../../harness/node-red';

/** What became of one test. `title`: with those of its suites. */
export interface TestResult {
  title: string;
  passed: boolean;
  /** Milliseconds, without what its suite prepares. */
  ms: number;
}

/** One line of the matrix: the tests whose titles fit, and what of ours met what of NHS England's in them. */
interface Line {
  what: string;
  ours: string;
  /** Whose versions are named. None: ours alone, to compare with. */
  theirs: ReadonlyArray<'mesh-sandbox' | 'mesh-client'>;
  tests: RegExp;
}

const FILE = join(ROOT, 'docs', 'interoperation.md');
const MARKERS = ['<!-- matrix: begin, written by npm run test:interop -- --docs -->', '<!-- matrix: end -->'] as const;

const SERVERS = { 'the official sandbox': 'mesh-sandbox', 'our sandbox': undefined } as const;
const CLIENTS = { 'our client': undefined, 'the official client': 'mesh-client' } as const;

/** One way of a payload: from a client through a server to a client. */
function way(from: keyof typeof CLIENTS, through: keyof typeof SERVERS, to: keyof typeof CLIENTS): Line {
  const theirs = [...new Set([SERVERS[through], CLIENTS[from], CLIENTS[to]])].filter((name) => name !== undefined);
  const ours = [from, through, to].filter((name) => name.startsWith('our ')).map((name) => name.slice(4));
  return {
    what: `Payloads from ${from} through ${through} to ${to}`,
    ours: [...new Set(ours)].sort().join(', '),
    theirs,
    tests: new RegExp(
      `^What one client sends.*( from ${from} through ${through} to ${to} |: ${from}, ${through}, ${to}$)`,
    ),
  };
}

function threeMailboxes(major: NodeRedMajor, on: keyof typeof SERVERS): Line {
  return {
    what: `Three mailboxes in one Node-RED, on ${on}`,
    ours: `nodes, Node-RED ${nodeRedVersion(major)}${on === 'our sandbox' ? ', sandbox' : ''}`,
    theirs: on === 'our sandbox' ? ['mesh-client'] : ['mesh-sandbox', 'mesh-client'],
    tests: new RegExp(`^Three mailboxes in one Node-RED ${major} on ${on} `),
  };
}

function lines(): Line[] {
  const nodes = `nodes, Node-RED ${nodeRedVersion('5')}`;
  return [
    way('our client', 'the official sandbox', 'our client'),
    way('our client', 'the official sandbox', 'the official client'),
    way('the official client', 'the official sandbox', 'our client'),
    way('the official client', 'our sandbox', 'our client'),
    way('our client', 'our sandbox', 'the official client'),
    way('the official client', 'our sandbox', 'the official client'),
    way('our client', 'our sandbox', 'our client'),
    {
      what: 'Every operation, and what is refused',
      ours: 'client',
      theirs: ['mesh-sandbox'],
      tests: /^Our client and the official sandbox /,
    },
    {
      what: 'All that the official client does',
      ours: 'sandbox',
      theirs: ['mesh-client'],
      tests: /^The official client and our sandbox /,
    },
    {
      what: 'The same requests, the same answers',
      ours: 'sandbox',
      theirs: ['mesh-sandbox'],
      tests: /^The same requests to both sandboxes /,
    },
    {
      what: 'Each node',
      ours: nodes,
      theirs: ['mesh-sandbox', 'mesh-client'],
      tests: /^The nodes and the official sandbox /,
    },
    threeMailboxes('5', 'the official sandbox'),
    threeMailboxes('4', 'the official sandbox'),
    threeMailboxes('5', 'our sandbox'),
    {
      what: 'Killed while it sends: goes on, arrives once',
      ours: nodes,
      theirs: ['mesh-sandbox', 'mesh-client'],
      tests: /^A Node-RED that is killed, .*(upload|MESH has taken)/,
    },
    {
      what: 'Killed while it receives: goes on, delivers once',
      ours: nodes,
      theirs: ['mesh-sandbox', 'mesh-client'],
      tests: /^A Node-RED that is killed, .*download/,
    },
    {
      what: 'Closed loop: ITK3 letter, both answers',
      ours: nodes,
      theirs: ['mesh-sandbox'],
      tests: /^The closed loop .* a letter/,
    },
    {
      what: 'Closed loop: HL7 v2 to MEDRPT and back, NHSACK',
      ours: nodes,
      theirs: ['mesh-sandbox'],
      tests: /^The closed loop .* a pathology report/,
    },
    {
      what: 'The assurance catalogue (`nhs-mesh conformance`)',
      ours: 'client, command line',
      theirs: ['mesh-sandbox', 'mesh-client'],
      tests: /^The conformance run on the official sandbox /,
    },
  ];
}

/**
 * Writes the table. Throws where a test belongs to no line or to several, or a line has no test: then this file is to be
 * brought up to date.
 */
export function writeMatrix(results: readonly TestResult[], python: string, seconds: number): void {
  const versions = versionsOf(python);
  const table = lines().map(({ what, ours, theirs, tests }) => {
    const own = results.filter(({ title }) => tests.test(title));
    if (own.length === 0) throw new Error(`No test of the matrix's line "${what}" was run.`);
    const failed = own.filter(({ passed }) => !passed).length;
    const time = own.reduce((sum, { ms }) => sum + ms, 0) / 1000;
    const counterpart = theirs.map((name) => `${name} ${versions[name]}`).join(', ') || '(for comparison)';
    return [
      what,
      ours,
      counterpart,
      String(own.length),
      failed === 0 ? 'passed' : `${failed} failed`,
      `${time.toFixed(1)} s`,
    ];
  });
  const stray = results.find(({ title }) => lines().filter(({ tests }) => tests.test(title)).length !== 1);
  if (stray) throw new Error(`A test belongs to no line of the matrix, or to several: ${stray.title}`);
  const head = ['What', 'Ours', 'NHS England’s', 'Tests', 'Result', 'Time'];
  replacePart(
    FILE,
    MARKERS,
    [machine(versions, results.length, seconds), markdownTable([head, ...table])].join('\n\n'),
  );
}

function machine(versions: Versions, tests: number, seconds: number): string {
  const day = new Date().toISOString().slice(0, 10);
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const software = `NHS MESH for Node-RED ${version}, Node.js ${process.version}, Python ${versions.python}`;
  return `${day}: ${tests} tests in ${Math.round(seconds)} s; ${software}, ${process.platform}, ${availableParallelism()} processors.`;
}

type Versions = Record<'python' | 'mesh-sandbox' | 'mesh-client', string>;

/** What is installed, not what was asked for. */
function versionsOf(python: string): Versions {
  const code =
    'import json, platform; from importlib.metadata import version; ' +
    'print(json.dumps({"python": platform.python_version(), **{n: version(n) for n in ("mesh-sandbox", "mesh-client")}}))';
  return JSON.parse(execFileSync(python, ['-c', code], { encoding: 'utf8' })) as Versions;
}

function nodeRedVersion(major: NodeRedMajor): string {
  const file = require.resolve(`${NODE_RED_PACKAGES[major]}/package.json`);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
