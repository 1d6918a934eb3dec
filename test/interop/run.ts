/**
 * `npm run test:interop`: creates a Python virtual environment with NHS England's own sandbox and client, pinned, and
 * runs the tests in test/interop with it. If something is missing, it says what, and how to get it. With `--docs`, a
 * complete run in which every test passed writes the table in docs/interoperation.md. All other arguments go to mocha.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../harness/node-red';
import { LOAD_TYPESCRIPT } from '../harness/typescript';
import { writeMatrix, type TestResult } from './support/matrix';
import { CLIENT_SOURCE } from './support/python';

const REQUIREMENTS = join(ROOT, 'test', 'interop', 'requirements.txt');
const VENV = join(ROOT, '.venv-interop');
const PYTHON = join(VENV, ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']));
/**
 * The file that says what the environment was created from. It is written last, so that an incomplete one is recreated.
 */
const STAMP = join(VENV, 'made-of.txt');

/** The versions of Python that the pinned mesh-sandbox supports: from 3.11 to before 3.14. */
const OLDEST = [3, 11] as const;
const TOO_NEW = [3, 14] as const;
const CANDIDATES = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python'];

const HOW_TO_GET_PYTHON =
  'Install Python 3.11, 3.12 or 3.13 with its venv module. Debian, Ubuntu: apt-get install python3 python3-venv. ' +
  'Fedora, RHEL: dnf install python3. macOS: brew install python@3.13. Windows: winget install Python.Python.3.13';
const HOW_TO_REACH_PYPI =
  'pip needs the Python Package Index or a mirror of it: check network and proxy (HTTPS_PROXY), or set the mirror in ' +
  'PIP_INDEX_URL or in pip’s own configuration.';

/** Something that this script needs is missing. It ends with this message and without a stack. */
class MissingError extends Error {
  constructor(
    what: string,
    readonly howToGetIt: string,
  ) {
    super(what);
  }
}

interface Outcome {
  ok: boolean;
  output: string;
}

function run(command: string, args: readonly string[]): Outcome {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  return { ok: status === 0, output: error ? error.message : `${stdout}${stderr}`.trim() };
}

/**
 * Returns the command of a Python whose version is supported.
 * @throws MissingError when there is none
 */
function findPython(): string {
  const seen: string[] = [];
  for (const candidate of CANDIDATES) {
    const { ok, output } = run(candidate, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])']);
    if (!ok) continue;
    const version = output.split('.').map(Number);
    if (!isBefore(version, OLDEST) && isBefore(version, TOO_NEW)) return candidate;
    seen.push(`${candidate} is ${output}`);
  }
  const what =
    seen.length === 0 ? 'No Python was found.' : `No Python with a supported version was found: ${seen.join(', ')}.`;
  throw new MissingError(what, HOW_TO_GET_PYTHON);
}

function isBefore(
  [major = 0, minor = 0]: readonly number[],
  [otherMajor, otherMinor]: readonly [number, number],
): boolean {
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}

/**
 * Creates the virtual environment, unless one exists that was created from the same requirements by the same Python.
 * @throws MissingError when Python or the packages cannot be installed
 */
function prepareEnvironment(): void {
  const python = findPython();
  const requirements = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex');
  const stamp = `${requirements} ${run(python, ['--version']).output}\n`;
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp && run(PYTHON, ['--version']).ok) return;

  console.log('Creating a Python environment with NHS England’s mesh-sandbox and mesh-client …');
  rmSync(VENV, { recursive: true, force: true });
  const creation = run(python, ['-m', 'venv', VENV]);
  if (!creation.ok) {
    throw new MissingError(
      `${python} cannot create a virtual environment.\n${lastLines(creation.output)}`,
      HOW_TO_GET_PYTHON,
    );
  }
  const installation = run(PYTHON, [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--no-input',
    '--only-binary=:all:',
    '--requirement',
    REQUIREMENTS,
  ]);
  if (!installation.ok) {
    throw new MissingError(
      `pip cannot install NHS England’s software (test/interop/requirements.txt).\n${lastLines(installation.output)}`,
      HOW_TO_REACH_PYPI,
    );
  }
  downloadClientTests();
  writeFileSync(STAMP, stamp);
}

/**
 * Downloads the source distribution of the pinned mesh-client, which has its tests: the package itself does not.
 * @throws MissingError when it cannot be downloaded or read
 */
function downloadClientTests(): void {
  const client = /^mesh-client==.*$/m.exec(readFileSync(REQUIREMENTS, 'utf8'))?.[0] ?? '';
  const options = '--quiet --disable-pip-version-check --no-input --no-deps --no-binary=:all:'.split(' ');
  const download = run(PYTHON, ['-m', 'pip', 'download', ...options, '--dest', VENV, client]);
  const file = `mesh_client-${client.replace(/.*==/, '')}.tar.gz`;
  const extraction = run(PYTHON, ['-m', 'tarfile', '--extract', join(VENV, file), CLIENT_SOURCE]);
  if (download.ok && extraction.ok) return;
  throw new MissingError(
    `pip cannot download the source of ${client}.\n${lastLines(download.ok ? extraction.output : download.output)}`,
    HOW_TO_REACH_PYPI,
  );
}

function lastLines(output: string): string {
  return output
    .split('\n')
    .slice(-5)
    .map((line) => `  ${line}`)
    .join('\n');
}

/**
 * Runs the tests with these arguments of mocha, e.g. `--grep paging`, and prints a summary line. Returns the exit code.
 */
async function runTests(args: readonly string[], results: string): Promise<number> {
  const mocha = join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js');
  // Required here again, because arguments replace the list in .mocharc.json.
  const required = [...LOAD_TYPESCRIPT, '--require', './test/interop/support/hooks.ts'];
  const child = spawn(
    process.execPath,
    [mocha, '--reporter', 'spec', ...required, 'test/interop/**/*.test.ts', ...args],
    {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, MESH_INTEROP_PYTHON: PYTHON, MESH_INTEROP_RESULTS: results },
    },
  );
  let output = '';
  child.stdout.on('data', (piece: Buffer) => {
    output += piece.toString();
    process.stdout.write(piece);
  });
  const code = await new Promise<number>((resolve) => child.once('close', (exit) => resolve(exit ?? 1)));
  const count = (word: string): number => Number(new RegExp(`^  (\\d+) ${word}`, 'm').exec(output)?.[1] ?? 0);
  const [passed, failed, skipped] = [count('passing'), count('failing'), count('pending')];
  process.stdout.write(`Tests: ${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  // Where nothing ran, nothing was shown.
  return passed === 0 && code === 0 ? 1 : code;
}

async function main(): Promise<number> {
  try {
    prepareEnvironment();
  } catch (error) {
    if (!(error instanceof MissingError)) throw error;
    console.error(`npm run test:interop cannot run. ${error.message}\n${error.howToGetIt}`);
    return 1;
  }
  const args = process.argv.slice(2);
  const mochaArgs = args.filter((argument) => argument !== '--docs');
  const folder = mkdtempSync(join(tmpdir(), 'mesh-interop-run-'));
  try {
    const results = join(folder, 'results.json');
    const started = Date.now();
    const code = await runTests(mochaArgs, results);
    if (code === 0 && mochaArgs.length < args.length) {
      const all = JSON.parse(readFileSync(results, 'utf8')) as TestResult[];
      writeMatrix(all, PYTHON, (Date.now() - started) / 1000);
    }
    return code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
