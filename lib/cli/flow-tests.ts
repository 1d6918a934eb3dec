/** `nhs-mesh test`: runs the tests of a flow in a real Node-RED, with the sandbox in the place of MESH. */
import { existsSync } from 'node:fs';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { ConfigurationError } from '../errors';
import { countTests, junitReport, readableFile, readableUnreached } from '../flow-tests/report';
import { runFiles } from '../flow-tests/run-files';
import { readTestFile } from '../flow-tests/test-file';
import type { Command } from './command';
import { readArguments } from './options';

const USAGE = `Usage: nhs-mesh test [flows.json] [options]

Runs the tests of a flow. It starts in a real Node-RED, with the sandbox in the place of every mailbox; a message for
another system (HTTP, MLLP out, e-mail) is caught, and a test gives the response. docs/flow-tests.md shows the form of a
test file.

  --tests FOLDER      the test files: *.test.yaml, *.test.yml or *.test.json in it (default: tests beside the flow file)
  --user-dir FOLDER   the user folder of a Node-RED whose palette the flow uses (default: this package alone)
  --node-red FOLDER   the folder of the package node-red (default: looked for here, in the user folder and globally)
  --update            writes the snapshots anew
  --junit FILE        writes a report in the form of JUnit
  --json              prints the counts as JSON on the last line
  -h, --help          this text

Exit code 1: a test failed; 2: an argument or a test file is wrong.
`;

const OPTIONS = {
  tests: { type: 'string' },
  'user-dir': { type: 'string' },
  'node-red': { type: 'string' },
  update: { type: 'boolean', default: false },
  junit: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const PACKAGE = '@mesh-flows/node-red-nhs-mesh';
const TEST_FILE = /\.test\.(?:ya?ml|json)$/;

async function run(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(args, OPTIONS, 1);
  const [flow] = positionals.map((path) => resolve(path));
  const userDir = values['user-dir'] === undefined ? undefined : resolve(values['user-dir']);
  if (userDir !== undefined && !existsSync(join(userDir, 'node_modules'))) {
    throw new ConfigurationError(`--user-dir has no node_modules: ${userDir}.`);
  }
  const nodeRed = findNodeRed(values['node-red'], userDir);
  const folder = resolve(values.tests ?? join(flow === undefined ? '.' : dirname(flow), 'tests'));
  const paths = await testFilesIn(folder);
  const parseYaml = yamlOf(nodeRed);
  const files = await Promise.all(paths.map((path) => readTestFile(path, parseYaml)));
  const ran = await runFiles(files, {
    flow,
    nodeRed,
    userDir,
    host: hostOf(userDir),
    isUpdating: values.update,
    onFile: (one) => void process.stdout.write(readableFile(one)),
  });
  const counts = countTests(ran.files);
  process.stdout.write(readableUnreached(ran.unreached));
  process.stdout.write(`\nTests: ${counts.passed} passed, ${counts.failed} failed, 0 skipped\n`);
  if (values.junit !== undefined) await writeFile(values.junit, junitReport(ran.files));
  if (values.json) process.stdout.write(`${JSON.stringify({ ...counts, unreached: ran.unreached.length })}\n`);
  return counts.failed > 0 ? 1 : 0;
}

/** @throws ConfigurationError when there is no such folder, or no test file in it */
async function testFilesIn(folder: string): Promise<string[]> {
  const isFolder = await stat(folder).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new ConfigurationError(`There is no folder of tests: ${folder}. Name it with --tests.`);
  const names = (await readdir(folder)).filter((name) => TEST_FILE.test(name)).toSorted();
  if (names.length === 0) {
    throw new ConfigurationError(`There is no test file in ${folder}. Its name ends in .test.yaml or .test.json.`);
  }
  return names.map((name) => join(folder, name));
}

/** Returns the package.json of Node-RED. @throws ConfigurationError when it is not found */
function findNodeRed(named: string | undefined, userDir: string | undefined): string {
  if (named !== undefined) {
    const path = join(resolve(named), 'package.json');
    if (existsSync(path)) return path;
    throw new ConfigurationError(`--node-red is not the folder of the package node-red: ${named}.`);
  }
  const globally = join(dirname(process.execPath), '..', 'lib');
  const places = [process.cwd(), ...(userDir === undefined ? [] : [userDir]), __dirname, globally];
  for (const place of places) {
    try {
      return createRequire(join(place, 'here.js')).resolve('node-red/package.json');
    } catch {
      // The next place.
    }
  }
  throw new ConfigurationError('Node-RED was not found. Name the folder of its package with --node-red.');
}

/**
 * Returns the file of the process that runs tests: of the package whose nodes the flow uses, so that they have one clock.
 * @throws ConfigurationError when the user folder does not have this package
 */
function hostOf(userDir: string | undefined): string {
  const place = userDir === undefined ? join(__dirname, '..') : join(userDir, 'node_modules', PACKAGE, 'dist', 'lib');
  const host = join(place, 'flow-tests', 'host.js');
  if (existsSync(host)) return host;
  throw new ConfigurationError(
    `The user folder ${userDir ?? ''} does not have the package ${PACKAGE}, or an older one.`,
    {
      advice: `Install it there: npm install ${PACKAGE}.`,
    },
  );
}

/** Node-RED has a reader of YAML for its yaml node. */
function yamlOf(nodeRed: string): (text: string) => unknown {
  const nodes = createRequire(nodeRed).resolve('@node-red/nodes/package.json');
  return (createRequire(nodes)('js-yaml') as { load: (text: string) => unknown }).load;
}

export const flowTests: Command = { usage: USAGE, run };
