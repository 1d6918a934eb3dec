/**
 * The interoperation matrix, which `npm run test:interop -- --docs` writes into docs/interoperation.md from a run's
 * results.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { markdownTable, replacePart } from '../../harness/docs-part';
import { NODE_RED_PACKAGES, ROOT, type NodeRedMajor } from '../../harness/node-red';

/** The result of one test. `title` includes the titles of its suites. */
export interface TestResult {
  title: string;
  passed: boolean;
  /** Milliseconds, without the suite's hooks. */
  ms: number;
}

/** A row of the matrix: the tests whose titles match, and the software of ours and of NHS England that they use. */
interface Row {
  what: string;
  ours: string;
  /** The software whose versions are named. None for a test of ours alone, for comparison. */
  theirs: ReadonlyArray<'mesh-sandbox' | 'mesh-client'>;
  tests: RegExp;
}

const FILE = join(ROOT, 'docs', 'interoperation.md');
const MARKERS = ['<!-- matrix: begin, written by npm run test:interop -- --docs -->', '<!-- matrix: end -->'] as const;

const SERVERS = { 'the official sandbox': 'mesh-sandbox', 'our sandbox': undefined } as const;
const CLIENTS = { 'our client': undefined, 'the official client': 'mesh-client' } as const;

/** Returns the row of payloads from one client through a server to another client. */
function route(from: keyof typeof CLIENTS, through: keyof typeof SERVERS, to: keyof typeof CLIENTS): Row {
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

function threeMailboxes(major: NodeRedMajor, on: keyof typeof SERVERS): Row {
  return {
    what: `Three mailboxes in one Node-RED, on ${on}`,
    ours: `nodes, Node-RED ${nodeRedVersion(major)}${on === 'our sandbox' ? ', sandbox' : ''}`,
    theirs: on === 'our sandbox' ? ['mesh-client'] : ['mesh-sandbox', 'mesh-client'],
    tests: new RegExp(`^Three mailboxes in one Node-RED ${major} on ${on} `),
  };
}

function rows(): Row[] {
  const nodes = `nodes, Node-RED ${nodeRedVersion('5')}`;
  return [
    route('our client', 'the official sandbox', 'our client'),
    route('our client', 'the official sandbox', 'the official client'),
    route('the official client', 'the official sandbox', 'our client'),
    route('the official client', 'our sandbox', 'our client'),
    route('our client', 'our sandbox', 'the official client'),
    route('the official client', 'our sandbox', 'the official client'),
    route('our client', 'our sandbox', 'our client'),
    {
      what: 'Every operation, and refusals',
      ours: 'client',
      theirs: ['mesh-sandbox'],
      tests: /^Our client and the official sandbox /,
    },
    {
      what: 'Every operation of the official client',
      ours: 'sandbox',
      theirs: ['mesh-client'],
      tests: /^The official client and our sandbox /,
    },
    {
      what: 'The 24 sandbox tests of the official client itself',
      ours: 'sandbox, command line',
      theirs: ['mesh-client'],
      tests: /^The official client’s own tests and nhs-mesh sandbox /,
    },
    {
      what: 'The same requests, the same responses',
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
      what: 'Killed while sending: resumes, arrives once',
      ours: nodes,
      theirs: ['mesh-sandbox', 'mesh-client'],
      tests: /^A Node-RED killed during an exchange .*(upload|MESH has taken)/,
    },
    {
      what: 'Killed while receiving: resumes, delivers once',
      ours: nodes,
      theirs: ['mesh-sandbox', 'mesh-client'],
      tests: /^A Node-RED killed during an exchange .*download/,
    },
    {
      what: 'Closed loop: ITK3 letter, both outcomes',
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
 * Writes the table.
 * @throws Error when a test belongs to no row or to several, or a row has no test: then this file must be updated
 */
export function writeMatrix(results: readonly TestResult[], python: string, seconds: number): void {
  const versions = versionsOf(python);
  const table = rows().map(({ what, ours, theirs, tests }) => {
    const matching = results.filter(({ title }) => tests.test(title));
    if (matching.length === 0) throw new Error(`No test of the matrix's row "${what}" was run.`);
    const failed = matching.filter(({ passed }) => !passed).length;
    const time = matching.reduce((sum, { ms }) => sum + ms, 0) / 1000;
    const counterpart = theirs.map((name) => `${name} ${versions[name]}`).join(', ') || '(for comparison)';
    return [
      what,
      ours,
      counterpart,
      String(matching.length),
      failed === 0 ? 'passed' : `${failed} failed`,
      `${time.toFixed(1)} s`,
    ];
  });
  const stray = results.find(({ title }) => rows().filter(({ tests }) => tests.test(title)).length !== 1);
  if (stray) throw new Error(`A test belongs to no row of the matrix, or to several: ${stray.title}`);
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
  const computer = `${process.platform}, ${availableParallelism()} processors`;
  return `${day}: ${tests} tests in ${Math.round(seconds)} s; ${software}, ${computer}.`;
}

type Versions = Record<'python' | 'mesh-sandbox' | 'mesh-client', string>;

/** Returns the versions that are installed, whatever was requested. */
function versionsOf(python: string): Versions {
  const code =
    'import json, platform; from importlib.metadata import version; ' +
    'names = ("mesh-sandbox", "mesh-client"); ' +
    'print(json.dumps({"python": platform.python_version(), **{name: version(name) for name in names}}))';
  return JSON.parse(execFileSync(python, ['-c', code], { encoding: 'utf8' })) as Versions;
}

function nodeRedVersion(major: NodeRedMajor): string {
  const file = require.resolve(`${NODE_RED_PACKAGES[major]}/package.json`);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
