/**
 * The NHS's own clients, for comparison: the Python client (mesh-client, PyPI) and the JavaScript client
 * (nhs-mesh-client, npm), in pinned versions. They are installed into `.bench-peers`, which git ignores.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Child } from '../harness/child';

const ROOT = resolve(__dirname, '..', '..');
const FOLDER = join(ROOT, '.bench-peers');
const VENV = join(FOLDER, 'python');
const PYTHON = join(VENV, ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']));
const REQUIREMENTS = join(ROOT, 'test', 'interop', 'requirements.txt');
const JAVASCRIPT = join(FOLDER, 'javascript');
const JAVASCRIPT_PACKAGE = 'nhs-mesh-client@1.0.9';
const JAVASCRIPT_CLIENT = join(JAVASCRIPT, 'node_modules', 'nhs-mesh-client');

/** A client to compare with. */
export interface Peer {
  name: string;
  start: () => Child;
  /** Decodes each received message as text, whole in memory. */
  receivesText: boolean;
  /** A variant is a client with settings other than its defaults. */
  role: 'peer' | 'variant';
}

/** A peer and its installation. */
type Installed = Peer & { isThere: () => boolean; install: () => void };

function pythonClient(name: string, role: Peer['role'], ...args: string[]): Installed {
  return {
    name,
    role,
    receivesText: false,
    start: () => Child.program(name, PYTHON, [join(__dirname, 'python.py'), ...args]),
    isThere: () => existsSync(join(VENV, 'complete')),
    install() {
      rmSync(VENV, { recursive: true, force: true });
      run('python3', ['-m', 'venv', VENV]);
      const only = ['--only-binary=:all:', '--constraint', REQUIREMENTS];
      run(PYTHON, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...only, 'mesh-client']);
      writeFileSync(join(VENV, 'complete'), '');
    },
  };
}

const PEERS: Installed[] = [
  pythonClient('Python client', 'peer'),
  pythonClient('Python client, no retries', 'variant', 'no-retries'),
  {
    name: 'JavaScript client',
    role: 'peer',
    receivesText: true,
    start: () =>
      Child.program('JavaScript client', process.execPath, [join(__dirname, 'javascript.mjs'), JAVASCRIPT_CLIENT]),
    isThere: () => existsSync(join(JAVASCRIPT, 'complete')),
    install() {
      installFromNpm(JAVASCRIPT, [JAVASCRIPT_PACKAGE]);
      // The client imports JSON with the keyword `assert`, which Node.js dropped in version 22; `with` replaces it.
      const headers = join(JAVASCRIPT_CLIENT, 'src', 'headers', 'generate_headers.js');
      writeFileSync(headers, readFileSync(headers, 'utf8').replace(/assert (\{ type: "json" \})/, 'with $1'));
      writeFileSync(join(JAVASCRIPT, 'complete'), '');
    },
  },
];

/** Installs packages and what they need into a folder, without their install scripts. */
function installFromNpm(folder: string, packages: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--omit=dev', '--loglevel=error'];
  run('npm', ['install', '--prefix', folder, ...quiet, ...packages]);
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', shell: process.platform === 'win32' });
  if (status !== 0) throw new Error(error?.message ?? stderr.trim().split('\n').slice(-3).join('\n'));
}

/** Returns the installed peers; with `install`, tries to install the missing ones first. */
export function findPeers(install: boolean, say: (line: string) => void): Peer[] {
  for (const peer of PEERS) {
    if (install && !peer.isThere()) tryToInstall(`the NHS ${peer.name}`, () => peer.install(), say);
  }
  return PEERS.filter((peer) => peer.isThere());
}

/** The packages from npm that the formats are compared with. */
const FORMAT_PACKAGES = ['node-hl7-client@4.0.0', 'edifact@1.2.12', 'fhir@4.12.0'];
const FORMATS = join(FOLDER, 'formats');

/** Returns `node_modules` with the formats' peers, undefined if they are missing; with `install`, tries to install them. */
export function findFormatPeers(install: boolean, say: (line: string) => void): string | undefined {
  const complete = join(FORMATS, 'complete');
  const isThere = (): boolean => existsSync(complete) && readFileSync(complete, 'utf8') === FORMAT_PACKAGES.join('\n');
  if (install && !isThere()) {
    tryToInstall(
      FORMAT_PACKAGES.join(', '),
      () => {
        rmSync(FORMATS, { recursive: true, force: true });
        installFromNpm(FORMATS, FORMAT_PACKAGES);
        writeFileSync(complete, FORMAT_PACKAGES.join('\n'));
      },
      say,
    );
  }
  return isThere() ? join(FORMATS, 'node_modules') : undefined;
}

function tryToInstall(what: string, install: () => void, say: (line: string) => void): void {
  say(`Installing ${what} …`);
  try {
    mkdirSync(FOLDER, { recursive: true });
    install();
  } catch (error) {
    say(`It cannot be installed and is skipped: ${error instanceof Error ? error.message : String(error)}`);
  }
}
