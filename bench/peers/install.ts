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
      mkdirSync(JAVASCRIPT, { recursive: true });
      writeFileSync(join(JAVASCRIPT, 'package.json'), '{ "private": true }');
      const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--omit=dev', '--loglevel=error'];
      run('npm', ['install', '--prefix', JAVASCRIPT, ...quiet, JAVASCRIPT_PACKAGE]);
      // The client imports JSON with the keyword `assert`, which Node.js dropped in version 22; `with` replaces it.
      const headers = join(JAVASCRIPT_CLIENT, 'src', 'headers', 'generate_headers.js');
      writeFileSync(headers, readFileSync(headers, 'utf8').replace(/assert (\{ type: "json" \})/, 'with $1'));
      writeFileSync(join(JAVASCRIPT, 'complete'), '');
    },
  },
];

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', shell: process.platform === 'win32' });
  if (status !== 0) throw new Error(error?.message ?? stderr.trim().split('\n').slice(-3).join('\n'));
}

/** Returns the installed peers; with `install`, tries to install the missing ones first. */
export function findPeers(install: boolean, say: (line: string) => void): Peer[] {
  for (const peer of PEERS) {
    if (!install || peer.isThere()) continue;
    say(`Installing the NHS ${peer.name} …`);
    try {
      mkdirSync(FOLDER, { recursive: true });
      peer.install();
    } catch (error) {
      say(`It cannot be installed and is skipped: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return PEERS.filter((peer) => peer.isThere());
}
